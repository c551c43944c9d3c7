//! Operators that pass their operand on.

use super::Meaning;
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

/// Without training, dropout passes its operand on.
pub fn dropout(_: &Call) -> Result<Meaning, RelayError> {
    Ok(Meaning::Identity)
}

pub fn copy(_: &Call) -> Result<Meaning, RelayError> {
    Ok(Meaning::Identity)
}

/// Between floating types nothing is rounded: engines compute float16 networks in float32 or in the precision of the plan.
/// Also `cast_like`, whose second operand only names a type.
pub fn cast(call: &Call) -> Result<Meaning, RelayError> {
    let from = call.operands.first().map(|x| &x.ty.dtype);
    Ok(if from == Some(&call.output().dtype) {
        Meaning::Identity
    } else {
        Meaning::Cast
    })
}
