//! Why a batch cannot be run.

use crate::artifact::ArtifactError;
use crate::engine::cpu::LibraryError;
use crate::engine::EngineError;
use crate::graph::GraphError;
use crate::pipeline::PipelineError;
use crate::plan::{Device, PlanError};
use crate::split::{GpuReason, SplitError};

/// What is wrong with the artifact, the configuration, the inputs, or a device.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error(transparent)]
    Split(#[from] SplitError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("cannot build an engine: {0}")]
    Build(#[from] EngineError),
    #[error(transparent)]
    Run(#[from] PipelineError),
    #[error(
        "{device} is not available: this artifact and backend have {}",
        list(available)
    )]
    Device {
        device: Device,
        available: Vec<Device>,
    },
    #[error("the network has a suffix, which only the gpu runs: add gpu to the devices")]
    NoGpu,
    #[error(
        "{device} cannot run {batch} rows at once: {reason}; use a smaller batch and more rounds"
    )]
    DlaBatch {
        device: Device,
        batch: usize,
        reason: GpuReason,
    },
    #[error("{batch} rows are asked for, but the network runs only uncut on the gpu with the {compiled} it was compiled for: {reason}")]
    FixedBatch {
        batch: usize,
        compiled: usize,
        reason: GraphError,
    },
    #[error("the batch has no rows")]
    NoRows,
    #[error("{given} inputs are given, but the network takes {}: {}", names.len(), names.join(", "))]
    InputCount { given: usize, names: Vec<String> },
    #[error("input `{name}` has shape {given:?}, but the network takes {want} (any number of rows first)")]
    InputShape {
        name: String,
        given: Vec<usize>,
        want: String,
    },
    #[error("input `{name}` has {given} rows, the first input has {rows}")]
    InputRows {
        name: String,
        given: usize,
        rows: usize,
    },
    #[error("input `{name}` has {elements} elements, which its shape {shape:?} does not say")]
    InputData {
        name: String,
        elements: usize,
        shape: Vec<usize>,
    },
}

fn list(devices: &[Device]) -> String {
    let names: Vec<String> = devices.iter().map(Device::to_string).collect();
    names.join(", ")
}
