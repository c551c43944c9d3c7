//! What a TVM module of ours has to offer.

use tvm_dla::tvm::{Arguments, CallError, Value};

/// Which loader reads a saved module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModuleKind {
    Dla,
    /// The form of TVM's own TensorRT backend.
    TensorRt,
}

/// The Rust side of one TVM runtime module.
pub trait PluginModule: Send + Sync {
    fn kind(&self) -> ModuleKind {
        ModuleKind::Dla
    }

    /// What TVM shows as the module's source.
    fn source(&self) -> &str {
        ""
    }

    /// The bytes an artifact carries.
    ///
    /// # Errors
    /// When the module is not something to be saved.
    fn bytes(&self) -> Result<&[u8], CallError>;

    fn has_function(&self, name: &str) -> bool;

    fn call(&self, name: &str, arguments: &Arguments<'_>) -> Result<Value, CallError>;
}
