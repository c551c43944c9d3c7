//! A TVM runtime module.

use std::ffi::c_void;
use std::path::Path;

use super::{Function, Object, TvmError, c_text, check, sys};

/// One reference to a runtime module: compiled code, or something it imports.
#[derive(Debug, Clone)]
pub struct Module {
    object: Object,
}

impl Module {
    /// Loads a shared library that TVM exported.
    pub fn load(path: &Path) -> Result<Module, TvmError> {
        let api = sys::api()?;
        let (file, format) = (c_text(&path.to_string_lossy())?, c_text("so")?);
        let mut handle = std::ptr::null_mut();
        // SAFETY: both texts live during the call; `handle` is written.
        check(unsafe { (api.module_load)(file.as_ptr(), format.as_ptr(), &mut handle) })?;
        Ok(Module::from_owned(handle))
    }

    pub(super) fn from_owned(handle: *mut c_void) -> Module {
        Module {
            object: Object::from_owned(handle),
        }
    }

    /// Takes over one reference that C code gave.
    ///
    /// # Safety
    /// `handle` is a module with a reference that nobody else gives back.
    pub unsafe fn from_handle(handle: *mut c_void) -> Module {
        Module::from_owned(handle)
    }

    pub(super) fn from_object(object: Object) -> Module {
        Module { object }
    }

    pub(super) fn handle(&self) -> *mut c_void {
        self.object.handle()
    }

    /// A function of this module or of what it imports.
    ///
    /// # Errors
    /// [`TvmError::NoFunction`] when there is none of that name.
    pub fn function(&self, name: &str) -> Result<Function, TvmError> {
        let api = sys::api()?;
        let text = c_text(name)?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the module is alive and `text` lives during the call; `handle` is written.
        check(unsafe { (api.module_function)(self.handle(), text.as_ptr(), 1, &mut handle) })?;
        if handle.is_null() {
            Err(TvmError::NoFunction(name.to_string()))
        } else {
            Ok(Function::from_owned(handle))
        }
    }
}
