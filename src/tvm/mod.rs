//! A safe binding to TVM's C API, found at run time: [`Function`], [`Module`], [`NDArray`], [`Object`].
//!
//! Works with the runtime library of any TVM from 0.9 to 0.19; nothing links to TVM.

mod callback;
mod error;
mod function;
mod module;
mod ndarray;
mod object;
mod sys;
mod value;

use std::ffi::OsString;
use std::path::Path;

pub use callback::{Arguments, CallError, guard, register, returns};
pub use error::TvmError;
pub use function::Function;
pub use module::Module;
pub use ndarray::{Device, NDArray, Tensor, TensorMut, numbers};
pub use object::Object;
pub use sys::RawValue;
pub use value::Value;

/// Loads `libtvm_runtime.so` or `libtvm.so`. One process has one TVM: later calls keep the first.
///
/// # Errors
/// [`TvmError`] when the file is missing, is no shared library, or is no TVM.
pub fn open(library: &Path) -> Result<(), TvmError> {
    sys::open(library).map(|_| ())
}

/// Uses the TVM that this process has loaded already, as a plugin does.
///
/// # Errors
/// [`TvmError::Symbol`] when the process has no TVM with global symbols.
pub fn attach() -> Result<(), TvmError> {
    sys::attach().map(|_| ())
}

/// Sets variables of the environment that libraries which are loaded later read, such as the plugin.
pub fn set_environment(variables: impl IntoIterator<Item = (&'static str, OsString)>) {
    for (name, value) in variables {
        // SAFETY: this program's other threads show progress and wait for signals; none looks at the environment.
        unsafe { std::env::set_var(name, value) };
    }
}

/// Turns a status of the C API into a result with TVM's own message.
fn check(status: i32) -> Result<(), TvmError> {
    match status {
        0 => Ok(()),
        _ => Err(TvmError::Call(last_error()?)),
    }
}

/// What TVM, or a callback of ours, failed with last on this thread; empty without a TVM.
pub fn last_error_text() -> String {
    last_error().unwrap_or_default()
}

fn last_error() -> Result<String, TvmError> {
    let api = sys::api()?;
    // SAFETY: TVM returns a NUL-terminated text that lives until this thread's next failing call.
    let text = unsafe { std::ffi::CStr::from_ptr((api.last_error)()) };
    Ok(text.to_string_lossy().into_owned())
}

/// A text for C; interior NUL bytes are an error, not a cut.
fn c_text(text: &str) -> Result<std::ffi::CString, TvmError> {
    std::ffi::CString::new(text).map_err(|_| TvmError::Type {
        want: "text without NUL bytes",
        got: format!("{text:?}"),
    })
}
