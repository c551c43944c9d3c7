//! What a TVM module of ours has to offer.

use crate::tvm::{Arguments, CallError, Value};

/// The Rust side of one TVM runtime module.
pub trait PluginModule: Send + Sync {
    /// The bytes an artifact carries.
    ///
    /// # Errors
    /// When the module is not something to be saved.
    fn bytes(&self) -> Result<&[u8], CallError>;

    fn has_function(&self, name: &str) -> bool;

    fn call(&self, name: &str, arguments: &Arguments<'_>) -> Result<Value, CallError>;
}
