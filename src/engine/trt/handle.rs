//! TensorRT's objects as owned values, destroyed once.

use std::ptr::NonNull;

use super::error::TrtError;
use super::library::Library;
use super::sys::Table;

/// An object and how it is destroyed. What it was made from has to live longer: keep that in a later field.
pub(super) struct Owned<T> {
    pointer: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

// SAFETY: TensorRT's objects have no thread of their own; they are used by one thread at a time, which `&mut` and the
// owner's structure see to.
unsafe impl<T> Send for Owned<T> {}

impl<T> Owned<T> {
    /// What `make` gives, or why it gives nothing.
    pub fn new(
        library: &Library,
        call: &'static str,
        destroy: unsafe extern "C" fn(*mut T),
        make: impl FnOnce(&Table) -> *mut T,
    ) -> Result<Owned<T>, TrtError> {
        let pointer = library.object(call, make)?;
        Ok(Owned { pointer, destroy })
    }

    pub fn as_ptr(&self) -> *mut T {
        self.pointer.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the object was made by the table that `destroy` is from, and is destroyed once.
        unsafe { (self.destroy)(self.pointer.as_ptr()) }
    }
}
