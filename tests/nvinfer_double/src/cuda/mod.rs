//! The CUDA runtime: those functions that the program loads. One that is missing here is an error when it is loaded.

mod graph;
mod memory;
mod stream;

use std::ffi::{c_char, c_int, c_uint, c_void};

pub use memory::Region;
pub use stream::Repeatable;

use crate::{faults, journal, life};
use memory::Kind;

const SUCCESS: c_int = 0;
const INVALID_VALUE: c_int = 1;
const OUT_OF_MEMORY: c_int = 2;
const INVALID_HANDLE: c_int = 400;
const NOT_READY: c_int = 600;
const ALREADY_REGISTERED: c_int = 712;
pub const LAUNCH_FAILURE: c_int = 719;

/// `len` bytes that the device may use.
///
/// # Errors
/// As [`memory::region`].
pub fn device_region(address: usize, len: usize) -> Result<Region, String> {
    memory::region(address, len, true)
}

/// Gives a stream work.
///
/// # Errors
/// The default stream, on which engines would wait for each other, or no stream at all.
pub fn push(stream: usize, task: impl FnOnce() -> Result<(), c_int> + Send + 'static) -> Result<(), String> {
    let wrong = match stream {
        0 => Some("the default stream is used: engines would wait for each other".to_string()),
        _ if stream::push(stream, Box::new(task)) => None,
        _ => Some(format!("{stream:#x} is no stream, or was destroyed")),
    };
    match wrong {
        None => Ok(()),
        Some(text) => {
            journal::violation(&text);
            Err(text)
        }
    }
}

/// Whether a stream records its work instead of doing it.
pub fn records(stream: usize) -> bool {
    stream::records(stream)
}

/// Adds to what a stream records.
///
/// # Errors
/// A stream that does not record.
pub fn record(stream: usize, task: Repeatable) -> Result<(), String> {
    if stream::record_work(stream, task) {
        Ok(())
    } else {
        Err(format!("{stream:#x} records nothing"))
    }
}

/// A violation, and CUDA's number for it.
fn wrong(code: c_int, text: &str) -> c_int {
    journal::violation(text);
    code
}

fn known(there: bool, call: &str) -> c_int {
    if there {
        SUCCESS
    } else {
        wrong(
            INVALID_HANDLE,
            &format!("{call} with a handle that is unknown or was destroyed"),
        )
    }
}

/// # Safety
/// `to` is an address that may be written, as CUDA's functions demand.
unsafe fn give<T>(to: *mut T, value: T) -> c_int {
    // SAFETY: the caller promises it.
    unsafe { to.write(value) };
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cudaGetErrorString(code: c_int) -> *const c_char {
    let text = match code {
        SUCCESS => c"no error",
        INVALID_VALUE => c"invalid argument",
        OUT_OF_MEMORY => c"out of memory",
        INVALID_HANDLE => c"invalid resource handle",
        LAUNCH_FAILURE => c"unspecified launch failure",
        _ => c"unrecognized error code",
    };
    text.as_ptr()
}

/// The double keeps no last error: every call tells its own.
#[unsafe(no_mangle)]
extern "C" fn cudaGetLastError() -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cudaRuntimeGetVersion(version: *mut c_int) -> c_int {
    // SAFETY: as CUDA demands.
    unsafe { give(version, 11_040) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cudaGetDeviceCount(count: *mut c_int) -> c_int {
    // SAFETY: as CUDA demands.
    unsafe { give(count, 1) }
}

#[unsafe(no_mangle)]
extern "C" fn cudaSetDevice(device: c_int) -> c_int {
    match device {
        0 => SUCCESS,
        _ => wrong(101, "cudaSetDevice: there is one GPU"),
    }
}

/// The name is the structure's first member in every version; the rest stays as it is.
#[unsafe(no_mangle)]
unsafe extern "C" fn cudaGetDeviceProperties(properties: *mut c_void, _device: c_int) -> c_int {
    let name = b"A double, not a GPU\0";
    // SAFETY: the structure begins with 256 bytes for the name.
    unsafe { std::ptr::copy_nonoverlapping(name.as_ptr(), properties.cast(), name.len()) };
    SUCCESS
}

/// Xavier's compute capability, and an integrated GPU.
#[unsafe(no_mangle)]
unsafe extern "C" fn cudaDeviceGetAttribute(value: *mut c_int, which: c_int, _device: c_int) -> c_int {
    let integrated = c_int::from(!faults::discrete());
    let answer = match which {
        75 => 7,
        76 => 2,
        18 | 19 => integrated,
        other => {
            return wrong(
                INVALID_VALUE,
                &format!("attribute {other} is not known to the double"),
            );
        }
    };
    // SAFETY: as CUDA demands.
    unsafe { give(value, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cudaStreamCreateWithFlags(stream: *mut *mut c_void, flags: c_uint) -> c_int {
    if flags != 1 {
        journal::violation("a stream that waits for the default stream");
    }
    // SAFETY: as CUDA demands.
    unsafe { give(stream, stream::create_stream() as *mut c_void) }
}

#[unsafe(no_mangle)]
extern "C" fn cudaStreamDestroy(stream: *mut c_void) -> c_int {
    known(stream::destroy_stream(stream as usize), "cudaStreamDestroy")
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cudaEventCreateWithFlags(event: *mut *mut c_void, _flags: c_uint) -> c_int {
    // SAFETY: as CUDA demands.
    unsafe { give(event, stream::create_event() as *mut c_void) }
}

#[unsafe(no_mangle)]
extern "C" fn cudaEventRecord(event: *mut c_void, stream: *mut c_void) -> c_int {
    known(stream::record(event as usize, stream as usize), "cudaEventRecord")
}

#[unsafe(no_mangle)]
extern "C" fn cudaEventSynchronize(event: *mut c_void) -> c_int {
    match stream::marked(event as usize) {
        Some(Some(mark)) => mark.wait().err().unwrap_or(SUCCESS),
        Some(None) => SUCCESS,
        None => known(false, "cudaEventSynchronize"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn cudaEventQuery(event: *mut c_void) -> c_int {
    match stream::marked(event as usize) {
        Some(Some(mark)) => mark
            .reached()
            .map_or(NOT_READY, |how| how.err().unwrap_or(SUCCESS)),
        Some(None) => SUCCESS,
        None => known(false, "cudaEventQuery"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn cudaStreamWaitEvent(stream: *mut c_void, event: *mut c_void, _flags: c_uint) -> c_int {
    let known_event = stream::marked(event as usize);
    let mark = match known_event {
        Some(mark) => mark,
        None => return known(false, "cudaStreamWaitEvent"),
    };
    known(stream::wait_for(stream as usize, mark), "cudaStreamWaitEvent")
}

#[unsafe(no_mangle)]
extern "C" fn cudaEventDestroy(event: *mut c_void) -> c_int {
    known(stream::destroy_event(event as usize), "cudaEventDestroy")
}

/// # Safety
/// `to` may be written.
unsafe fn allocate(to: *mut *mut c_void, len: usize, kind: Kind) -> c_int {
    match memory::allocate(len, kind) {
        // SAFETY: the caller promises it.
        Some(address) => unsafe { give(to, address as *mut c_void) },
        None => OUT_OF_MEMORY,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cudaMalloc(to: *mut *mut c_void, len: usize) -> c_int {
    // SAFETY: as CUDA demands.
    unsafe { allocate(to, len, Kind::Device) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cudaHostAlloc(to: *mut *mut c_void, len: usize, flags: c_uint) -> c_int {
    let mapped = flags & 2 != 0;
    // SAFETY: as CUDA demands.
    unsafe { allocate(to, len, Kind::Host { mapped }) }
}

/// With unified addresses, as on every Jetson from Xavier on, device and host have the same.
#[unsafe(no_mangle)]
unsafe extern "C" fn cudaHostGetDevicePointer(
    to: *mut *mut c_void,
    host: *mut c_void,
    _flags: c_uint,
) -> c_int {
    match memory::region(host as usize, 1, true) {
        // SAFETY: as CUDA demands.
        Ok(_) => unsafe { give(to, host) },
        Err(reason) => wrong(INVALID_VALUE, &format!("cudaHostGetDevicePointer: {reason}")),
    }
}

fn free(address: *mut c_void, fits: impl Fn(Kind) -> bool) -> c_int {
    if address.is_null() {
        return SUCCESS;
    }
    stream::settle();
    match memory::free(address as usize, fits) {
        Ok(()) => SUCCESS,
        Err(reason) => wrong(INVALID_VALUE, &format!("free: {reason}")),
    }
}

#[unsafe(no_mangle)]
extern "C" fn cudaFree(address: *mut c_void) -> c_int {
    free(address, |kind| kind == Kind::Device)
}

#[unsafe(no_mangle)]
extern "C" fn cudaFreeHost(address: *mut c_void) -> c_int {
    free(address, |kind| matches!(kind, Kind::Host { .. }))
}

#[unsafe(no_mangle)]
extern "C" fn cudaHostRegister(address: *mut c_void, len: usize, _flags: c_uint) -> c_int {
    match memory::register(address as usize, len) {
        Ok(()) => SUCCESS,
        Err(reason) => wrong(ALREADY_REGISTERED, &format!("cudaHostRegister: {reason}")),
    }
}

#[unsafe(no_mangle)]
extern "C" fn cudaHostUnregister(address: *mut c_void) -> c_int {
    free(address, |kind| kind == Kind::Registered)
}

/// The first member of `cudaPointerAttributes` is the kind of memory: 0 nobody's, 1 page-locked, 2 the device's.
#[unsafe(no_mangle)]
unsafe extern "C" fn cudaPointerGetAttributes(attributes: *mut c_void, address: *const c_void) -> c_int {
    let kind = c_int::from(memory::is_page_locked(address as usize));
    // SAFETY: as CUDA demands.
    unsafe { give(attributes.cast(), kind) }
}

#[unsafe(no_mangle)]
extern "C" fn cudaMemcpyAsync(
    to: *mut c_void,
    from: *const c_void,
    len: usize,
    _direction: c_int,
    stream: *mut c_void,
) -> c_int {
    // Pageable memory would make the call wait, so the program has none: both sides are CUDA's.
    let regions = memory::region(to as usize, len, false)
        .and_then(|to| Ok((to, memory::region(from as usize, len, false)?)));
    let (to, from) = match regions {
        Ok(regions) => regions,
        Err(reason) => return wrong(INVALID_VALUE, &format!("cudaMemcpyAsync: {reason}")),
    };
    let event = serde_json::json!({"event": "copy", "from": from.memory(), "to": to.memory()});
    journal::event(&event.to_string());
    let copied = push(stream as usize, move || {
        to.bytes_mut().copy_from_slice(from.bytes());
        Ok(())
    });
    copied.map_or(INVALID_HANDLE, |()| SUCCESS)
}

/// Called when the process ends or the library goes: what the program still holds is leaked.
#[unsafe(no_mangle)]
extern "C" fn double_end() {
    let left = serde_json::json!({"event": "end", "left": life::left()});
    journal::event(&left.to_string());
}
