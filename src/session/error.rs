//! Ways in which a session cannot start or run.

use crate::artifact::ArtifactError;
use crate::engine::cpu::LibraryError;
use crate::graph::GraphError;
use crate::pipeline::PipelineError;
use crate::plan::{Device, Plan, PlanError, counted};
use crate::schedule::Infeasible;
use crate::split::SplitError;

/// Names the input, plan or device, and what would be right.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Split(#[from] SplitError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    #[error("the plan {0} cuts early, but a stream cuts after the longest prefix: leave the cut out")]
    StreamCut(Plan),
    #[error("{0}")]
    Backend(String),
    #[error("there is no page-locked memory for the inputs of {}: {reason}", counted(*rows, "row"))]
    Memory { rows: usize, reason: String },
    #[error("there is no device to run on: the list of devices is empty")]
    NoDevice,
    #[error("part of this network runs on the GPU only: add gpu to the devices")]
    GpuNeeded,
    #[error("the plan {plan} uses a DLA, but this network runs on the GPU alone: {reason}")]
    GpuAlone { plan: Plan, reason: String },
    #[error("this {what} runs only in batches of {batch}, not as {asked}: {reason}")]
    FixedBatch {
        what: &'static str,
        batch: usize,
        asked: Plan,
        reason: String,
    },
    #[error("this network runs only in batches of {batch}, and a batch of {} is no multiple of that: {reason}", counted(*rows, "row"))]
    FixedRows {
        batch: usize,
        rows: usize,
        reason: String,
    },
    #[error(transparent)]
    Infeasible(#[from] Infeasible),
    #[error("no thread for a stream: {0}; lower the number of processes or raise the limit (ulimit -u)")]
    Thread(String),
    #[error("the plan gives {device} batches of {}: {reason}", counted(*batch, "row"))]
    DlaBatch {
        device: Device,
        batch: usize,
        reason: String,
    },
    #[error("the network has {} ({names}), but {got} were given", counted(*want, "input"))]
    InputCount { got: usize, want: usize, names: String },
    #[error("input `{name}` has the shape {got:?} but must be {}", shape(want))]
    InputShape {
        name: String,
        got: Vec<usize>,
        /// Dimensions after the batch.
        want: Vec<usize>,
    },
    #[error(
        "input `{name}` has the shape {got:?} but must be {}, as the model has it, or {}, as the network has it",
        self::shape(model.get(1..).unwrap_or_default()),
        self::shape(network.get(1..).unwrap_or_default())
    )]
    InputOrder {
        name: String,
        got: Vec<usize>,
        /// All dimensions, in the model's own order.
        model: Vec<usize>,
        network: Vec<usize>,
    },
    #[error(
        "input `{name}` has the shape {got:?} but must be {want:?}, or {} for N rows: it has no batch dimension",
        shape(want)
    )]
    InputWhole {
        name: String,
        got: Vec<usize>,
        want: Vec<usize>,
    },
    #[error("input `{name}` has {} (shape {shape:?}) but `{first}` has {want} (shape {first_shape:?}): all inputs need the same batch", counted(*got, "row"))]
    InputBatch {
        name: String,
        shape: Vec<usize>,
        got: usize,
        first: String,
        first_shape: Vec<usize>,
        want: usize,
    },
    #[error(
        "input `{name}` has no rows (shape {shape:?}, must be {}): give at least one",
        self::shape(want)
    )]
    EmptyBatch {
        name: String,
        shape: Vec<usize>,
        want: Vec<usize>,
    },
    #[error("input `{name}` has {got} elements, but its shape {shape:?} asks for another number")]
    InputData {
        name: String,
        shape: Vec<usize>,
        got: usize,
    },
}

/// `[N, 3, 224, 224]`: any batch, then these dimensions.
fn shape(row: &[usize]) -> String {
    let dims = row.iter().map(usize::to_string);
    let dims: Vec<String> = std::iter::once("N".to_string()).chain(dims).collect();
    format!("[{}]", dims.join(", "))
}
