//! A stage becomes a serialised engine. That needs TensorRT's library, but no GPU where TensorRT can do without one.

use std::fmt;
use std::path::Path;

use super::dla::{self, Answer, Disagreement};
use super::error::TrtError;
use super::find::LibraryPaths;
use super::handle::Owned;
use super::library::{self, Library};
use super::log::{self, Severity};
use super::monitor::Monitor;
use super::network::{Finished, Inferred, TrtNetwork, Typing};
use super::options::{BuildOptions, Progress, Timing};
use super::ports::Ports;
use super::sys;
use super::types::{self, Types};
use super::version::TrtVersion;
use crate::engine::{EngineError, EngineSpec, Numerics, Precision};
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

/// A serialised engine, and what its building showed.
#[derive(Clone)]
pub struct Plan {
    pub bytes: Vec<u8>,
    /// Layers that TensorRT was given, constants included.
    pub layers: usize,
    /// Tensors of the network whose shapes TensorRT inferred as we do.
    pub agreed: usize,
    /// Nodes of a DLA engine that run on the GPU, which happens only where fallback was asked for.
    pub on_gpu: Vec<Disagreement>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("bytes", &self.bytes.len())
            .field("layers", &self.layers)
            .field("agreed", &self.agreed)
            .field("on_gpu", &self.on_gpu)
            .finish()
    }
}

/// Objects in the order in which TensorRT wants them destroyed.
pub(super) struct Construction {
    pub config: Owned<sys::Config>,
    pub network: Owned<sys::Network>,
    pub builder: Owned<sys::Builder>,
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

    /// DLA cores that TensorRT sees: none on anything but a Jetson Xavier or Orin (but for Orin Nano).
    pub fn dla_cores(&self) -> Result<u8, TrtError> {
        let builder = self.builder()?;
        // SAFETY: the builder lives.
        let cores = unsafe { (self.0.table.builder_dla_cores)(builder.as_ptr()) };
        Ok(u8::try_from(cores).unwrap_or(0))
    }

    pub(super) fn typing(&self) -> Typing {
        match self.0.table.weak_types {
            0 => Typing::Strong,
            _ => Typing::Weak,
        }
    }

    fn builder(&self) -> Result<Owned<sys::Builder>, TrtError> {
        let destroy = self.0.table.builder_destroy;
        // SAFETY: entry and logger are those of the library that the table is for.
        Owned::new(self.0, "createInferBuilder", destroy, |table| unsafe {
            (table.builder_create)(self.0.builder_entry, self.0.logger.as_ptr())
        })
    }

    fn construction(&self) -> Result<Construction, TrtError> {
        let builder = self.builder()?;
        let strong = i32::from(self.typing() == Typing::Strong);
        let destroy = self.0.table.network_destroy;
        // SAFETY: the builder lives, and outlives both.
        let network = Owned::new(self.0, "createNetworkV2", destroy, |table| unsafe {
            (table.network_create)(builder.as_ptr(), strong)
        })?;
        let destroy = self.0.table.config_destroy;
        // SAFETY: as above.
        let config = Owned::new(self.0, "createBuilderConfig", destroy, |table| unsafe {
            (table.config_create)(builder.as_ptr())
        })?;
        Ok(Construction {
            config,
            network,
            builder,
        })
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
    ) -> Result<Plan, EngineError> {
        let fail = |message: String| spec.error(message);
        let trt = |error: TrtError| spec.error(error.to_string());
        let parts = self.construction().map_err(trt)?;
        self.check(spec, recipe, &parts.builder).map_err(fail)?;
        let ports = Ports::of(graph, spec.device, &recipe.numerics).map_err(fail)?;
        let prepared = types::prepared(graph, &recipe.numerics);
        let types =
            Types::of(&prepared, &recipe.numerics).map_err(|e| spec.error(e.to_string()))?;
        let lowered = self
            .lower(&prepared, &parts, &ports, &types)
            .map_err(fail)?;
        agree(&prepared, &lowered.inferred).map_err(fail)?;
        self.configure(spec, recipe, &parts).map_err(trt)?;
        let on_gpu = match spec.device {
            Device::Gpu => Vec::new(),
            Device::Dla(_) => self.place(graph, recipe, &parts, &lowered).map_err(fail)?,
        };
        let bytes = self.serialised(spec, recipe, &parts)?;
        Ok(Plan {
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
        let types =
            Types::of(&prepared, &recipe.numerics).map_err(|e| spec.error(e.to_string()))?;
        let lowered = self
            .lower(&prepared, &parts, &ports, &types)
            .map_err(fail)?;
        self.configure(spec, recipe, &parts).map_err(trt)?;
        let answers = dla::ask(self.0, &parts.config, &lowered.layers);
        Ok(dla::compare(graph, &recipe.target, &answers))
    }

    fn check(
        &self,
        spec: &EngineSpec,
        recipe: &Recipe,
        builder: &Owned<sys::Builder>,
    ) -> Result<(), String> {
        let Device::Dla(core) = spec.device else {
            return Ok(());
        };
        // SAFETY: the builder lives.
        let cores = unsafe { (self.0.table.builder_dla_cores)(builder.as_ptr()) };
        if i32::from(core) >= cores {
            return Err(format!("{} sees {cores} DLA cores here", self.0.version));
        }
        match (recipe.numerics.precision, self.typing()) {
            (Precision::F32, _) => Err("a DLA computes in fp16 or int8, not in fp32".into()),
            (Precision::Int8, Typing::Strong) => Err(format!(
                "a DLA takes int8 from ranges, which {} no longer has\nhelp: compile the network for fp16",
                self.0.version
            )),
            (Precision::F16, _) | (Precision::Int8, Typing::Weak) => Ok(()),
        }
    }

    fn lower(
        &self,
        graph: &Graph,
        parts: &Construction,
        ports: &Ports,
        types: &Types,
    ) -> Result<Finished, String> {
        let mut network = TrtNetwork::new(self.0, &parts.network, self.typing(), types, ports);
        lower(graph, &mut network).map_err(|e| e.to_string())?;
        network.finish().map_err(|e| e.to_string())
    }

    /// Makes sure of every layer's place before a long build: on the DLA, or on the GPU where that was asked for.
    fn place(
        &self,
        graph: &Graph,
        recipe: &Recipe,
        parts: &Construction,
        lowered: &Finished,
    ) -> Result<Vec<Disagreement>, String> {
        let answers = dla::ask(self.0, &parts.config, &lowered.layers);
        let refused: Vec<&Answer> = answers.iter().filter(|answer| !answer.runs).collect();
        let disagreements = dla::compare(graph, &recipe.target, &answers);
        let refused_by_both = refused.len() - disagreements.iter().filter(|d| !d.tensorrt).count();
        debug_assert_eq!(
            refused_by_both, 0,
            "split leaves nothing in a prefix that the table refuses"
        );
        if let Some(first) = disagreements.iter().find(|d| !d.tensorrt) {
            if !recipe.options.gpu_fallback {
                return Err(format!(
                    "{first}\nhelp: keep it off the DLA with the compiler's option gpu_only={}, or let it run on the GPU within this engine with --gpu-fallback",
                    first.node
                ));
            }
        }
        for layer in refused.iter().flat_map(|answer| &answer.refused) {
            // SAFETY: config and layer live.
            self.0
                .status("setDeviceType", |table| unsafe {
                    (table.config_layer_on_gpu)(parts.config.as_ptr(), *layer)
                })
                .map_err(|e| e.to_string())?;
        }
        for disagreement in &disagreements {
            log::take(Severity::Warning, &disagreement.to_string());
        }
        Ok(disagreements)
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
            Some(progress) => {
                Monitor::attach(self.0, &parts.config, spec, progress).map_err(trt)?
            }
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
fn agree(graph: &Graph, inferred: &[Inferred]) -> Result<(), String> {
    for Inferred { tensor, shape } in inferred {
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
