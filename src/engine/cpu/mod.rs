//! Every device emulated on the CPU: each engine is one ONNX Runtime session over one stage, in float32, FP16 or INT8.

mod engine;
mod library;
mod onnx;
#[cfg(test)]
pub mod tests;
mod watch;

pub use library::{LibraryError, SearchPaths, find_library};
pub use onnx::{ModelError, onnx_layers, onnx_model, onnx_model_as};

use std::path::PathBuf;
use std::sync::Arc;

use ort::operator::OperatorDomain;

use super::precision::{Numerics, Precision};
use super::{Backend, Engine, EngineError, EngineSpec, Watcher, Watching};
use crate::graph::Graph;
use crate::plan::{Device, counted};
use engine::CpuEngine;
use library::Library;

/// What to emulate, and with how much of the machine.
#[derive(Debug, Clone)]
pub struct CpuOptions {
    /// ONNX Runtime's shared library, see [`find_library`].
    pub library: PathBuf,
    /// Threads that one engine computes with; at least 1.
    pub threads_per_device: usize,
    /// The emulated devices, GPU first.
    pub devices: Vec<Device>,
}

/// The embedded default backend.
pub struct CpuBackend {
    library: &'static Library,
    threads: usize,
    devices: Vec<Device>,
    numerics: Numerics,
}

impl CpuBackend {
    /// Loads ONNX Runtime. A process has one ONNX Runtime: later backends have to name the same file.
    ///
    /// # Errors
    /// [`LibraryError`] when the file is missing, is no ONNX Runtime, is too old, or is another one than before.
    pub fn new(options: CpuOptions) -> Result<CpuBackend, LibraryError> {
        Ok(CpuBackend {
            library: library::load(&options.library)?,
            threads: options.threads_per_device.max(1),
            devices: options.devices,
            numerics: Numerics::default(),
        })
    }

    /// The same backend, with every device computing as `numerics` says instead of in float32.
    pub fn with_numerics(self, numerics: Numerics) -> CpuBackend {
        CpuBackend { numerics, ..self }
    }

    /// Idle threads may spin for work only where every device has cores of its own.
    fn may_spin(&self) -> bool {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        self.threads * self.devices.len() <= cores
    }
}

impl Backend for CpuBackend {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn describe(&self) -> String {
        format!(
            "emulated on the CPU by ONNX Runtime {}, {} thread{} per device, computed in {}",
            self.library.version,
            self.threads,
            if self.threads == 1 { "" } else { "s" },
            match self.numerics.precision {
                Precision::F32 => "float32",
                Precision::F16 => "fp16 (sums in float32)",
                Precision::Int8 => "int8 (what has no int8 layer in fp16)",
            }
        )
    }

    /// Every device is emulated by as many threads.
    fn alike(&self) -> bool {
        true
    }

    fn devices(&self) -> Vec<Device> {
        self.devices.clone()
    }

    fn build(&self, graph: &Graph, spec: &EngineSpec) -> Result<Box<dyn Engine>, EngineError> {
        self.check(graph, spec)?;
        let model = onnx_model_as(graph, &self.numerics);
        let model = model.map_err(|e| spec.error(e.to_string()))?;
        self.engine(&model, None, graph, spec)
    }
}

impl Watching for CpuBackend {
    fn build_watched(
        &self,
        graph: &Graph,
        spec: &EngineSpec,
        watcher: Arc<dyn Watcher>,
    ) -> Result<Box<dyn Engine>, EngineError> {
        self.check(graph, spec)?;
        let precision = self.numerics.precision;
        if precision != Precision::F32 {
            return Err(spec.error(format!("tensors are watched in float32, not in {precision}")));
        }
        let model = onnx::watched_model(graph).map_err(|e| spec.error(e.to_string()))?;
        let operators = watch::operators(watcher).map_err(|e| spec.error(e.to_string()))?;
        let silent = Graph {
            outputs: Vec::new(),
            ..graph.clone()
        };
        self.engine(&model, Some(operators), &silent, spec)
    }
}

impl CpuBackend {
    fn check(&self, graph: &Graph, spec: &EngineSpec) -> Result<(), EngineError> {
        if !self.devices.contains(&spec.device) {
            return Err(spec.error("this backend does not emulate the device".into()));
        }
        if graph.batch() != spec.batch {
            let rows = counted(graph.batch(), "row");
            return Err(spec.error(format!("the stage has {rows} instead of {}", spec.batch)));
        }
        Ok(())
    }

    fn engine(
        &self,
        model: &[u8],
        operators: Option<OperatorDomain>,
        graph: &Graph,
        spec: &EngineSpec,
    ) -> Result<Box<dyn Engine>, EngineError> {
        let session = self
            .library
            .session(model, operators, self.threads, self.may_spin())
            .map_err(|e| spec.error(format!("ONNX Runtime refuses the stage: {e}")))?;
        Ok(Box::new(CpuEngine::new(session, graph, spec.clone())))
    }
}
