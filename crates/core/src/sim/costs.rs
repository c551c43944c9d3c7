//! What a simulation has to be told.

use crate::plan::{Device, StageKind};

/// One execution of one engine with the board to itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExecutionCost {
    /// Microseconds from start to result, without `submit_us`.
    pub alone_us: f64,
    /// Microseconds in which the device is given the work; its engine computes nothing and reads no memory.
    pub submit_us: f64,
    /// DRAM traffic in bytes.
    pub bytes: u64,
}

impl ExecutionCost {
    /// Nothing but this time on the device, in microseconds.
    pub fn time(alone_us: f64) -> ExecutionCost {
        ExecutionCost {
            alone_us,
            submit_us: 0.0,
            bytes: 0,
        }
    }

    /// `count` executions, one after the other.
    #[must_use]
    pub fn times(self, count: usize) -> ExecutionCost {
        ExecutionCost {
            alone_us: self.alone_us * count as f64,
            submit_us: self.submit_us * count as f64,
            bytes: self.bytes * count as u64,
        }
    }

    /// DRAM bandwidth it takes when alone, in GB/s.
    pub fn demand(&self) -> f64 {
        if self.alone_us > 0.0 {
            self.bytes as f64 / self.alone_us / 1e3
        } else {
            0.0
        }
    }
}

/// An engine that computes while others do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    pub device: Device,
    /// Of its execution.
    pub rows: usize,
    /// DRAM bandwidth it takes when alone, in GB/s.
    pub demand: f64,
}

/// What the runtime adds, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HostCosts {
    /// Before the first execution of a run.
    pub run_us: f64,
    /// Between the last prefix row and the suffix.
    pub merge_us: f64,
}

/// The predicted costs of one network on one board.
pub trait Costs {
    /// One execution of `stage` on `device` with `batch` rows.
    ///
    /// # Errors
    /// Why this stage cannot run there.
    fn execution(&self, stage: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String>;

    /// How many times longer each of these engines takes while all of them run. Each factor is at least 1. Unless a
    /// model says otherwise, engines side by side cost each other nothing.
    fn slow_down(&self, loads: &[Load]) -> Vec<f64> {
        vec![1.0; loads.len()]
    }

    /// What the DRAM delivers at most, in GB/s, where it is known.
    fn bandwidth(&self) -> Option<f64> {
        None
    }

    /// What the runtime adds to a run with (`shared`) or without a merge of several devices' rows; nothing unless a model says
    /// otherwise.
    fn host(&self, _shared: bool) -> HostCosts {
        HostCosts::default()
    }
}
