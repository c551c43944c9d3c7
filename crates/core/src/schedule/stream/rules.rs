//! What a stream may do.

use std::time::Duration;

use crate::plan::{Device, counted};

/// An engine's batch and how long one execution is expected to take at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedEngine {
    /// Rows.
    pub batch: usize,
    pub expected: Duration,
}

/// One device's engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLane {
    pub device: Device,
    /// For new items.
    pub first: Vec<TimedEngine>,
    /// On the GPU, when another device's items need it.
    pub suffix: Vec<TimedEngine>,
    /// Its items go on to the suffix.
    pub merges: bool,
}

/// What to do with an item that finds the stream full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// Do not accept it: the source waits.
    Wait,
    DropNewest,
    /// Drop the oldest item that is not being computed, for instance an outdated camera picture.
    DropOldest,
}

/// In which order answers are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Arrival,
    /// As soon as they are known.
    Completion,
}

/// Frozen when a stream starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRules {
    pub lanes: Vec<StreamLane>,
    /// Longest time from arrival to answer. Without it a free device takes at once what is waiting.
    pub bound: Option<Duration>,
    /// What handing over an answer takes: executions are launched earlier by this time.
    pub slack: Duration,
    /// Items that are waiting, computed, or answered and not taken.
    pub capacity: usize,
    pub overflow: Overflow,
    pub order: Order,
}

/// The bound is shorter than the fastest way through the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a latency of {bound:?} cannot be kept: a batch of {} takes {needed:?} on {device}, the fastest device, at best; ask for at least {needed:?}", counted(*batch, "row"))]
pub struct Infeasible {
    pub bound: Duration,
    pub device: Device,
    pub batch: usize,
    /// The nearest bound that can be kept, of an item that waits for nothing.
    pub needed: Duration,
}
