//! What `cpp/bridge.h` declares.

use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::Arc;

use crate::engine::Engine;
use crate::formats::Layout;
use crate::plan::Plan;
use crate::{faults, journal, life};

/// Text that the C++ side owns.
///
/// # Safety
/// `text` ends with a zero and lives for the call.
unsafe fn text<'a>(text: *const c_char) -> std::borrow::Cow<'a, str> {
    // SAFETY: the caller promises it.
    unsafe { CStr::from_ptr(text) }.to_string_lossy()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn double_born(kind: *const c_char, parent: u64) -> u64 {
    // SAFETY: the C++ side passes a literal.
    life::born(&unsafe { text(kind) }, parent)
}

#[unsafe(no_mangle)]
extern "C" fn double_died(id: u64) {
    life::died(id);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn double_violation(what: *const c_char) {
    // SAFETY: the C++ side passes a string that lives for the call.
    journal::violation(&unsafe { text(what) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn double_event(json: *const c_char) {
    // SAFETY: as above.
    journal::event(&unsafe { text(json) });
}

#[unsafe(no_mangle)]
extern "C" fn double_dla_cores() -> i32 {
    faults::dla_cores()
}

#[unsafe(no_mangle)]
extern "C" fn double_version(compiled: i32) -> i32 {
    faults::version(compiled)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn double_dla_refuses(layer: *const c_char) -> bool {
    // SAFETY: as above.
    faults::refuses_layer(&unsafe { text(layer) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn double_range_factor(layer: *const c_char) -> f32 {
    // SAFETY: as above.
    faults::range_factor(&unsafe { text(layer) })
}

#[unsafe(no_mangle)]
extern "C" fn double_build_fails(core: i32) -> bool {
    faults::build_fails(core)
}

#[unsafe(no_mangle)]
extern "C" fn double_build_delay() -> i32 {
    faults::slow_build()
}

type Take = extern "C" fn(to: *mut c_void, data: *const c_void, size: usize);

#[unsafe(no_mangle)]
unsafe extern "C" fn double_plan(
    json: *const u8,
    length: usize,
    weights: *const f32,
    count: usize,
    take: Take,
    to: *mut c_void,
) {
    // SAFETY: both describe strings and vectors that live for the call; an empty vector may have no address.
    let (json, weights) = unsafe {
        let weights = match count {
            0 => &[][..],
            _ => std::slice::from_raw_parts(weights, count),
        };
        (std::slice::from_raw_parts(json, length), weights)
    };
    match Plan::bytes(&String::from_utf8_lossy(json), weights) {
        Ok(bytes) => take(to, bytes.as_ptr().cast(), bytes.len()),
        Err(error) => journal::violation(&format!("the network is not recorded well: {error}")),
    }
}

/// Fills the caller's `room` bytes.
///
/// # Safety
/// `to` has `room` bytes.
unsafe fn answer(text: &str, to: *mut c_char, room: usize) {
    let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
    let bytes = text.as_bytes();
    let length = bytes.len().min(room - 1);
    // SAFETY: `length + 1` is at most `room`.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), to, length);
        to.add(length).write(0);
    }
}

/// What an engine's handle points to: the engine, and its names for C.
struct Handle {
    engine: Arc<Engine>,
    names: Vec<CString>,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn double_engine(
    data: *const u8,
    size: usize,
    library: i32,
    core: i32,
    message: *mut c_char,
    room: usize,
) -> *mut c_void {
    // SAFETY: the program promises `size` bytes to `deserializeCudaEngine`.
    let bytes = unsafe { std::slice::from_raw_parts(data, size) };
    match Engine::load(bytes, faults::version(library), core) {
        Ok(engine) => {
            let name = |layout: &Layout| CString::new(layout.name.as_str()).unwrap_or_default();
            let names = engine.ports().map(name).collect();
            let engine = Arc::new(engine);
            Box::into_raw(Box::new(Handle { engine, names })).cast()
        }
        Err(error) => {
            // SAFETY: the C++ side passes an array and its size.
            unsafe { answer(&error, message, room) };
            std::ptr::null_mut()
        }
    }
}

/// # Safety
/// `engine` is a handle of [`double_engine`] that was not freed.
unsafe fn handle<'a>(engine: *mut c_void) -> &'a Handle {
    // SAFETY: the caller promises it.
    unsafe { &*engine.cast::<Handle>() }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn double_engine_free(engine: *mut c_void) {
    // SAFETY: the C++ side frees a handle once, in a destructor.
    let handle = unsafe { Box::from_raw(engine.cast::<Handle>()) };
    if handle.engine.busy() {
        journal::violation("an engine is destroyed while it executes");
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn double_engine_ports(engine: *mut c_void) -> i32 {
    // SAFETY: the C++ side passes a living handle.
    unsafe { handle(engine) }.names.len() as i32
}

/// `DoublePort`.
#[repr(C)]
struct Port {
    name: *const c_char,
    input: i32,
    data_type: i32,
    format: i32,
    rank: i32,
    shape: [i64; 8],
}

#[unsafe(no_mangle)]
unsafe extern "C" fn double_engine_port(engine: *mut c_void, index: i32, out: *mut Port) -> bool {
    // SAFETY: the C++ side passes a living handle.
    let handle = unsafe { handle(engine) };
    let index = index as usize;
    let Some(layout) = handle.engine.ports().nth(index) else {
        return false;
    };
    let mut shape = [0; 8];
    for (to, from) in shape.iter_mut().zip(&layout.shape) {
        *to = *from as i64;
    }
    let port = Port {
        name: handle.names[index].as_ptr(),
        input: i32::from(index < handle.engine.inputs.len()),
        data_type: layout.data_type(),
        format: layout.format(),
        rank: layout.shape.len() as i32,
        shape,
    };
    // SAFETY: the C++ side passes the address of a port.
    unsafe { out.write(port) };
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn double_enqueue(
    engine: *mut c_void,
    addresses: *const *mut c_void,
    stream: *mut c_void,
    message: *mut c_char,
    room: usize,
) -> bool {
    // SAFETY: the C++ side passes a living handle, and one address per port.
    let (handle, addresses) = unsafe {
        let handle = handle(engine);
        let ports = handle.names.len();
        (handle, std::slice::from_raw_parts(addresses, ports))
    };
    match handle.engine.enqueue(addresses, stream) {
        Ok(()) => true,
        Err(error) => {
            // SAFETY: the C++ side passes an array and its size.
            unsafe { answer(&error, message, room) };
            false
        }
    }
}
