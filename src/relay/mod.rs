//! Relay -> the neutral network: which calls we take, why not the others, and their conversion.

mod attrs;
mod convert;
mod emit;
mod error;
mod expr;
pub mod json;
mod names;
mod ops;
mod walk;

pub use convert::{convert, Converted};
pub use error::RelayError;

use crate::tvm::Object;

/// Every Relay operator that [`supported`] may take.
pub fn op_names() -> Vec<&'static str> {
    ops::READERS.iter().map(|(name, _)| *name).collect()
}

/// Whether a type-checked Relay call can be converted.
///
/// # Errors
/// [`RelayError::NotTaken`] with the reason it stays with TVM.
pub fn supported(call: &Object) -> Result<(), RelayError> {
    let call = expr::Call::of(call)?;
    let taken = ops::read(&call)?;
    ops::check(&call, &taken)
}
