//! The table of `shim.cc`, line for line, and which header sets this build has one for.

use std::ffi::{c_char, c_void};

/// A call was made and did what it should.
pub const DONE: i32 = 0;
/// This release of TensorRT has no such thing.
pub const ABSENT: i32 = 3;

macro_rules! opaque {
    ($($name:ident)*) => {$(
        #[repr(C)]
        pub struct $name([u8; 0]);
    )*};
}

opaque! { Builder Network Config Monitor TimingCache Memory Tensor Layer Runtime Engine Context Logger }

/// Dimensions; entries from `rank` on mean nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub rank: i32,
    pub at: [i64; 8],
}

/// Constant elements; TensorRT reads them until the engine is built.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Blob {
    pub kind: i32,
    pub data: *const c_void,
    pub count: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Window {
    pub size: Shape,
    pub stride: Shape,
    pub before: Shape,
    pub after: Shape,
    pub dilation: Shape,
}

#[repr(C)]
pub struct Port {
    pub name: *const c_char,
    pub input: i32,
    pub kind: i32,
    pub format: i32,
    pub at: Shape,
}

/// `createInferBuilder_INTERNAL` or `createInferRuntime_INTERNAL`.
pub type Entry = unsafe extern "C" fn(*mut c_void, i32) -> *mut c_void;
pub type LogCallback = extern "C" fn(*mut c_void, i32, *const c_char);
pub type ProgressCallback = extern "C" fn(*mut c_void, *const c_char, i32, i32) -> i32;

macro_rules! table {
    ($($field:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        #[repr(C)]
        pub struct Table {
            /// In bytes, as C++ sees it.
            pub size: u64,
            pub rtx: i32,
            pub major: i32,
            pub minor: i32,
            pub patch: i32,
            /// 1: types are set per tensor and layer. 0: they follow from the network's inputs.
            pub weak_types: i32,
            reserved: i32,
            $(pub $field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }
    };
}

table! {
    last_exception: fn() -> *const c_char;
    logger_create: fn(LogCallback, *mut c_void) -> *mut Logger;
    builder_create: fn(Entry, *mut Logger) -> *mut Builder;
    builder_destroy: fn(*mut Builder);
    builder_dla_cores: fn(*mut Builder) -> i32;
    network_create: fn(*mut Builder, i32) -> *mut Network;
    network_destroy: fn(*mut Network);
    network_layers: fn(*mut Network) -> i32;
    network_layer: fn(*mut Network, i32) -> *mut Layer;
    config_create: fn(*mut Builder) -> *mut Config;
    config_destroy: fn(*mut Config);
    config_flag: fn(*mut Config, i32, i32) -> i32;
    config_memory: fn(*mut Config, i32, u64) -> i32;
    config_level: fn(*mut Config, i32) -> i32;
    config_dla: fn(*mut Config, i32) -> i32;
    config_can_run_on_dla: fn(*mut Config, *mut Layer) -> i32;
    config_layer_on_gpu: fn(*mut Config, *mut Layer) -> i32;
    monitor_create: fn(ProgressCallback, *mut c_void) -> *mut Monitor;
    monitor_destroy: fn(*mut Monitor);
    config_monitor: fn(*mut Config, *mut Monitor) -> i32;
    timing_cache_create: fn(*mut Config, *const c_void, u64) -> *mut TimingCache;
    timing_cache_serialize: fn(*mut TimingCache) -> *mut Memory;
    timing_cache_destroy: fn(*mut TimingCache);
    build: fn(*mut Builder, *mut Network, *mut Config) -> *mut Memory;
    memory_data: fn(*mut Memory) -> *const c_void;
    memory_size: fn(*mut Memory) -> u64;
    memory_destroy: fn(*mut Memory);
    network_input: fn(*mut Network, *const c_char, i32, *const Shape) -> *mut Tensor;
    network_output: fn(*mut Network, *mut Tensor) -> i32;
    tensor_shape: fn(*mut Tensor) -> Shape;
    tensor_type: fn(*mut Tensor) -> i32;
    tensor_name: fn(*mut Tensor, *const c_char);
    tensor_io: fn(*mut Tensor, i32, i32) -> i32;
    tensor_range: fn(*mut Tensor, f32, f32) -> i32;
    layer_output: fn(*mut Layer) -> *mut Tensor;
    layer_input: fn(*mut Layer, i32, *mut Tensor) -> i32;
    layer_name: fn(*mut Layer, *const c_char);
    layer_get_name: fn(*mut Layer) -> *const c_char;
    layer_precision: fn(*mut Layer, i32) -> i32;
    add_constant: fn(*mut Network, *const Shape, *const Blob) -> *mut Layer;
    add_convolution: fn(*mut Network, *mut Tensor, i64, *const Window, i64, *const Blob, *const Blob) -> *mut Layer;
    add_deconvolution: fn(*mut Network, *mut Tensor, i64, *const Window, i64, *const Blob, *const Blob) -> *mut Layer;
    add_pooling: fn(*mut Network, *mut Tensor, i32, *const Window, i32) -> *mut Layer;
    add_activation: fn(*mut Network, *mut Tensor, i32, f32, f32) -> *mut Layer;
    add_scale: fn(*mut Network, *mut Tensor, *const Blob, *const Blob, *const Blob) -> *mut Layer;
    add_parametric_relu: fn(*mut Network, *mut Tensor, *mut Tensor) -> *mut Layer;
    add_elementwise: fn(*mut Network, *mut Tensor, *mut Tensor, i32) -> *mut Layer;
    add_unary: fn(*mut Network, *mut Tensor, i32) -> *mut Layer;
    add_lrn: fn(*mut Network, *mut Tensor, i64, f32, f32, f32) -> *mut Layer;
    add_reduce: fn(*mut Network, *mut Tensor, i32, u32, i32) -> *mut Layer;
    add_softmax: fn(*mut Network, *mut Tensor, u32) -> *mut Layer;
    add_concatenation: fn(*mut Network, *const *mut Tensor, i32, i32) -> *mut Layer;
    add_matrix_multiply: fn(*mut Network, *mut Tensor, i32, *mut Tensor, i32) -> *mut Layer;
    add_shuffle: fn(*mut Network, *mut Tensor, *const Shape, *const Shape) -> *mut Layer;
    add_slice: fn(*mut Network, *mut Tensor, *const Shape, *const Shape, *const Shape, *mut Tensor) -> *mut Layer;
    add_cast: fn(*mut Network, *mut Tensor, i32) -> *mut Layer;
    add_quantize: fn(*mut Network, *mut Tensor, *mut Tensor, i32) -> *mut Layer;
    add_dequantize: fn(*mut Network, *mut Tensor, *mut Tensor, i32, i32) -> *mut Layer;
    add_resize: fn(*mut Network, *mut Tensor, *const Shape, i32, i32, i32) -> *mut Layer;
    runtime_create: fn(Entry, *mut Logger) -> *mut Runtime;
    runtime_destroy: fn(*mut Runtime);
    runtime_dla_cores: fn(*mut Runtime) -> i32;
    runtime_dla: fn(*mut Runtime, i32) -> i32;
    runtime_engine: fn(*mut Runtime, *const c_void, u64) -> *mut Engine;
    engine_destroy: fn(*mut Engine);
    engine_ports: fn(*mut Engine) -> i32;
    engine_port: fn(*mut Engine, i32, *mut Port) -> i32;
    context_create: fn(*mut Engine) -> *mut Context;
    context_destroy: fn(*mut Context);
    context_bind: fn(*mut Context, i32, *const c_char, *mut c_void) -> i32;
    context_enqueue: fn(*mut Context, *mut c_void) -> i32;
}

// `SHIMS`: one entry per header set that this build found.
include!(concat!(env!("OUT_DIR"), "/tensorrt_shims.rs"));

/// The tables of this build, one for each kind and major version of TensorRT.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    SHIMS.iter().map(|shim| {
        // SAFETY: each shim returns the address of a constant of this layout; the size is compared below.
        let table = unsafe { &*shim().cast::<Table>() };
        assert_eq!(
            table.size,
            size_of::<Table>() as u64,
            "sys.rs and shim.cc describe the same table"
        );
        table
    })
}
