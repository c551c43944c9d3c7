//! Why a file is no artifact, or does not run.

use std::path::{Path, PathBuf};

use super::machine::Machine;
use crate::bundle::BundleError;
use crate::plan::counted;
use crate::tvm::TvmError;

/// Names the file, what is wrong with it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} is not a compiled model: {reason}", path.display())]
    Foreign { path: PathBuf, reason: String },
    #[error("{} is packed with {packer}: unpack it first, and give what was in it", path.display())]
    Packed { path: PathBuf, packer: &'static str },
    #[error("{} was compiled for another processor, {machine}, so what TVM kept of it cannot run here: compile it for this one, or run it there", path.display())]
    OtherMachine { path: PathBuf, machine: Machine },
    #[error("{} holds no network compiled for the target `dla`: compile it with `--target \"dla, llvm\"`", path.display())]
    NoDla { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Bundle { path: PathBuf, source: BundleError },
    #[error("{}: {reason}, so TVM drives it, at the batch it was compiled for: only `tvm-dla run` does that; `tvm-dla inspect` shows what stayed with TVM and why", path.display())]
    Parts {
        path: PathBuf,
        /// What this artifact is made of.
        reason: String,
    },
    #[error("{}: TVM computes {what}, and its runtime was not found: give its libtvm_runtime.so", path.display())]
    NoRuntime { path: PathBuf, what: String },
    #[error(
        "output `{name}` {shape:?} has no rows of the batch, so the model runs only in batches of {compiled}, and {rows} rows are no multiple of that"
    )]
    NoRows {
        name: String,
        shape: Vec<usize>,
        compiled: usize,
        rows: usize,
    },
    #[error("this model runs only in batches of {compiled}, and a batch of {} is no multiple of that: {reason}", counted(*rows, "row"))]
    Executions {
        compiled: usize,
        rows: usize,
        reason: String,
    },
    #[error("TVM computes `{name}` from all rows of a batch together, so the model runs only in batches of {compiled}: {} cannot be filled up to one", counted(*rows, "row"))]
    Mixed {
        name: String,
        compiled: usize,
        rows: usize,
    },
    #[error(
        "an output of this model needs its inputs again behind the network, and none were kept: give the model's inputs of the same rows"
    )]
    InputsGone,
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
