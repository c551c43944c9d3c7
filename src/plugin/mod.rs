//! The plugin that TVM loads: registers the target's functions and runs compiled networks inside TVM.
//!
//! An edge of the program like `cli`: it reads the environment and may write to standard error.

mod compile;
mod ends;
mod ffi;
mod module;
mod origin;
mod run;
mod session;
mod settings;
mod tensorrt;

use crate::tvm::CallError;

/// Registers everything with the TVM of this process.
fn register() -> Result<(), CallError> {
    crate::tvm::attach()?;
    ffi::register_loader()?;
    compile::register()?;
    tensorrt::register()?;
    session::register()
}
