//! A compiled network inside TVM: its external function runs on GPU and DLAs like everything else here.

use super::module::PluginModule;
use crate::bundle::{Bundle, BundleError};
use crate::tvm::{Arguments, CallError, Value};

/// The module that an artifact carries for one external function.
pub struct DlaModule {
    bundle: Bundle,
    bytes: Vec<u8>,
}

impl DlaModule {
    pub fn new(bundle: Bundle) -> DlaModule {
        let bytes = bundle.to_bytes();
        DlaModule { bundle, bytes }
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<DlaModule, BundleError> {
        Ok(DlaModule {
            bundle: Bundle::from_bytes(bytes)?,
            bytes: bytes.to_vec(),
        })
    }
}

impl PluginModule for DlaModule {
    fn bytes(&self) -> Result<&[u8], CallError> {
        Ok(&self.bytes)
    }

    fn has_function(&self, name: &str) -> bool {
        name == self.bundle.graph.name
    }

    fn call(&self, _: &str, _: &Arguments<'_>) -> Result<Value, CallError> {
        Err("this plugin compiles networks; it does not run them yet".into())
    }
}
