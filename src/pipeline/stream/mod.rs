//! Drives a [`Stream`](crate::schedule::Stream) for real: items in through one channel, answers out through another.

mod account;
mod driver;
mod input;
mod listen;
mod slots;
mod stats;

pub use driver::StreamJob;
pub use input::{RefusedItems, StreamInput};
pub use stats::StreamStats;

pub(super) use driver::drive;

use std::time::{Duration, Instant};

use super::PipelineError;
use crate::engine::Rows;

/// One row of every input of the network; of a network that runs only in executions as compiled, all rows of one.
#[derive(Debug, Clone)]
pub struct StreamItem<T> {
    /// In the order of the network's inputs; float32 elements.
    pub inputs: Vec<Rows>,
    /// Since when it waits: its latency, and its bound, count from then.
    pub arrived: Instant,
    /// Comes back with the answer.
    pub tag: T,
}

/// What became of one item.
#[derive(Debug, Clone)]
pub struct StreamAnswer<T> {
    /// The item's number in the order of arrival, from 0.
    pub number: u64,
    pub tag: T,
    /// The same rows of every output of the network.
    pub outputs: Result<Vec<Rows>, StreamError>,
    /// From the item's arrival until its answer was due to be handed over.
    pub latency: Duration,
}

/// Why an item has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StreamError {
    #[error("dropped: the stream was full")]
    Dropped,
    #[error(transparent)]
    Failed(#[from] PipelineError),
}
