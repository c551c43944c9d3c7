//! A stage becomes a serialised engine. That needs TensorRT's library, but no GPU where TensorRT can do without one.

use std::fmt;
use std::path::Path;

use super::construction::Construction;
use super::dla::{self, Disagreement};
use super::error::TrtError;
use super::find::LibraryPaths;
use super::handle::Owned;
use super::library::{self, Library};
use super::monitor::Monitor;
use super::network::{InferredTensor, LoweredNetwork, TrtNetwork, Typing};
use super::options::{BuildOptions, Progress, Timing};
use super::ports::Ports;
use super::types::{self, Types};
use super::version::TrtVersion;
use crate::engine::{EngineError, EngineSpec, Numerics};
use crate::graph::Graph;
use crate::lower::lower;
use crate::plan::Device;
use crate::split::DlaTarget;

/// TensorRT as this process has loaded it.
#[derive(Clone, Copy)]
pub struct TensorRt(pub(super) &'static Library);

/// What to build besides the network.
#[derive(Clone)]
pub struct Recipe {
    pub numerics: Numerics,
    pub options: BuildOptions,
    /// Whose rules TensorRT's opinion of a layer is compared with.
    pub target: DlaTarget,
    pub progress: Option<Progress>,
}

impl Recipe {
    /// TensorRT's own defaults, and nobody hears of progress.
    pub fn new(numerics: Numerics, target: DlaTarget) -> Recipe {
        Recipe {
            numerics,
            options: BuildOptions::default(),
            target,
            progress: None,
        }
    }
}

/// A serialised engine, and what its building showed.
#[derive(Clone)]
pub struct SerializedEngine {
    pub bytes: Vec<u8>,
    /// Layers that TensorRT was given, constants included.
    pub layers: usize,
    /// Tensors of the network whose shapes TensorRT inferred as we do.
    pub agreed: usize,
    /// Nodes of a DLA engine that run on the GPU, which happens only where fallback was asked for.
    pub on_gpu: Vec<Disagreement>,
}

impl fmt::Debug for SerializedEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerializedEngine")
            .field("bytes", &self.bytes.len())
            .field("layers", &self.layers)
            .field("agreed", &self.agreed)
            .field("on_gpu", &self.on_gpu)
            .finish()
    }
}

impl TensorRt {
    /// The first TensorRT that `paths` lead to and that this build was compiled for.
    ///
    /// # Errors
    /// [`TrtError`]: no headers when this was built, no library, or one of another version.
    pub fn load(paths: &LibraryPaths) -> Result<TensorRt, TrtError> {
        Ok(TensorRt(library::load(paths)?))
    }

    pub fn version(&self) -> TrtVersion {
        self.0.version
    }

    /// The library's file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    pub(super) fn library(&self) -> &'static Library {
        self.0
    }

    pub(super) fn typing(&self) -> Typing {
        match self.0.table.weak_types {
            0 => Typing::Strong,
            _ => Typing::Weak,
        }
    }

    /// Builds `graph`, whose activations have `spec.batch` rows.
    ///
    /// # Errors
    /// What TensorRT refuses, with its own words and the node where it knows one; a layer that a DLA does not take, with
    /// TensorRT's reason and ours; a range that INT8 lacks; a cancelled build.
    pub fn build(
        &self,
        graph: &Graph,
        spec: &EngineSpec,
        recipe: &Recipe,
    ) -> Result<SerializedEngine, EngineError> {
        let fail = |message: String| spec.error(message);
        let trt = |error: TrtError| spec.error(error.to_string());
        let parts = self.construction().map_err(trt)?;
        self.check(spec, recipe, &parts.builder).map_err(fail)?;
        let ports = Ports::of(graph, spec.device, &recipe.numerics).map_err(fail)?;
        let prepared = types::prepared(graph, &recipe.numerics);
        let types = Types::of(&prepared, &recipe.numerics).map_err(|e| spec.error(e.to_string()))?;
        let on_dla = matches!(spec.device, Device::Dla(_));
        let lowered = self
            .lower(&prepared, &parts, &ports, &types, on_dla)
            .map_err(fail)?;
        agree(&prepared, &lowered.inferred).map_err(fail)?;
        self.configure(spec, recipe, &parts).map_err(trt)?;
        let on_gpu = match spec.device {
            Device::Gpu => Vec::new(),
            Device::Dla(_) => self.place(graph, recipe, &parts, &lowered).map_err(fail)?,
        };
        let bytes = self.serialised(spec, recipe, &parts)?;
        Ok(SerializedEngine {
            bytes,
            layers: lowered.layers.len(),
            agreed: lowered.inferred.len(),
            on_gpu,
        })
    }

    /// TensorRT's opinion of every node of `graph`, where it differs from the rule table's. Builds no engine.
    ///
    /// # Errors
    /// As [`TensorRt::build`].
    pub fn disagreements(
        &self,
        graph: &Graph,
        spec: &EngineSpec,
        recipe: &Recipe,
    ) -> Result<Vec<Disagreement>, EngineError> {
        let fail = |message: String| spec.error(message);
        let trt = |error: TrtError| spec.error(error.to_string());
        let parts = self.construction().map_err(trt)?;
        self.check(spec, recipe, &parts.builder).map_err(fail)?;
        // The whole network, whose ends a DLA need not take.
        let ports = Ports::of(graph, Device::Gpu, &recipe.numerics).map_err(fail)?;
        let prepared = types::prepared(graph, &recipe.numerics);
        let types = Types::of(&prepared, &recipe.numerics).map_err(|e| spec.error(e.to_string()))?;
        let lowered = self
            .lower(&prepared, &parts, &ports, &types, true)
            .map_err(fail)?;
        self.configure(spec, recipe, &parts).map_err(trt)?;
        let answers = dla::ask(self.0, &parts.config, &lowered.layers);
        Ok(dla::compare(graph, &recipe.target, &answers))
    }

    fn lower(
        &self,
        graph: &Graph,
        parts: &Construction,
        ports: &Ports,
        types: &Types,
        on_dla: bool,
    ) -> Result<LoweredNetwork, String> {
        let typing = self.typing();
        let mut network = TrtNetwork::new(self.0, &parts.network, typing, types, ports, on_dla);
        lower(graph, &mut network).map_err(|e| e.to_string())?;
        network.finish().map_err(|e| e.to_string())
    }

    fn serialised(
        &self,
        spec: &EngineSpec,
        recipe: &Recipe,
        parts: &Construction,
    ) -> Result<Vec<u8>, EngineError> {
        let trt = |error: TrtError| spec.error(error.to_string());
        let cache = match &recipe.options.timing {
            Timing::File(path) => Some((self.timing_cache(parts, path).map_err(trt)?, path)),
            Timing::OneBuild | Timing::Off => None,
        };
        let monitor = match &recipe.progress {
            Some(progress) => Monitor::attach(self.0, &parts.config, spec, progress).map_err(trt)?,
            None => None,
        };
        let destroy = self.0.table.memory_destroy;
        // SAFETY: all three live, and the constants that the network reads are the graph's or `lowered`'s.
        let built = Owned::new(self.0, "buildSerializedNetwork", destroy, |table| unsafe {
            (table.build)(
                parts.builder.as_ptr(),
                parts.network.as_ptr(),
                parts.config.as_ptr(),
            )
        });
        if monitor.as_ref().is_some_and(Monitor::cancelled) {
            return Err(spec.error("the build was cancelled".into()));
        }
        let bytes = self.bytes(&built.map_err(trt)?);
        if let Some((cache, path)) = &cache {
            self.keep_times(cache, path)
                .map_err(|e| spec.error(format!("the timing cache {}: {e}", path.display())))?;
        }
        Ok(bytes)
    }
}

/// TensorRT infers shapes too: where it gets another one, a layer does not mean what we think it does.
fn agree(graph: &Graph, inferred: &[InferredTensor]) -> Result<(), String> {
    for InferredTensor { tensor, shape } in inferred {
        let ours = graph.tensors.iter().filter(|t| t.name == *tensor);
        let mut ours = ours.map(|t| &t.shape).peekable();
        let first = ours.peek().map(|shape| shape.to_vec());
        if !ours.any(|known| known == shape) {
            return Err(format!(
                "TensorRT makes `{tensor}` {shape:?}, and the network has {:?}",
                first.unwrap_or_default()
            ));
        }
    }
    Ok(())
}
