//! Memory that host and device share.

use std::ffi::{c_int, c_void};
use std::ptr::{NonNull, null_mut};

use super::{Cuda, Stream, code};
use crate::engine::trt::TrtError;

/// Bytes that both sides see: one allocation where they share their memory, else one on each side.
pub struct Buffer {
    cuda: Cuda,
    host: NonNull<u8>,
    device: *mut c_void,
    len: usize,
    /// Device and host are one allocation.
    mapped: bool,
}

// SAFETY: the allocations belong to this value alone.
unsafe impl Send for Buffer {}

impl Buffer {
    /// `len` zero bytes.
    pub fn new(cuda: &Cuda, len: usize) -> Result<Buffer, TrtError> {
        let api = &cuda.0.api;
        let mapped = cuda.gpu().integrated;
        let flags = if mapped {
            code::HOST_PORTABLE | code::HOST_MAPPED
        } else {
            code::HOST_PORTABLE
        };
        let mut host = null_mut();
        // SAFETY: writes one address.
        let code = unsafe { (api.host_alloc)(&mut host, len.max(1), flags) };
        cuda.check("cudaHostAlloc", code)?;
        let host = NonNull::new(host.cast::<u8>()).ok_or_else(|| TrtError::Cuda {
            call: "cudaHostAlloc",
            reason: "it gave no memory".into(),
        })?;
        // SAFETY: `len` bytes were allocated.
        unsafe { host.as_ptr().write_bytes(0, len) };
        // From here on dropping frees the host's part.
        let mut buffer = Buffer {
            cuda: cuda.clone(),
            host,
            device: null_mut(),
            len,
            mapped,
        };
        let device = &mut buffer.device;
        let (call, code) = if mapped {
            // SAFETY: mapped memory of the host, and where its address for the device goes.
            let code = unsafe { (api.host_device_pointer)(device, host.as_ptr().cast(), 0) };
            ("cudaHostGetDevicePointer", code)
        } else {
            // SAFETY: where the address goes.
            ("cudaMalloc", unsafe { (api.malloc)(device, len.max(1)) })
        };
        cuda.check(call, code)?;
        Ok(buffer)
    }

    /// The address for the device.
    pub fn device(&self) -> *mut c_void {
        self.device
    }

    /// What the host wrote last, or the device after [`Buffer::to_host`]. No execution may be in progress.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes were allocated and zeroed; the caller waits for the device first.
        unsafe { std::slice::from_raw_parts(self.host.as_ptr(), self.len) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.host.as_ptr(), self.len) }
    }

    /// Puts what the host wrote where the device reads, in the order of `stream`.
    pub fn to_device(&self, stream: &Stream) -> Result<(), TrtError> {
        self.copy(self.device, self.host.as_ptr().cast(), code::TO_DEVICE, stream)
    }

    /// Puts `values`, as many as the buffer holds and page-locked, where the device reads.
    ///
    /// # Safety
    /// They stay, unchanged, until `stream` has got there.
    pub unsafe fn fill(&self, values: &[f32], stream: &Stream) -> Result<(), TrtError> {
        assert_eq!(size_of_val(values), self.len, "as many as the buffer holds");
        self.copy(self.device, values.as_ptr().cast(), code::TO_DEVICE, stream)
    }

    /// The other way round.
    pub fn to_host(&self, stream: &Stream) -> Result<(), TrtError> {
        self.copy(self.host.as_ptr().cast(), self.device, code::TO_HOST, stream)
    }

    /// Whether device and host have an allocation each.
    pub fn is_copied(&self) -> bool {
        !self.mapped
    }

    fn copy(
        &self,
        to: *mut c_void,
        from: *const c_void,
        direction: c_int,
        stream: &Stream,
    ) -> Result<(), TrtError> {
        if self.mapped {
            return Ok(());
        }
        // SAFETY: both sides have `len` bytes, and live at least as long as the stream's work: engines wait before they go.
        let code = unsafe { (self.cuda.0.api.memcpy_async)(to, from, self.len, direction, stream.handle()) };
        self.cuda.check("cudaMemcpyAsync", code)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let api = &self.cuda.0.api;
        if !self.mapped && !self.device.is_null() {
            // SAFETY: made by cudaMalloc, freed once.
            unsafe { (api.free)(self.device) };
        }
        // SAFETY: made by cudaHostAlloc, freed once.
        unsafe { (api.free_host)(self.host.as_ptr().cast()) };
    }
}
