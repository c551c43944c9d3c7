//! The plugin that TVM loads: registers the target's functions and runs compiled networks inside TVM.
//!
//! A user of the library like anybody else, and an edge of the program like `cli`: it reads the environment and may write
//! to standard error.

mod compile;
mod ends;
mod ffi;
mod module;
mod origin;
mod run;
mod session;
mod settings;
mod tensorrt;

use tvm_dla::tvm::CallError;

/// Registers everything with the TVM of this process.
fn register() -> Result<(), CallError> {
    tvm_dla::tvm::attach()?;
    ffi::register_loader()?;
    compile::register()?;
    tensorrt::register()?;
    session::register()
}
