//! Items that arrive one after the other: the scheduler for data that is not all there when a run begins.
//!
//! Time is an argument, counted from any fixed moment. An offline run is the special case in which everything has
//! arrived and the source has closed: then full batches are launched until the rest is too small for one.
//!
//! A device that is free takes a full batch as soon as there is one. Fewer items wait for company until the oldest
//! would otherwise miss its bound. How long executions take is learned from those that end. A network that is cut runs
//! uncut on the GPU; a DLA's items go on to the suffix on the GPU, which comes before new items there.
//!
//! A device that fails is left alone for a second, and after each further failure in a row for twice as long; its items go
//! to the others meanwhile. One that hangs is not used again. When no device is left, or not the GPU that others need, the
//! stream has failed.

mod choose;
mod lane;
mod machine;
mod rules;
#[cfg(test)]
mod tests;

pub use machine::Stream;
pub use rules::{Infeasible, Order, Overflow, StreamLane, StreamRules, TimedEngine};

use std::time::Duration;

use super::{Failure, Loss, Phase, TaskId};
use crate::plan::Device;

/// One row of the network's input, numbered in the order of arrival from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Item(pub u64);

/// One execution of one engine over some items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamTask {
    pub id: TaskId,
    /// The suffix, or what comes before it (on the GPU: the whole network).
    pub phase: Phase,
    pub device: Device,
    /// Rows of the engine: at least as many as `items`.
    pub batch: usize,
    /// Ascending.
    pub items: Vec<Item>,
}

impl StreamTask {
    /// Rows computed only to fill the engine's batch.
    pub fn padding(&self) -> usize {
        self.batch - self.items.len()
    }
}

/// What happened. The result of a device that was lost before is allowed and ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// The next `items` are there, since `at`; their bound counts from then. At most [`Stream::room`].
    Arrived {
        at: Duration,
        items: usize,
    },
    /// No more items will arrive.
    Closed,
    Finished(TaskId),
    Lost(Device, Loss),
    /// Whoever waits for answers has taken the oldest that was delivered.
    Taken,
    /// Nothing but time has passed.
    Tick,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamCommand {
    /// Start this execution; tasks of one device run in the order given.
    Run(StreamTask),
    /// The results of this execution count. Comes in the answer to its `Finished`.
    Keep(StreamTask),
    /// Answer this item; every item is answered once.
    Deliver(Item, Fate),
    /// The source has closed and every answer has been delivered.
    Done,
}

/// How an item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Computed,
    /// The stream was full, and its rules say to drop.
    Dropped,
    /// No device could compute it.
    Failed(Failure),
}
