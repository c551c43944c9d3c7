//! Constants that a model quantises, or stores in integers: what they are, by the meaning of the two operators.

use super::scales::{scales, zero_points};
use crate::bundle::{Affine, Integer};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;
use crate::tvm::{NDArray, Object};

/// The value of a type-checked `qnn.quantize` or `qnn.dequantize` of constants, with one scale or one for each place
/// along an axis. `None` for any other call, and for types that no network here has.
///
/// # Errors
/// [`RelayError`] when the call cannot be read, or its scales are no scales.
pub fn constant(call: &Object) -> Result<Option<NDArray>, RelayError> {
    let call = Call::of(call)?;
    let known = ["qnn.quantize", "qnn.dequantize"].contains(&call.op.as_str());
    let values: Option<Vec<&NDArray>> = call.operands.iter().map(|x| x.value()).collect();
    let Some(values) = values.filter(|_| known) else {
        return Ok(None);
    };
    let x = values[0];
    let lanes = Lanes::of(&call)?;
    let result = &call.output().dtype;
    if call.op == "qnn.dequantize" {
        return lanes.dequantised(x, result);
    }
    match (x.dtype().as_str(), Integer::named(result)) {
        ("float32" | "float16", Some(dtype)) => lanes.quantised(x, dtype),
        _ => Ok(None),
    }
}

/// The scale and zero point of each element, which repeat along one axis.
struct Lanes {
    scales: Vec<f32>,
    zero_points: Vec<i32>,
    /// Elements behind one another with the same scale.
    run: usize,
}

impl Lanes {
    fn of(call: &Call) -> Result<Lanes, RelayError> {
        let (scales, zero_points) = (scales(call, 1)?, zero_points(call, 2)?);
        let count = scales.len().max(zero_points.len());
        let axis = call.attrs.int("axis")?;
        let shape = call.x();
        let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
        let along = usize::try_from(axis).ok().and_then(|axis| shape.get(axis));
        let fits = |count: usize| count == 1 || along == Some(&count);
        call.attrs
            .ensure(fits(scales.len()) && fits(zero_points.len()), || {
                format!("it has {count} scales for a constant of shape {shape:?}")
            })?;
        let run = match count {
            1 => 1,
            _ => shape[axis as usize + 1..].iter().product(),
        };
        Ok(Lanes {
            scales,
            zero_points,
            run,
        })
    }

    fn at(&self, element: usize) -> (f32, i32) {
        let lane = element / self.run.max(1);
        let zero_point = self.zero_points[lane % self.zero_points.len()];
        (self.scales[lane % self.scales.len()], zero_point)
    }

    fn quantised(&self, x: &NDArray, dtype: Integer) -> Result<Option<NDArray>, RelayError> {
        let values = x.to_numbers()?.into_iter().enumerate();
        let bytes: Vec<u8> = values
            .flat_map(|(at, value)| {
                let (scale, zero_point) = self.at(at);
                let affine = Affine {
                    dtype,
                    scale,
                    zero_point,
                };
                affine.bytes(&[value])
            })
            .collect();
        let integers = Affine::plain(dtype).reals(&bytes);
        let array = NDArray::from_numbers(&x.shape(), dtype.name(), &integers)?;
        Ok(Some(array))
    }

    fn dequantised(&self, x: &NDArray, result: &str) -> Result<Option<NDArray>, RelayError> {
        let Some(integers) = integers(x)?.filter(|_| result == "float32") else {
            return Ok(None);
        };
        let real = |(at, integer): (usize, i32)| {
            let (scale, zero_point) = self.at(at);
            ((f64::from(integer) - f64::from(zero_point)) * f64::from(scale)) as f32
        };
        let reals: Vec<f32> = integers.into_iter().enumerate().map(real).collect();
        Ok(Some(NDArray::from_f32(&x.shape(), &reals)?))
    }
}

/// The elements of an array in integers of 8 or 32 bits.
fn integers(array: &NDArray) -> Result<Option<Vec<i32>>, RelayError> {
    let bytes = array.to_bytes()?;
    let word = |b: &[u8]| i32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    Ok(match array.dtype().as_str() {
        "int8" => Some(bytes.iter().map(|b| b.cast_signed().into()).collect()),
        "uint8" => Some(bytes.iter().map(|b| i32::from(*b)).collect()),
        "int32" => Some(bytes.chunks_exact(4).map(word).collect()),
        _ => None,
    })
}
