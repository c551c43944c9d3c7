//! Who computes where nobody says it.

use std::path::Path;

use super::Jetson;
use crate::engine::trt::{Cuda, LibraryPaths, TensorRt, TrtError};

/// What was found of TensorRT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenBackend {
    /// Its library and a GPU are here.
    TensorRt,
    /// There is no GPU to ask it for.
    Cpu,
    /// Devices are emulated although this is a board, or has a GPU: the reason, to be said.
    Emulated(String),
}

/// TensorRT where its library and a GPU are, else the CPU; `root` is `/` outside tests. The GPU is asked for first, since
/// loading TensorRT takes time and memory.
///
/// # Errors
/// [`TrtError`] of a library that was named and cannot be used.
pub fn taken(tensorrt: &LibraryPaths, cuda: &LibraryPaths, root: &Path) -> Result<TakenBackend, TrtError> {
    let gpu = Cuda::load(cuda).map(drop);
    let is_here = gpu.is_ok();
    let error = match gpu.and_then(|()| TensorRt::load(tensorrt).map(drop)) {
        Ok(()) => return Ok(TakenBackend::TensorRt),
        Err(error) if tensorrt.named.is_some() || cuda.named.is_some() => return Err(error),
        Err(error) => error,
    };
    let jetson = Jetson::read(root);
    let why = match (jetson.is_jetson(), is_here) {
        (true, true) => jetson.without_tensorrt(&error.to_string()),
        (true, false) => jetson.without(&error.to_string(), |p| p.cuda.to_string()),
        (false, true) => error.to_string(),
        (false, false) => return Ok(TakenBackend::Cpu),
    };
    Ok(TakenBackend::Emulated(format!(
        "GPU and DLA are emulated on the CPU, because TensorRT cannot be used here: {why}"
    )))
}
