//! What is said between the pipeline and its workers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::engine::{Engine, EngineError, Rows, StageKind};
use crate::graph::Graph;
use crate::plan::Device;
use crate::schedule::TaskId;

/// Names an engine on its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EngineKey {
    pub stage: StageKind,
    /// Rows per execution.
    pub batch: usize,
    /// The [`super::Route`] it is a stage of.
    pub route: u32,
    /// Tells apart engines of a kind.
    pub copy: usize,
}

impl EngineKey {
    /// The first engine of its kind, on the way with the longest prefix.
    pub fn new(stage: StageKind, batch: usize) -> EngineKey {
        EngineKey {
            stage,
            batch,
            route: 0,
            copy: 0,
        }
    }
}

/// Names an execution within the life of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pub run: u64,
    pub task: TaskId,
}

pub(super) enum Order {
    /// Use an engine that was built elsewhere.
    Adopt {
        key: EngineKey,
        engine: Box<dyn Engine>,
        reply: Sender<()>,
    },
    Build {
        key: EngineKey,
        graph: Arc<Graph>,
        reply: Sender<BuildReport>,
    },
    Run {
        ticket: Ticket,
        key: EngineKey,
        inputs: Vec<Rows>,
        /// Start it while another engine of this device computes.
        beside: bool,
    },
}

pub(super) struct BuildReport {
    pub device: Device,
    pub key: EngineKey,
    pub result: Result<(), EngineError>,
}

/// The answer to `Order::Run`.
pub(super) struct Report {
    pub device: Device,
    pub ticket: Ticket,
    pub key: EngineKey,
    pub end: End,
}

pub(super) enum End {
    Done {
        outputs: Vec<Vec<f32>>,
        started: Instant,
        /// From start to result of the execution.
        busy: Duration,
    },
    /// The engine is gone with it: its state is not known.
    Failed {
        message: String,
        /// It was a panic, not an error that an engine told.
        panicked: bool,
    },
    /// Its run had ended, or its device had failed in it.
    Skipped,
}
