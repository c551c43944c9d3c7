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
pub use collect::{collect, crossing, probed, Batch, Chosen, Distributions, Runs};
pub use file::{digest, ranges, Calibration, FileError};
pub use histogram::{Histogram, NotFinite, BINS};
pub use method::Method;
pub use numerics::{int8, numerics, NumericsError};

use crate::engine::precision::RangeError;
use crate::engine::EngineError;

/// Data that ranges cannot be made of.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("tensor `{tensor}` holds infinities or NaN in row {row}: look at that image, or at the network's weights")]
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
