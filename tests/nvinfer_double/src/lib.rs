//! Stands in for libnvinfer and libcudart where there is no board. It implements NvInfer's own interfaces, so that what
//! is tested is the program as a board would run it; it checks every call against what TensorRT and CUDA document;
//! and it computes with the CPU backend's layers, so that results are right.
//!
//! - `cpp/` has the classes of NvInfer. `build/` writes adaptors from any version's headers.
//! - `journal` writes down what happened, `faults` reads what shall go wrong. Both come from the environment:
//!   `NVINFER_DOUBLE_JOURNAL` names a file, `NVINFER_DOUBLE_FAULTS` lists faults.
//! - `plan`, `layers`, `rounding`, `formats` and `engine` turn a recorded network into results, `cuda` is the CUDA runtime.

mod bridge;
mod cuda;
mod engine;
mod entry;
mod faults;
mod formats;
mod journal;
mod layers;
mod life;
mod plan;
mod rounding;
mod vocabulary;
