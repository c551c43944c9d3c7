//! What a precision does to a network: scores and agreement with float32 of a classifier, noise of outputs and layers of
//! any network, and which few layers to leave in FP16.

mod clamp;
mod compare;
mod noise;
mod score;
mod suggest;
#[cfg(test)]
mod tests;

pub use compare::{Candidate, PrecisionComparison, Reference};
pub use noise::{Fidelity, LayerNoise, Noise, layers, overflow};
pub use score::{Score, best};
pub use suggest::{Step, suggest};

use crate::engine::EngineError;
use crate::engine::precision::PrecisionError;

/// Why precisions cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum AccuracyError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Precision(#[from] PrecisionError),
    #[error("tensor `{tensor}` holds infinities or NaN in row {row} already in float32")]
    NotFinite { tensor: String, row: usize },
    #[error(
        "there are labels, and the network's first output has the shape {0:?}: only [rows, classes] has classes to compare"
    )]
    Classes(Vec<usize>),
    #[error("an output of the network is not stored by any layer")]
    Output,
    #[error("the network does not run in batches: {0}")]
    Batch(String),
    /// What the caller's data or ranges failed with.
    #[error("{0}")]
    Data(String),
}
