//! What realises a stage on a device: [`Backend`] builds an [`Engine`] once, the engine then runs fixed batches.

pub mod cache;
mod check;
pub mod cpu;
mod host;
pub mod precision;
#[allow(unsafe_code)]
pub mod trt;

pub use host::HostBuffer;
pub use precision::{Numerics, Precision, RangeError, Ranges};

use std::sync::Arc;

use crate::graph::Graph;
use crate::plan::Device;

pub use crate::graph::Array;
pub use crate::plan::StageKind;

/// Elements `offset..offset + len` of a shared array: the rows one engine execution reads, uncopied.
#[derive(Debug, Clone)]
pub struct Rows {
    pub data: Arc<Vec<f32>>,
    pub offset: usize,
    pub len: usize,
}

/// All of an array.
impl From<&Array> for Rows {
    fn from(array: &Array) -> Rows {
        Rows {
            data: array.data.clone(),
            offset: 0,
            len: array.data.len(),
        }
    }
}

impl Rows {
    pub fn as_slice(&self) -> &[f32] {
        &self.data[self.offset..self.offset + self.len]
    }
}

/// What to build: one stage for one device at one fixed batch.
#[derive(Debug, Clone)]
pub struct EngineSpec {
    pub stage: StageKind,
    pub device: Device,
    pub batch: usize,
}

impl EngineSpec {
    /// The network uncut, at the batch that it has.
    pub fn whole(graph: &Graph, device: Device) -> EngineSpec {
        EngineSpec {
            stage: StageKind::Whole,
            device,
            batch: graph.batch(),
        }
    }

    /// A failure of this engine; `message` names the node where one is known.
    pub fn error(&self, message: String) -> EngineError {
        EngineError {
            stage: self.stage,
            device: self.device,
            message,
        }
    }
}

/// A stage that cannot be built or run; names the stage, the device and, where known, the node.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{stage:?} engine on {device}: {message}")]
pub struct EngineError {
    pub stage: StageKind,
    pub device: Device,
    pub message: String,
}

/// A family of devices.
pub trait Backend: Send + Sync {
    /// `cpu`, `tensorrt`: as `--backend` spells it.
    fn name(&self) -> &'static str;

    /// One line that says what really computes, e.g. "emulated on the CPU by ONNX Runtime 1.23.2, 1 thread per device".
    fn describe(&self) -> String;

    /// The devices this backend has, GPU first.
    fn devices(&self) -> Vec<Device>;

    /// Whether all devices are equally fast, so that an equal deal is the best before anything is measured.
    fn alike(&self) -> bool {
        false
    }

    /// Where the rates of `graph` are kept and what they depend on besides the network and the power mode; `None` where
    /// they mean nothing to another process.
    fn kept(&self, _graph: &Graph) -> Option<(cache::EngineCache, cache::RateKey)> {
        None
    }

    /// Kept by who builds several engines, until the last one is built: what they are built with is then loaded once.
    fn building(&self) -> Option<Box<dyn Send>> {
        None
    }

    /// Memory for `len` elements that the devices read from with the least detour; zeros.
    ///
    /// # Errors
    /// What the system says when it has no more of such memory.
    fn host_buffer(&self, len: usize) -> Result<HostBuffer, String> {
        Ok(HostBuffer::plain(Arc::new(vec![0.0; len])))
    }

    /// Builds `graph` (its activations already have `spec.batch` rows).
    fn build(&self, graph: &Graph, spec: &EngineSpec) -> Result<Box<dyn Engine>, EngineError>;
}

/// One stage on one device at one batch size. Buffers belong to the caller and travel by value. Executions end in the order
/// in which they were started.
pub trait Engine: Send {
    /// Rows per execution.
    fn batch(&self) -> usize;

    /// Executions that may be started before the first of them was waited for.
    fn depth(&self) -> usize {
        1
    }

    /// Starts one execution over exactly `batch()` rows per input and does not block longer than the device needs to accept it.
    fn enqueue(&mut self, inputs: Vec<Rows>) -> Result<(), EngineError>;

    /// Whether [`Engine::wait`] would return at once. An engine that cannot know says so too.
    fn is_done(&self) -> bool {
        true
    }

    /// Waits for the execution started first; one buffer per output, `batch()` rows each.
    fn wait(&mut self) -> Result<Vec<Vec<f32>>, EngineError>;
}

/// A backend whose engines show tensors while they compute, without the memory and the time to store them all.
pub trait Watching: Backend {
    /// Like [`Backend::build`], but `watcher` sees the outputs of `graph`, and `wait` gives none of them.
    fn build_watched(
        &self,
        graph: &Graph,
        spec: &EngineSpec,
        watcher: Arc<dyn Watcher>,
    ) -> Result<Box<dyn Engine>, EngineError>;
}

/// Sees the outputs of a network, each once per execution, in no particular order.
pub trait Watcher: Send + Sync {
    /// All `batch()` rows of an output, which is counted from 0. Must not panic.
    fn see(&self, output: usize, values: &[f32]);
}
