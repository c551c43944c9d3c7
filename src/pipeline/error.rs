//! Ways in which a batch is not computed.

use crate::engine::{EngineError, StageKind};
use crate::plan::{Device, counted};

/// Names the device and what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PipelineError {
    #[error("no thread for {device}: {reason}; lower the number of processes or raise the limit (ulimit -u)")]
    Thread { device: Device, reason: String },
    #[error(transparent)]
    Build(#[from] EngineError),
    #[error("the {stage} engine of {} on {device} failed when its speed was measured: {reason}", counted(*batch, "row"))]
    Measure {
        stage: StageKind,
        batch: usize,
        device: Device,
        reason: String,
    },
    #[error("cancelled between two rounds; no output was written")]
    Cancelled,
    #[error("the suffix runs on the GPU only, and the gpu is lost: {reason}")]
    GpuLost { reason: String },
    #[error("no device is left to compute {}: {reason}", counted(*rows, "row"))]
    NoDeviceLeft { rows: usize, reason: String },
}
