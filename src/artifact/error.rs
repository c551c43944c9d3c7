//! Why a file is no artifact, or does not run.

use std::path::{Path, PathBuf};

use crate::bundle::BundleError;
use crate::tvm::TvmError;

/// Names the file, what is wrong with it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} is not a compiled model: {reason}", path.display())]
    Foreign { path: PathBuf, reason: String },
    #[error("{} holds no network compiled for the target `dla`: compile it with `--target \"dla, llvm\"`", path.display())]
    NoDla { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Bundle { path: PathBuf, source: BundleError },
    #[error("{}: TVM kept {kept} function(s) of this model and {networks} network(s) went to the DLA target, so TVM's runtime has to drive it: give its libtvm_runtime.so; `tvm-dla inspect` shows what stayed and why", path.display())]
    Parts {
        path: PathBuf,
        kept: usize,
        networks: usize,
    },
    #[error("{} has no execution graph of TVM, so TVM cannot drive it", path.display())]
    NoGraph { path: PathBuf },
    #[error("cannot unpack the model for TVM into a temporary folder: {0}")]
    Unpack(String),
    #[error("input `{name}`: {reason}")]
    Input { name: String, reason: String },
    #[error(transparent)]
    Tvm(#[from] TvmError),
}

impl ArtifactError {
    pub(super) fn bundle(path: &Path, source: BundleError) -> ArtifactError {
        ArtifactError::Bundle {
            path: path.to_path_buf(),
            source,
        }
    }
}
