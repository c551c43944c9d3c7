//! The two operators at which a quantised model says what it knows of a tensor.

use super::forms;
use super::scales::affine;
use crate::bundle::{Affine, Integer};
use crate::relay::error::RelayError;
use crate::relay::expr::{Call, TensorType, arguments, operator, type_name};
use crate::tvm::Object;

/// A place between float32 and integers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    Quantise(Affine),
    Dequantise(Affine),
}

impl Place {
    /// Relay's names.
    pub const OPS: [&'static str; 2] = ["qnn.quantize", "qnn.dequantize"];

    /// The place that a call is, `None` for any other operator.
    ///
    /// # Errors
    /// [`RelayError::NotTaken`] when its scales are not those of one tensor in INT8.
    pub fn of(call: &Call) -> Result<Option<Place>, RelayError> {
        Ok(match call.op.as_str() {
            "qnn.quantize" => Some(Place::Quantise(affine(call, &call.output().dtype, 1, 2)?)),
            "qnn.dequantize" => {
                let dtype = &call.operands[0].ty.dtype;
                Some(Place::Dequantise(affine(call, dtype, 1, 2)?))
            }
            _ => None,
        })
    }
}

/// Whether a call orders the axes of an input that is in integers.
///
/// # Errors
/// [`RelayError`] when the call cannot be read.
pub fn is_input_transpose(call: &Object) -> Result<bool, RelayError> {
    let [x] = &arguments(call)?[..] else {
        return Ok(false);
    };
    let is_input = type_name(x)? == "Var" && operator(call)?.as_deref() == Some("transpose");
    let types = TensorType::all(x).unwrap_or_default();
    Ok(is_input && matches!(&types[..], [only] if Integer::named(&only.dtype).is_some()))
}

/// Whether a call of a `qnn` operator can be part of a region.
///
/// # Errors
/// [`RelayError::NotTaken`] or [`RelayError::UnknownOp`] with the reason it stays with TVM.
pub fn supported(call: &Call) -> Result<(), RelayError> {
    forms::check(call)?;
    let refuse = |reason: &str| Err(call.attrs.refuse(reason));
    match Place::of(call)? {
        None => refuse("an operator around it computes with integers only"),
        Some(_) if call.operands[0].is_constant() => refuse("its operand is constant"),
        Some(_) if call.x().is_empty() || call.x().contains(&0) => {
            refuse("a tensor without dimensions or elements has no batch")
        }
        Some(_) => Ok(()),
    }
}
