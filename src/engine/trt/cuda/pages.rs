//! Memory of the program that the device reads where it is.

use std::ffi::{c_int, c_void};

use super::{Cuda, code};
use crate::engine::trt::TrtError;

/// Memory whose pages stay where they are, so that the device copies from them by itself.
pub struct PageLock {
    cuda: Cuda,
    start: *mut c_void,
}

// SAFETY: the address is only handed back to CUDA, which takes it from any thread.
unsafe impl Send for PageLock {}
// SAFETY: nothing is done through a shared reference.
unsafe impl Sync for PageLock {}

impl PageLock {
    /// Locks the pages of `memory`.
    ///
    /// # Safety
    /// `memory` is neither freed nor moved before the lock is dropped.
    ///
    /// # Errors
    /// What CUDA says, such as that the system allows no more of it.
    pub unsafe fn new(cuda: &Cuda, memory: &[f32]) -> Result<PageLock, TrtError> {
        cuda.bind()?;
        let (start, len) = (memory.as_ptr().cast_mut().cast(), size_of_val(memory));
        // SAFETY: the range is `memory`, which stays as long as the lock.
        let code = unsafe { (cuda.0.api.host_register)(start, len, code::HOST_PORTABLE) };
        cuda.check("cudaHostRegister", code)?;
        let cuda = cuda.clone();
        Ok(PageLock { cuda, start })
    }
}

impl Drop for PageLock {
    fn drop(&mut self) {
        let _ = self.cuda.bind();
        // SAFETY: registered once, released once. A failed device may refuse; nothing is left to do then.
        unsafe { (self.cuda.0.api.host_unregister)(self.start) };
    }
}

/// `cudaPointerAttributes` from CUDA 11.0 on, with room for what later releases append.
#[repr(C)]
struct Attributes {
    kind: c_int,
    device: c_int,
    rest: [u64; 16],
}

impl Cuda {
    /// Whether all of `memory` is page-locked, whoever locked it.
    pub(in crate::engine::trt) fn is_page_locked(&self, memory: &[f32]) -> bool {
        match memory {
            [] => false,
            [only] => self.knows(only),
            // One registration is contiguous, and rows of an array are locked together.
            [first, .., last] => self.knows(first) && self.knows(last),
        }
    }

    fn knows(&self, address: &f32) -> bool {
        if self.gpu().cuda_version < code::ATTRIBUTES_SINCE {
            return false;
        }
        let mut attributes = Attributes {
            kind: 0,
            device: 0,
            rest: [0; 16],
        };
        let (to, address) = (&raw mut attributes, std::ptr::from_ref(address));
        // SAFETY: the structure is at least as large as CUDA's; the address is only looked up.
        let code = unsafe { (self.0.api.pointer_attributes)(to.cast(), address.cast()) };
        code == 0 && attributes.kind == code::HOST_MEMORY
    }
}
