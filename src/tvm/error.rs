//! What can go wrong between Rust and TVM.

use std::path::PathBuf;

/// A failure of TVM, or of finding it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TvmError {
    #[error("no TVM runtime is loaded: give the path of libtvm_runtime.so")]
    NotLoaded,
    #[error("cannot load TVM's runtime {}: {reason}", path.display())]
    Library { path: PathBuf, reason: String },
    #[error("{library} is not a TVM 0.9 to 0.19 runtime: {reason}")]
    Symbol { library: String, reason: String },
    #[error("TVM: {0}")]
    Call(String),
    #[error("TVM has no function `{0}`")]
    NoFunction(String),
    #[error("TVM gave {got} where {want} is expected")]
    Type { want: &'static str, got: String },
    #[error(
        "the integer {0} is more than float32 can hold, and numbers between TVM and the network are float32"
    )]
    Inexact(i64),
}
