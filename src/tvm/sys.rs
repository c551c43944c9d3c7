//! TVM's C API (`tvm/runtime/c_runtime_api.h`, unchanged from 0.9 to 0.19), bound at run time.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY};

use super::TvmError;

/// The runtime's argument and return codes.
pub(super) mod code {
    pub const INT: i32 = 0;
    pub const FLOAT: i32 = 2;
    pub const NULL: i32 = 4;
    pub const DATA_TYPE: i32 = 5;
    pub const DEVICE: i32 = 6;
    pub const DL_TENSOR: i32 = 7;
    pub const OBJECT: i32 = 8;
    pub const MODULE: i32 = 9;
    pub const FUNCTION: i32 = 10;
    pub const STR: i32 = 11;
    pub const BYTES: i32 = 12;
    pub const ND_ARRAY: i32 = 13;
    /// A pointer to an object handle that the caller gives away.
    pub const OBJECT_RVALUE: i32 = 14;
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataType {
    pub code: u8,
    pub bits: u8,
    pub lanes: u16,
}

impl DataType {
    /// One number per element: `code` is 0 for signed integers, 1 for unsigned, 2 for floats.
    pub const fn scalar(code: u8, bits: u8) -> DataType {
        DataType { code, bits, lanes: 1 }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DlDevice {
    pub kind: c_int,
    pub id: c_int,
}

/// `DLTensor` of DLPack 0.6 and later.
#[repr(C)]
pub struct DlTensor {
    pub data: *mut c_void,
    pub device: DlDevice,
    pub ndim: c_int,
    pub dtype: DataType,
    pub shape: *mut i64,
    pub strides: *mut i64,
    pub byte_offset: u64,
}

#[repr(C)]
pub struct ByteArray {
    pub data: *const c_char,
    pub size: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union RawValue {
    pub int: i64,
    pub float: f64,
    pub handle: *mut c_void,
    pub text: *const c_char,
    pub dtype: DataType,
    pub device: DlDevice,
}

pub type PackedCFunc = unsafe extern "C" fn(
    args: *mut RawValue,
    codes: *mut c_int,
    count: c_int,
    result: *mut c_void,
    resource: *mut c_void,
) -> c_int;

macro_rules! api {
    ($($field:ident = $symbol:literal: fn($($arg:ty),*) -> $ret:ty;)*) => {
        /// The functions in use, each looked up once.
        pub struct Api {
            $(pub $field: unsafe extern "C" fn($($arg),*) -> $ret,)*
            /// Keeps the functions above loaded; `RTLD_GLOBAL`, because artifacts resolve against it.
            _library: Library,
        }

        impl Api {
            fn from_library(library: Library, origin: &str) -> Result<Api, TvmError> {
                $(
                    // SAFETY: the symbol has this signature in every TVM from 0.9 to 0.19.
                    let $field = *unsafe { library.get::<unsafe extern "C" fn($($arg),*) -> $ret>($symbol.as_bytes()) }
                        .map_err(|error| TvmError::Symbol { library: origin.to_string(), reason: error.to_string() })?;
                )*
                Ok(Api { $($field,)* _library: library })
            }
        }
    };
}

api! {
    last_error = "TVMGetLastError": fn() -> *const c_char;
    set_last_error = "TVMAPISetLastError": fn(*const c_char) -> ();
    module_load = "TVMModLoadFromFile": fn(*const c_char, *const c_char, *mut *mut c_void) -> c_int;
    module_function = "TVMModGetFunction": fn(*mut c_void, *const c_char, c_int, *mut *mut c_void) -> c_int;
    function_global = "TVMFuncGetGlobal": fn(*const c_char, *mut *mut c_void) -> c_int;
    function_call = "TVMFuncCall": fn(*mut c_void, *mut RawValue, *mut c_int, c_int, *mut RawValue, *mut c_int) -> c_int;
    function_free = "TVMFuncFree": fn(*mut c_void) -> c_int;
    function_from_c = "TVMFuncCreateFromCFunc": fn(PackedCFunc, *mut c_void, Option<unsafe extern "C" fn(*mut c_void)>, *mut *mut c_void) -> c_int;
    function_register = "TVMFuncRegisterGlobal": fn(*const c_char, *mut c_void, c_int) -> c_int;
    set_return = "TVMCFuncSetReturn": fn(*mut c_void, *mut RawValue, *mut c_int, c_int) -> c_int;
    array_alloc = "TVMArrayAlloc": fn(*const i64, c_int, c_int, c_int, c_int, c_int, c_int, *mut *mut DlTensor) -> c_int;
    array_free = "TVMArrayFree": fn(*mut DlTensor) -> c_int;
    array_from_bytes = "TVMArrayCopyFromBytes": fn(*mut DlTensor, *const c_void, usize) -> c_int;
    array_to_bytes = "TVMArrayCopyToBytes": fn(*mut DlTensor, *mut c_void, usize) -> c_int;
    object_type_index = "TVMObjectGetTypeIndex": fn(*mut c_void, *mut c_uint) -> c_int;
    object_type_key = "TVMObjectTypeIndex2Key": fn(c_uint, *mut *mut c_char) -> c_int;
    object_retain = "TVMObjectRetain": fn(*mut c_void) -> c_int;
    object_free = "TVMObjectFree": fn(*mut c_void) -> c_int;
}

static API: OnceLock<Api> = OnceLock::new();

/// The runtime in use, once [`open`] or [`attach`] has found it.
pub fn api() -> Result<&'static Api, TvmError> {
    API.get().ok_or(TvmError::NotLoaded)
}

/// Loads `libtvm_runtime.so` or `libtvm.so`. One process has one TVM: later calls keep the first.
pub fn open(path: &Path) -> Result<&'static Api, TvmError> {
    if let Some(api) = API.get() {
        return Ok(api);
    }
    // SAFETY: TVM's initialisers only register functions.
    let library =
        unsafe { Library::open(Some(path), RTLD_LAZY | RTLD_GLOBAL) }.map_err(|error| TvmError::Library {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })?;
    let api = Api::from_library(library, &path.display().to_string())?;
    Ok(API.get_or_init(|| api))
}

/// Uses the TVM that this process has loaded already (the plugin's case).
pub fn attach() -> Result<&'static Api, TvmError> {
    if let Some(api) = API.get() {
        return Ok(api);
    }
    let api = Api::from_library(Library::this(), "this process")?;
    Ok(API.get_or_init(|| api))
}
