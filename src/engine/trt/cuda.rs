//! The CUDA runtime, bound when it is asked for: streams, events, and memory that host and device share.

mod buffer;
mod graph;
mod pages;

pub(super) use buffer::Buffer;
pub(super) use graph::Recording;
pub(super) use pages::PageLock;

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, PoisonError};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::error::TrtError;
use super::find::LibraryPaths;

/// JetPack 7 and 6, 5, 4.6 in this order.
const NAMES: [&str; 4] = [
    "libcudart.so.13",
    "libcudart.so.12",
    "libcudart.so.11.0",
    "libcudart.so.10.2",
];
/// There is one GPU on a Jetson.
const DEVICE: c_int = 0;

macro_rules! api {
    ($name:ident { $($field:ident = $symbol:literal: fn($($argument:ty),*) -> $result:ty;)* }) => {
        struct $name {
            $($field: unsafe extern "C" fn($($argument),*) -> $result,)*
        }

        impl $name {
            fn of(library: &Library) -> Result<$name, String> {
                $(
                    // SAFETY: the symbol has this type in every CUDA runtime that has it, from 10.2 on.
                    let $field = *unsafe { library.get::<unsafe extern "C" fn($($argument),*) -> $result>($symbol.as_bytes()) }
                        .map_err(|e| e.to_string())?;
                )*
                Ok($name { $($field,)* })
            }
        }
    };
}

api! { Api {
    error_string = "cudaGetErrorString": fn(c_int) -> *const c_char;
    last_error = "cudaGetLastError": fn() -> c_int;
    runtime_version = "cudaRuntimeGetVersion": fn(*mut c_int) -> c_int;
    device_count = "cudaGetDeviceCount": fn(*mut c_int) -> c_int;
    set_device = "cudaSetDevice": fn(c_int) -> c_int;
    device_properties = "cudaGetDeviceProperties": fn(*mut c_void, c_int) -> c_int;
    device_attribute = "cudaDeviceGetAttribute": fn(*mut c_int, c_int, c_int) -> c_int;
    stream_create = "cudaStreamCreateWithFlags": fn(*mut *mut c_void, c_uint) -> c_int;
    stream_destroy = "cudaStreamDestroy": fn(*mut c_void) -> c_int;
    stream_wait_event = "cudaStreamWaitEvent": fn(*mut c_void, *mut c_void, c_uint) -> c_int;
    event_create = "cudaEventCreateWithFlags": fn(*mut *mut c_void, c_uint) -> c_int;
    event_record = "cudaEventRecord": fn(*mut c_void, *mut c_void) -> c_int;
    event_query = "cudaEventQuery": fn(*mut c_void) -> c_int;
    event_synchronize = "cudaEventSynchronize": fn(*mut c_void) -> c_int;
    event_destroy = "cudaEventDestroy": fn(*mut c_void) -> c_int;
    malloc = "cudaMalloc": fn(*mut *mut c_void, usize) -> c_int;
    free = "cudaFree": fn(*mut c_void) -> c_int;
    host_alloc = "cudaHostAlloc": fn(*mut *mut c_void, usize, c_uint) -> c_int;
    host_device_pointer = "cudaHostGetDevicePointer": fn(*mut *mut c_void, *mut c_void, c_uint) -> c_int;
    free_host = "cudaFreeHost": fn(*mut c_void) -> c_int;
    host_register = "cudaHostRegister": fn(*mut c_void, usize, c_uint) -> c_int;
    host_unregister = "cudaHostUnregister": fn(*mut c_void) -> c_int;
    memcpy_async = "cudaMemcpyAsync": fn(*mut c_void, *const c_void, usize, c_int, *mut c_void) -> c_int;
    pointer_attributes = "cudaPointerGetAttributes": fn(*mut c_void, *const c_void) -> c_int;
}}

// Work that is recorded once and started again and again. With these types from CUDA 11.4 on.
api! { GraphApi {
    begin_capture = "cudaStreamBeginCapture": fn(*mut c_void, c_int) -> c_int;
    end_capture = "cudaStreamEndCapture": fn(*mut c_void, *mut *mut c_void) -> c_int;
    instantiate = "cudaGraphInstantiateWithFlags": fn(*mut *mut c_void, *mut c_void, u64) -> c_int;
    launch = "cudaGraphLaunch": fn(*mut c_void, *mut c_void) -> c_int;
    destroy_graph = "cudaGraphDestroy": fn(*mut c_void) -> c_int;
    destroy_recording = "cudaGraphExecDestroy": fn(*mut c_void) -> c_int;
}}

/// Numbers of `cuda_runtime_api.h` and `driver_types.h`.
mod code {
    use super::{c_int, c_uint};

    pub const COMPUTE_MAJOR: c_int = 75;
    pub const COMPUTE_MINOR: c_int = 76;
    pub const INTEGRATED: c_int = 18;
    pub const MAPS_HOST_MEMORY: c_int = 19;
    pub const STREAM_NON_BLOCKING: c_uint = 1;
    pub const EVENT_BLOCKING_SYNC: c_uint = 1;
    pub const EVENT_DISABLE_TIMING: c_uint = 2;
    pub const HOST_PORTABLE: c_uint = 1;
    pub const HOST_MAPPED: c_uint = 2;
    pub const TO_DEVICE: c_int = 1;
    pub const TO_HOST: c_int = 2;
    /// `cudaMemoryTypeHost`: page-locked.
    pub const HOST_MEMORY: c_int = 1;
    /// Before this release `cudaPointerAttributes` is another structure.
    pub const ATTRIBUTES_SINCE: u32 = 11_000;
    pub const NOT_READY: c_int = 600;
    /// `cudaStreamCaptureModeThreadLocal`: what other threads call meanwhile is none of its business.
    pub const CAPTURE_THIS_THREAD: c_int = 1;
}

/// A loaded CUDA runtime with its GPU.
#[derive(Clone)]
pub struct Cuda(Arc<Inner>);

struct Inner {
    api: Api,
    /// From CUDA 11.4 on.
    graphs: Option<GraphApi>,
    gpu: Gpu,
    _library: Library,
}

/// The GPU that shares the chip with the DLA cores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    pub name: String,
    pub compute_capability: (u32, u32),
    /// Host and device share their memory, as on every Jetson: buffers are then mapped, not copied.
    pub integrated: bool,
    /// As CUDA writes it: 11040 is 11.4.
    pub cuda_version: u32,
}

impl Cuda {
    /// The first CUDA runtime that `paths` lead to and that has a GPU.
    ///
    /// # Errors
    /// [`TrtError`]: no runtime, one that lacks functions, or no GPU (with CUDA's own words).
    pub fn load(paths: &LibraryPaths) -> Result<Cuda, TrtError> {
        let names = NAMES.map(String::from);
        let candidates = paths.candidates(&names).map_err(|path| TrtError::UnusableCuda {
            path,
            reason: "there is no such file".into(),
        })?;
        let mut refusal = None;
        for candidate in &candidates {
            match open(&candidate.path()) {
                Ok(cuda) => return Ok(cuda),
                Err(error @ TrtError::Cuda { .. }) => return Err(error),
                Err(error) if candidate.is_file() => refusal = refusal.or(Some(error)),
                Err(_) => {}
            }
        }
        Err(refusal.unwrap_or_else(|| TrtError::NoCuda {
            names: names.to_vec(),
            searched: paths.places(),
        }))
    }

    pub fn gpu(&self) -> &Gpu {
        &self.0.gpu
    }

    /// Binds the calling thread to the GPU; every thread that calls CUDA has to.
    pub(super) fn bind(&self) -> Result<(), TrtError> {
        // SAFETY: takes a number.
        self.check("cudaSetDevice", unsafe { (self.0.api.set_device)(DEVICE) })
    }

    fn check(&self, call: &'static str, code: c_int) -> Result<(), TrtError> {
        check(&self.0.api, call, code)
    }
}

fn open(path: &Path) -> Result<Cuda, TrtError> {
    // Loading two at once would initialise the driver twice.
    static LOADING: Mutex<()> = Mutex::new(());
    let _alone = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    let unusable = |reason: String| TrtError::UnusableCuda {
        path: path.to_path_buf(),
        reason,
    };
    // SAFETY: the CUDA runtime's initialisers only set up the library itself.
    let library =
        unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(|e| unusable(e.to_string()))?;
    let api = Api::of(&library).map_err(unusable)?;
    let gpu = gpu(&api)?;
    Ok(Cuda(Arc::new(Inner {
        api,
        graphs: GraphApi::of(&library).ok(),
        gpu,
        _library: library,
    })))
}

fn check(api: &Api, call: &'static str, code: c_int) -> Result<(), TrtError> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: CUDA gives a constant string for every number.
    let text = unsafe { (api.error_string)(code) };
    let reason = if text.is_null() {
        format!("error {code}")
    } else {
        // SAFETY: as it gives them.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    };
    Err(TrtError::Cuda { call, reason })
}

/// Larger than `cudaDeviceProp` of any release; the name has always been its first 256 bytes.
const PROPERTIES: usize = 16 * 1024;

fn gpu(api: &Api) -> Result<Gpu, TrtError> {
    let mut count = 0;
    // SAFETY: writes one number.
    check(api, "cudaGetDeviceCount", unsafe {
        (api.device_count)(&mut count)
    })?;
    if count == 0 {
        return Err(TrtError::Cuda {
            call: "cudaGetDeviceCount",
            reason: "this machine has no GPU".into(),
        });
    }
    // SAFETY: takes a number.
    check(api, "cudaSetDevice", unsafe { (api.set_device)(DEVICE) })?;
    let mut version = 0;
    // SAFETY: writes one number.
    check(api, "cudaRuntimeGetVersion", unsafe {
        (api.runtime_version)(&mut version)
    })?;
    let attribute = |which: c_int| {
        let mut value = 0;
        // SAFETY: writes one number.
        let code = unsafe { (api.device_attribute)(&mut value, which, DEVICE) };
        check(api, "cudaDeviceGetAttribute", code).map(|()| value)
    };
    let mut properties = vec![0u64; PROPERTIES / 8];
    // SAFETY: the buffer is larger than the structure and aligned for it.
    let code = unsafe { (api.device_properties)(properties.as_mut_ptr().cast(), DEVICE) };
    check(api, "cudaGetDeviceProperties", code)?;
    // SAFETY: the buffer was zeroed and is larger than what was written, so a zero ends the name.
    let name = unsafe { CStr::from_ptr(properties.as_ptr().cast()) };
    Ok(Gpu {
        name: name.to_string_lossy().into_owned(),
        compute_capability: (
            attribute(code::COMPUTE_MAJOR)? as u32,
            attribute(code::COMPUTE_MINOR)? as u32,
        ),
        integrated: attribute(code::INTEGRATED)? != 0 && attribute(code::MAPS_HOST_MEMORY)? != 0,
        cuda_version: version as u32,
    })
}

/// A queue of work of its own.
pub(in crate::engine::trt) struct Stream {
    cuda: Cuda,
    handle: *mut c_void,
}

// SAFETY: CUDA's handles may be used from any thread, by one at a time.
unsafe impl Send for Stream {}

impl Stream {
    pub fn new(cuda: &Cuda) -> Result<Stream, TrtError> {
        let mut handle = null_mut();
        // SAFETY: writes one handle.
        let code = unsafe { (cuda.0.api.stream_create)(&mut handle, code::STREAM_NON_BLOCKING) };
        cuda.check("cudaStreamCreateWithFlags", code)?;
        let cuda = cuda.clone();
        Ok(Stream { cuda, handle })
    }

    pub fn handle(&self) -> *mut c_void {
        self.handle
    }

    /// What it is given from here on begins after `event`; at once if that was never recorded.
    pub fn wait(&self, event: &Event) -> Result<(), TrtError> {
        // SAFETY: both handles live.
        let code = unsafe { (self.cuda.0.api.stream_wait_event)(self.handle, event.handle, 0) };
        self.cuda.check("cudaStreamWaitEvent", code)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: made by cudaStreamCreateWithFlags, destroyed once. A failed device may refuse; nothing is left to do then.
        unsafe { (self.cuda.0.api.stream_destroy)(self.handle) };
    }
}

/// A point in a stream that can be waited for.
pub(super) struct Event {
    cuda: Cuda,
    handle: *mut c_void,
}

// SAFETY: CUDA's handles may be used from any thread, by one at a time.
unsafe impl Send for Event {}

impl Event {
    pub fn new(cuda: &Cuda) -> Result<Event, TrtError> {
        let flags = code::EVENT_BLOCKING_SYNC | code::EVENT_DISABLE_TIMING;
        let mut handle = null_mut();
        // SAFETY: writes one handle.
        let code = unsafe { (cuda.0.api.event_create)(&mut handle, flags) };
        cuda.check("cudaEventCreateWithFlags", code)?;
        let cuda = cuda.clone();
        Ok(Event { cuda, handle })
    }

    /// Marks the end of what `stream` was given so far.
    pub fn record(&self, stream: &Stream) -> Result<(), TrtError> {
        // SAFETY: both handles live.
        let code = unsafe { (self.cuda.0.api.event_record)(self.handle, stream.handle) };
        self.cuda.check("cudaEventRecord", code)
    }

    /// Whether the device has got there; a failure is [`Event::wait`]'s to tell.
    pub fn reached(&self) -> bool {
        // SAFETY: the handle lives.
        let code = unsafe { (self.cuda.0.api.event_query)(self.handle) };
        code != code::NOT_READY
    }

    /// Sleeps until the device has got there.
    pub fn wait(&self) -> Result<(), TrtError> {
        // SAFETY: the handle lives.
        let code = unsafe { (self.cuda.0.api.event_synchronize)(self.handle) };
        self.cuda.check("cudaEventSynchronize", code)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: made by cudaEventCreateWithFlags, destroyed once.
        unsafe { (self.cuda.0.api.event_destroy)(self.handle) };
    }
}
