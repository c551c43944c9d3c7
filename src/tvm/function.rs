//! A TVM PackedFunc.

use std::ffi::{c_int, c_void};

use super::sys::RawValue;
use super::value::Keep;
use super::{Object, TvmError, Value, c_text, check, sys};

/// One reference to a function of TVM's registry or of a module.
#[derive(Debug, Clone)]
pub struct Function {
    object: Object,
}

impl Function {
    /// A function by its global name.
    ///
    /// # Errors
    /// [`TvmError::NoFunction`] when TVM has none of that name.
    pub fn global(name: &str) -> Result<Function, TvmError> {
        let api = sys::api()?;
        let text = c_text(name)?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: `text` lives during the call; `handle` is written.
        check(unsafe { (api.function_global)(text.as_ptr(), &mut handle) })?;
        if handle.is_null() {
            Err(TvmError::NoFunction(name.to_string()))
        } else {
            Ok(Function::from_owned(handle))
        }
    }

    pub(super) fn from_owned(handle: *mut c_void) -> Function {
        Function {
            object: Object::from_owned(handle),
        }
    }

    pub(super) fn handle(&self) -> *mut c_void {
        self.object.handle()
    }

    /// Calls the function.
    ///
    /// # Errors
    /// [`TvmError::Call`] with TVM's message when it throws.
    pub fn call(&self, arguments: &[Value]) -> Result<Value, TvmError> {
        let api = sys::api()?;
        let mut keep = Keep::default();
        let mut values = Vec::with_capacity(arguments.len());
        let mut codes = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let (value, code) = argument.to_raw(&mut keep)?;
            values.push(value);
            codes.push(code);
        }
        let mut result = RawValue { int: 0 };
        let mut kind: c_int = 0;
        // SAFETY: both arrays have `arguments.len()` elements, and what they point at lives in `keep` or `arguments`.
        check(unsafe {
            (api.function_call)(
                self.handle(),
                values.as_mut_ptr(),
                codes.as_mut_ptr(),
                arguments.len() as c_int,
                &mut result,
                &mut kind,
            )
        })?;
        Value::from_returned(result, kind)
    }
}
