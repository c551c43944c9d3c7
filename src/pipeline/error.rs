//! Why a run was not completed.

use crate::plan::Device;

/// A run that gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PipelineError {
    #[error("the suffix runs on the gpu only, and the gpu is lost: {0}")]
    SuffixNeedsGpu(String),
    #[error("no device is left for {rows} rows: {reasons}")]
    NoDeviceLeft { rows: usize, reasons: String },
    #[error("{device} gave a result of {got} elements where {want} were expected")]
    Result {
        device: Device,
        got: usize,
        want: usize,
    },
    #[error("the run was cancelled")]
    Cancelled,
}
