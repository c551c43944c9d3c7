//! Relay -> the neutral network: which calls we take, why not the others, and their conversion.

mod attrs;
mod convert;
mod emit;
mod error;
mod expr;
pub mod json;
mod names;
mod ops;
mod qnn;
#[cfg(test)]
mod tests;
mod walk;

pub use convert::{CallTensors, Conversion, convert};
pub use error::RelayError;
pub use qnn::{check_scales, constant as quantised_constant};

use crate::tvm::Object;

/// Every Relay operator that [`supported`] may take.
pub fn op_names() -> Vec<&'static str> {
    let readers = ops::READERS.iter().map(|(name, _)| *name);
    readers.chain(qnn::Place::OPS).collect()
}

/// Whether a type-checked Relay call can be converted.
///
/// # Errors
/// [`RelayError::NotTaken`] with the reason it stays with TVM.
pub fn supported(call: &Object) -> Result<(), RelayError> {
    let orders_input = qnn::is_input_transpose(call)?;
    let call = expr::Call::of(call)?;
    if orders_input {
        return Ok(());
    }
    if call.op.starts_with("qnn.") {
        return qnn::supported(&call);
    }
    let taken = ops::read(&call)?;
    ops::check(&call, &taken)
}
