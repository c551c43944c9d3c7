//! Functions of single elements that are a few layers each.

use super::several::{Source, Writer};
use super::{Meaning, op};
use crate::graph::{Activation, BinaryKind, Op, UnaryKind};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

/// `1 / sqrt(x)`
pub fn rsqrt(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let root = writer.unary(UnaryKind::Sqrt, x)?;
    let one = writer.constant(&[], vec![1.0]);
    let result = writer.binary(BinaryKind::Div, one, root)?;
    writer.finish(result)
}

/// To the base 2 or 10.
pub fn logarithm(call: &Call) -> Result<Meaning, RelayError> {
    let scale = match call.op.as_str() {
        "log2" => std::f32::consts::LOG2_E,
        _ => std::f32::consts::LOG10_E,
    };
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let natural = writer.unary(UnaryKind::Log, x)?;
    let result = writer.with(BinaryKind::Mul, natural, scale)?;
    writer.finish(result)
}

/// Towards zero: the floor of what is above zero and the ceiling of what is below.
pub fn trunc(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let result = towards_zero(&mut writer, x)?;
    writer.finish(result)
}

fn towards_zero(writer: &mut Writer, x: Source) -> Result<Source, RelayError> {
    let floor = writer.unary(UnaryKind::Floor, x)?;
    let above = writer.with(BinaryKind::Max, floor, 0.0)?;
    let ceil = writer.unary(UnaryKind::Ceil, x)?;
    let below = writer.with(BinaryKind::Min, ceil, 0.0)?;
    writer.binary(BinaryKind::Add, above, below)
}

/// The quotient as a whole number, rounded as the operator's name says.
pub fn whole_quotient(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let (a, b) = (writer.operand(0)?, writer.operand(1)?);
    let quotient = writer.binary(BinaryKind::Div, a, b)?;
    let result = match call.op.as_str() {
        "floor_divide" => writer.unary(UnaryKind::Floor, quotient)?,
        _ => towards_zero(&mut writer, quotient)?,
    };
    writer.finish(result)
}

/// What TVM would approximate is computed.
pub fn fast(call: &Call) -> Result<Meaning, RelayError> {
    match call.op.as_str() {
        "fast_exp" => op(Op::Unary(UnaryKind::Exp), 1),
        "fast_erf" => op(Op::Unary(UnaryKind::Erf), 1),
        _ => op(Op::Activation(Activation::Tanh), 1),
    }
}

/// Operators of which no layer is exactly TVM's.
pub fn not_ours(call: &Call) -> Result<Meaning, RelayError> {
    let reason = match call.op.as_str() {
        "argmax" | "argmin" | "argsort" | "topk" => "its result is an index, and engines give floating point",
        "round" => "TVM rounds halves away from zero, layers round them to even",
        "sign" => "TensorRT has a layer for it from 8.2 on only",
        _ => "its result is true or false, and engines give floating point",
    };
    Err(call.attrs.refuse(reason))
}
