//! A reference-counted TVM object.

use std::ffi::{CStr, c_char, c_void};
use std::fmt;

use super::{Function, TvmError, Value, check, sys};

/// One reference to an object of TVM's object system (a Relay node, an array, a string ...).
pub struct Object {
    handle: *mut c_void,
}

// SAFETY: TVM counts references atomically, and objects are not changed through this type.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

impl Object {
    /// Takes over one reference.
    pub(super) fn from_owned(handle: *mut c_void) -> Object {
        Object { handle }
    }

    /// Adds a reference to a borrowed handle.
    pub(super) fn from_borrowed(handle: *mut c_void) -> Result<Object, TvmError> {
        let api = sys::api()?;
        // SAFETY: the caller's handle is alive during this call.
        check(unsafe { (api.object_retain)(handle) })?;
        Ok(Object { handle })
    }

    pub(super) fn handle(&self) -> *mut c_void {
        self.handle
    }

    /// The same for two references to one object.
    pub fn id(&self) -> usize {
        self.handle as usize
    }

    /// TVM's name of the object's type, such as `relay.Call`.
    pub fn type_key(&self) -> Result<String, TvmError> {
        let api = sys::api()?;
        let mut index = 0;
        // SAFETY: the handle is alive; `index` is written.
        check(unsafe { (api.object_type_index)(self.handle, &mut index) })?;
        let mut text: *mut c_char = std::ptr::null_mut();
        // SAFETY: TVM allocates the text with malloc and leaves it to the caller.
        check(unsafe { (api.object_type_key)(index, &mut text) })?;
        // SAFETY: the call above succeeded, so `text` is NUL-terminated.
        let key = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        // SAFETY: the text came from malloc and is not used again.
        unsafe { libc::free(text.cast()) };
        Ok(key)
    }

    /// A field, by reflection.
    pub fn field(&self, name: &str) -> Result<Value, TvmError> {
        Function::global("node.NodeGetAttr")?.call(&[self.clone().into(), name.into()])
    }

    /// The elements of a TVM array.
    pub fn array(&self) -> Result<Vec<Value>, TvmError> {
        let size = Function::global("runtime.ArraySize")?
            .call(&[self.clone().into()])?
            .int()?;
        let item = Function::global("runtime.ArrayGetItem")?;
        (0..size)
            .map(|index| item.call(&[self.clone().into(), index.into()]))
            .collect()
    }

    /// A TVM string's text.
    pub fn text(&self) -> Result<String, TvmError> {
        match Function::global("runtime.GetFFIString")?.call(&[self.clone().into()])? {
            Value::Text(text) => Ok(text),
            other => Err(other.unexpected("text")),
        }
    }
}

impl Clone for Object {
    fn clone(&self) -> Object {
        Object::from_borrowed(self.handle).expect("TVM is loaded while its objects live")
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if let Ok(api) = sys::api() {
            // SAFETY: this reference is given back exactly once; a failure has no remedy here.
            unsafe { (api.object_free)(self.handle) };
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.type_key() {
            Ok(key) => write!(f, "{key}@{:x}", self.id()),
            Err(_) => write!(f, "object@{:x}", self.id()),
        }
    }
}
