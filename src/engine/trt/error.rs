//! Why there is no TensorRT to build with.

use std::path::PathBuf;

use super::version::TrtVersion;

/// Names the library, what is wrong with it, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrtError {
    #[error(
        "this build has no TensorRT backend, because no TensorRT headers were found when it was compiled\nhelp: install NVIDIA's package libnvinfer-headers-dev (a Jetson with JetPack has it), or name a folder with NvInfer.h in TENSORRT_INCLUDE, then build again"
    )]
    NotBuilt,
    #[error("no library of {} found (looked for {}): {}", list(.built), .names.join(", "), places(.searched))]
    NotFound {
        built: Vec<TrtVersion>,
        names: Vec<String>,
        searched: Vec<PathBuf>,
    },
    #[error("no TensorRT library at `{}`", .0.display())]
    Missing(PathBuf),
    #[error("`{}` is no usable TensorRT library: {reason}", path.display())]
    Unusable { path: PathBuf, reason: String },
    #[error("`{}` is {library}, and this build was compiled against the headers of {}\nhelp: build again with TENSORRT_INCLUDE naming the headers of {library}", path.display(), list(.built))]
    OtherVersion {
        path: PathBuf,
        library: TrtVersion,
        built: Vec<TrtVersion>,
    },
    #[error("TensorRT: {call} failed: {reason}")]
    Call { call: &'static str, reason: String },
    #[error("TensorRT finds no resources to build with: {reason}\nhelp: it looks for them by name alone: start the program with LD_LIBRARY_PATH={}, if they are there", folder.display())]
    Resource { folder: PathBuf, reason: String },
    #[error("no CUDA runtime found (looked for {}): {}", .names.join(", "), places(.searched))]
    NoCuda {
        names: Vec<String>,
        searched: Vec<PathBuf>,
    },
    #[error("`{}` is no usable CUDA runtime: {reason}", path.display())]
    UnusableCuda { path: PathBuf, reason: String },
    #[error("CUDA: {call} failed: {reason}")]
    Cuda { call: &'static str, reason: String },
}

fn list(versions: &[TrtVersion]) -> String {
    let names: Vec<String> = versions.iter().map(TrtVersion::to_string).collect();
    names.join(", ")
}

fn places(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        "the system's loader has none".into()
    } else {
        let paths: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        format!("neither the system's loader nor {} has one", paths.join(", "))
    }
}
