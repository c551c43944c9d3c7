//! Scales and zero points, which Relay passes as operands.

use crate::bundle::{Affine, Integer};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;
use crate::tvm::NDArray;

/// How the activation is quantised whose scale and zero point are the operands of these numbers.
pub fn affine(call: &Call, dtype: &str, scale: usize, zero_point: usize) -> Result<Affine, RelayError> {
    let refuse = |reason: String| call.attrs.refuse(reason);
    let dtype = Integer::named(dtype).ok_or_else(|| {
        refuse(format!(
            "it quantises to {dtype}, and a DLA has INT8 only: quantise to int8 or uint8"
        ))
    })?;
    let affine = Affine {
        dtype,
        scale: one(call, &scales(call, scale)?)?,
        zero_point: one(call, &zero_points(call, zero_point)?)?,
    };
    affine.checked().map_err(refuse)
}

/// The scales of an operand, all above zero.
pub fn scales(call: &Call, index: usize) -> Result<Vec<f32>, RelayError> {
    let values = constant(call, index, "scale")?.to_numbers()?;
    match values.iter().find(|s| !(s.is_normal() && **s > 0.0)) {
        Some(scale) => Err(call
            .attrs
            .refuse(format!("the scale {scale} is not a normal number above zero"))),
        None => Ok(values),
    }
}

pub fn zero_points(call: &Call, index: usize) -> Result<Vec<i32>, RelayError> {
    let array = constant(call, index, "zero point")?;
    if array.dtype() != "int32" {
        let reason = format!("its zero point is {}, not int32", array.dtype());
        return Err(call.attrs.refuse(reason));
    }
    let bytes = array.to_bytes()?;
    let element = |bytes: &[u8]| i32::from_le_bytes(bytes.try_into().expect("four bytes"));
    Ok(bytes.chunks_exact(4).map(element).collect())
}

fn constant<'a>(call: &'a Call, index: usize, what: &str) -> Result<&'a NDArray, RelayError> {
    let operand = call.operands.get(index);
    let operand = operand.ok_or_else(|| call.attrs.refuse(format!("it has no {what}")))?;
    operand.value().ok_or_else(|| {
        call.attrs.refuse(format!(
            "its {what} is computed at run time, and a DLA's scales are fixed when its engine is built: quantise statically, \
             with calibrated scales"
        ))
    })
}

fn one<T: Copy>(call: &Call, values: &[T]) -> Result<T, RelayError> {
    match values {
        [value] => Ok(*value),
        many => Err(call.attrs.refuse(format!(
            "an activation has {} scales or zero points, and a DLA takes one per tensor: quantise activations per tensor",
            many.len()
        ))),
    }
}
