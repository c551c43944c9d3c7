//! The three symbols that a program looks up in libnvinfer.

use std::ffi::c_void;

unsafe extern "C" {
    fn double_builder(logger: *mut c_void, version: i32) -> *mut c_void;
    fn double_runtime(logger: *mut c_void, version: i32) -> *mut c_void;
    fn double_library_version() -> i32;
}

#[unsafe(no_mangle)]
unsafe extern "C" fn createInferBuilder_INTERNAL(logger: *mut c_void, version: i32) -> *mut c_void {
    // SAFETY: the caller's arguments, as NvInfer.h declares them.
    unsafe { double_builder(logger, version) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn createInferRuntime_INTERNAL(logger: *mut c_void, version: i32) -> *mut c_void {
    // SAFETY: as above.
    unsafe { double_runtime(logger, version) }
}

#[unsafe(no_mangle)]
extern "C" fn getInferLibVersion() -> i32 {
    // SAFETY: takes nothing and gives a number.
    unsafe { double_library_version() }
}
