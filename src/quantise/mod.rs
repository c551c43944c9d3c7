//! INT8 ranges from data: histograms of what flows through a network, a range for each tensor, and their files.

pub mod cache;
mod choice;
mod collect;
mod file;
mod histogram;
mod method;
mod numerics;
mod tables;
mod tally;
#[cfg(test)]
mod tests;

pub use choice::{Choice, Remark};
pub use collect::{Batch, ChosenRanges, Distributions, Runs, collect, crossing, probed};
pub use file::{Calibration, FileError, digest, ranges};
pub use histogram::{BINS, Histogram, NotFinite};
pub use method::Method;
pub use numerics::{NumericsError, int8, numerics};

use crate::engine::EngineError;
use crate::engine::precision::RangeError;

/// Data that ranges cannot be made of.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(
        "tensor `{tensor}` holds infinities or NaN in row {row}: look at that image, or at the network's weights"
    )]
    NotFinite { tensor: String, row: usize },
    #[error(transparent)]
    Range(#[from] RangeError),
    #[error("there are no rows to calibrate with")]
    NoRows,
    #[error("the network does not run in batches: {0}")]
    Batch(String),
    #[error("the network stopped")]
    Stopped,
    /// What the caller's data failed with.
    #[error("{0}")]
    Data(String),
}
