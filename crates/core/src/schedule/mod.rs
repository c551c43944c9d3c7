//! The scheduler as a pure state machine: events in, commands out. It has no thread and reads no clock, so the same
//! code drives real devices and virtual time.
//!
//! Offline mode, as in the paper: every device runs its share of the prefix; when all rows are there, the suffix runs
//! over the merged rows on the GPU. When the plan pipelines the suffix, each suffix batch runs as soon as its rows are
//! there, while the devices go on with the prefix of later rows. A device that is lost takes no row with it: what it had
//! not finished is dealt again to the others, in the batches their engines already have.
//!
//! Data that arrives while it runs: [`Stream`], in the same words.

mod lane;
mod machine;
mod pace;
mod redeal;
mod stream;
mod suffix;
#[cfg(test)]
mod tests;

pub use machine::Schedule;
pub use pace::Pace;
pub(crate) use pace::mixed;
pub use stream::{
    Fate, Infeasible, Item, Order, Overflow, Stream, StreamCommand, StreamEvent, StreamLane, StreamRules,
    StreamTask, TimedEngine,
};

use std::ops::Range;

use crate::plan::Device;

/// Which half of a run a task belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Rows dealt to all devices.
    Prefix,
    /// Merged rows, on the GPU.
    Suffix,
}

/// Names one task within one schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u64);

/// One execution of one engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub id: TaskId,
    pub phase: Phase,
    pub device: Device,
    /// The rows whose results count.
    pub rows: Range<usize>,
    /// The rows the engine reads: as many as its batch, including `rows`. It is longer than `rows` only when rows were
    /// dealt again to an engine of a larger batch; the results of the others are dropped.
    pub window: Range<usize>,
}

impl Task {
    /// Rows computed only to fill the engine's batch.
    pub fn padding(&self) -> usize {
        self.window.len() - self.rows.len()
    }
}

/// Why a device can no longer be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// An execution ended with an error.
    Failed,
    /// An execution did not end within the time limit.
    TimedOut,
}

/// What happened. The result of a device that was lost before is allowed and ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Finished(TaskId),
    Lost(Device, Loss),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Start this execution; tasks of one device run in the order given.
    Run(Task),
    /// Copy the rows of this finished execution to their place. Comes in the answer to its `Finished`.
    Keep(Task),
    /// Every row of every phase has been kept.
    Done,
    /// The run cannot be completed.
    Fail(Failure),
}

/// Why a run cannot be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The suffix runs on the GPU only, and the GPU is lost.
    SuffixNeedsGpu(Loss),
    /// Every device that had an engine is lost; so many rows are not computed.
    NoDeviceLeft { rows: usize },
}
