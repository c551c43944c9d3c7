//! Ways in which a run cannot be simulated.

use crate::plan::{Device, StageKind, counted};
use crate::schedule::Infeasible;

/// Names the stage, the device and the batch.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SimError {
    #[error("the {stage} stage with {} has no predicted time on {device}: {reason}", counted(*batch, "row"))]
    NoCost {
        stage: StageKind,
        device: Device,
        batch: usize,
        reason: String,
    },
    #[error("the model predicts {value} microseconds for the {stage} stage with {} on {device}: check the board file and the constants", counted(*batch, "row"))]
    Cost {
        stage: StageKind,
        device: Device,
        batch: usize,
        value: f64,
    },
    #[error(
        "the model slows {device} down by a factor of {factor}, which must be at least 1: check the board file's bandwidths"
    )]
    SlowDown { device: Device, factor: f64 },
    #[error("jitter {0} is outside 0 to 0.9: give for example 0.05 for times that vary by up to 5 %")]
    Jitter(f64),
    #[error(transparent)]
    Infeasible(#[from] Infeasible),
    #[error("this network runs only in batches of {unit}, and a batch of {} is no multiple of that: its rows cannot be proved apart", counted(*rows, "row"))]
    Units { unit: usize, rows: usize },
    #[error("the plan deals no row that could run: check it with `tvm-dla plan`")]
    NoProgress,
}
