//! The C side of the plugin: what the shim calls, and what runs when TVM loads the library.

use std::ffi::{CStr, c_char, c_int, c_void};

use std::path::PathBuf;

use super::module::{ModuleKind, PluginModule};
use super::run::DlaModule;
use tvm_dla::tvm::{Arguments, CallError, Module, RawValue, TvmError, guard, returns};

/// Doubly boxed: a trait object has no thin pointer.
type State = Box<dyn PluginModule>;

unsafe extern "C" {
    fn tvm_dla_make_module(
        state: *mut c_void,
        type_key: *const c_char,
        framed: c_int,
        handle: *mut *mut c_void,
    ) -> c_int;
    fn tvm_dla_register_loader() -> c_int;
    fn tvm_dla_register_tensorrt_loader() -> c_int;
}

/// What the shim's module node calls; `state` is a `Box<State>` that the node owns.
#[repr(C)]
pub struct Callbacks {
    from_bytes: unsafe extern "C" fn(*const c_char, usize) -> *mut c_void,
    drop: unsafe extern "C" fn(*mut c_void),
    bytes: unsafe extern "C" fn(*mut c_void, *mut *const c_char, *mut usize) -> c_int,
    source: unsafe extern "C" fn(*mut c_void, *mut *const c_char, *mut usize) -> c_int,
    has_function: unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int,
    call: unsafe extern "C" fn(
        *mut c_void,
        *const c_char,
        *const RawValue,
        *const c_int,
        c_int,
        *mut c_void,
    ) -> c_int,
}

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static tvm_dla_callbacks: Callbacks = Callbacks {
    from_bytes,
    drop: drop_state,
    bytes,
    source,
    has_function,
    call,
};

/// Runs when the library is loaded, by Python or as a dependency of an artifact.
#[used]
#[unsafe(link_section = ".init_array")]
static INITIALISE: extern "C" fn() = initialise;

extern "C" fn initialise() {
    if guard(super::register) != 0 {
        eprintln!("tvm-dla: {}", tvm_dla::tvm::last_error_text());
    }
}

/// Lets TVM load compiled networks.
pub fn register_loader() -> Result<(), CallError> {
    // SAFETY: no arguments; the shim catches everything.
    status(unsafe { tvm_dla_register_loader() })
}

/// Lets TVM load what was compiled for its own TensorRT backend, unless it can.
pub fn register_tensorrt_loader() -> Result<(), CallError> {
    // SAFETY: no arguments; the shim catches everything.
    status(unsafe { tvm_dla_register_tensorrt_loader() })
}

/// Hands `module` to TVM.
pub fn make_module(module: State) -> Result<Module, CallError> {
    let mut handle = std::ptr::null_mut();
    let (type_key, framed) = match module.kind() {
        ModuleKind::Dla => (c"dla", 1),
        ModuleKind::TensorRt => (c"tensorrt", 0),
    };
    let state = Box::into_raw(Box::new(module)).cast();
    // SAFETY: the shim takes over `state`, copies the name and writes `handle`.
    status(unsafe { tvm_dla_make_module(state, type_key.as_ptr(), framed, &mut handle) })?;
    // SAFETY: the shim gave one reference to a module.
    Ok(unsafe { Module::from_handle(handle) })
}

/// The folder this library was loaded from.
pub fn own_folder() -> Option<PathBuf> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    let own = own_folder as fn() -> Option<PathBuf> as *const c_void;
    // SAFETY: `own` is an address in this library and `info` is written on success.
    let path = unsafe {
        if libc::dladdr(own, info.as_mut_ptr()) == 0 {
            return None;
        }
        CStr::from_ptr(info.assume_init().dli_fname)
    };
    let path = PathBuf::from(path.to_string_lossy().into_owned());
    path.canonicalize().ok()?.parent().map(PathBuf::from)
}

fn status(status: c_int) -> Result<(), CallError> {
    match status {
        0 => Ok(()),
        _ => Err(TvmError::Call(tvm_dla::tvm::last_error_text()).into()),
    }
}

unsafe extern "C" fn from_bytes(data: *const c_char, size: usize) -> *mut c_void {
    let mut state = std::ptr::null_mut();
    guard(|| {
        // SAFETY: the shim passes a live buffer of `size` bytes.
        let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) };
        let module: State = Box::new(DlaModule::from_bytes(bytes)?);
        state = Box::into_raw(Box::new(module));
        Ok(())
    });
    state.cast()
}

unsafe extern "C" fn drop_state(state: *mut c_void) {
    guard(|| {
        // SAFETY: the node calls this once, with what it took over.
        drop(unsafe { Box::from_raw(state.cast::<State>()) });
        Ok(())
    });
}

unsafe extern "C" fn bytes(state: *mut c_void, data: *mut *const c_char, size: *mut usize) -> c_int {
    guard(|| {
        // SAFETY: the node owns `state`, and both results are written.
        unsafe {
            let bytes = (*state.cast::<State>()).bytes()?;
            *data = bytes.as_ptr().cast();
            *size = bytes.len();
        }
        Ok(())
    })
}

unsafe extern "C" fn source(state: *mut c_void, data: *mut *const c_char, size: *mut usize) -> c_int {
    guard(|| {
        // SAFETY: the node owns `state`, and both results are written.
        unsafe {
            let source = (*state.cast::<State>()).source();
            *data = source.as_ptr().cast();
            *size = source.len();
        }
        Ok(())
    })
}

unsafe extern "C" fn has_function(state: *mut c_void, name: *const c_char) -> c_int {
    let mut found = false;
    guard(|| {
        // SAFETY: the node owns `state`; the shim passes a NUL-terminated name.
        found = unsafe { (*state.cast::<State>()).has_function(CStr::from_ptr(name).to_str()?) };
        Ok(())
    });
    found.into()
}

unsafe extern "C" fn call(
    state: *mut c_void,
    name: *const c_char,
    values: *const RawValue,
    codes: *const c_int,
    count: c_int,
    result: *mut c_void,
) -> c_int {
    guard(|| {
        // SAFETY: the node owns `state`; TVM keeps name, arguments and result slot alive during the call.
        unsafe {
            let arguments = Arguments::from_raw(values, codes, count);
            let name = CStr::from_ptr(name).to_str()?;
            returns(result, &(*state.cast::<State>()).call(name, &arguments)?)
        }
    })
}
