//! A board's GPU and DLA cores through TensorRT, which is loaded when it is asked for and never linked.

mod build;
mod builders;
mod codes;
mod configure;
mod constants;
mod construction;
mod cuda;
mod dla;
mod ends;
mod engine;
mod error;
mod find;
mod handle;
mod kept;
mod layers;
mod layout;
mod library;
mod log;
mod monitor;
mod network;
mod options;
mod parts;
mod ports;
mod precision;
mod slot;
mod spread;
mod sys;
#[cfg(test)]
pub(super) mod tests;
mod timing;
mod types;
mod version;

pub use build::{Recipe, SerializedEngine, TensorRt};
pub use builders::Building;
pub use cuda::{Cuda, Gpu};
pub use dla::Disagreement;
pub use error::TrtError;
pub use find::LibraryPaths;
pub use kept::Keep;
pub use library::built_for;
pub use log::{Listener, Severity, listen};
pub use options::{BuildOptions, DlaMemory, PhaseEvent, Progress, Step, Timing};
pub use version::{Product, TrtVersion};

use std::sync::Arc;

use super::cache::{EngineCache, RateKey};
use super::{Backend, Engine, EngineError, EngineSpec, HostBuffer};
use crate::graph::Graph;
use crate::plan::{Device, counted};

/// Which libraries, and how engines are built with them.
#[derive(Clone)]
pub struct TrtOptions {
    pub tensorrt: LibraryPaths,
    pub cuda: LibraryPaths,
    pub recipe: Recipe,
}

/// The devices of this machine, for real.
pub struct TrtBackend {
    tensorrt: TensorRt,
    cuda: Cuda,
    cores: u8,
    recipe: Recipe,
    keep: Option<Keep>,
}

impl TrtBackend {
    /// Loads TensorRT and the CUDA runtime.
    ///
    /// # Errors
    /// [`TrtError`]: what is missing, what is another version than this build's headers, or that there is no GPU.
    pub fn new(options: TrtOptions) -> Result<TrtBackend, TrtError> {
        let tensorrt = TensorRt::load(&options.tensorrt)?;
        let cuda = Cuda::load(&options.cuda)?;
        Ok(TrtBackend {
            cores: tensorrt.dla_cores()?,
            tensorrt,
            cuda,
            recipe: options.recipe,
            keep: None,
        })
    }

    /// Takes engines from a cache, and puts new ones into it.
    pub fn keeping(self, keep: Keep) -> TrtBackend {
        TrtBackend {
            keep: Some(keep),
            ..self
        }
    }

    pub fn tensorrt(&self) -> TensorRt {
        self.tensorrt
    }

    pub fn gpu(&self) -> &Gpu {
        self.cuda.gpu()
    }

    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Builds `graph`'s plan for `spec`; the slow part.
    ///
    /// # Errors
    /// As [`TensorRt::build`].
    pub fn plan(&self, graph: &Graph, spec: &EngineSpec) -> Result<SerializedEngine, EngineError> {
        self.check(graph, spec)?;
        let bound = self.cuda.bind();
        bound.map_err(|e| spec.error(e.to_string()))?;
        self.tensorrt.build(graph, spec, &self.recipe)
    }

    /// An engine from `graph`'s plan for `spec`.
    ///
    /// # Errors
    /// What TensorRT says about a damaged or foreign plan; what CUDA says when memory runs out.
    pub fn engine(
        &self,
        graph: &Graph,
        spec: &EngineSpec,
        plan: &[u8],
    ) -> Result<Box<dyn Engine>, EngineError> {
        let engine = self.loaded(graph, spec, plan)?;
        Ok(Box::new(engine.map_err(|e| spec.error(e.to_string()))?))
    }

    fn check(&self, graph: &Graph, spec: &EngineSpec) -> Result<(), EngineError> {
        if !self.devices().contains(&spec.device) {
            return Err(spec.error(format!("this board has {}", counted(self.cores, "DLA core"))));
        }
        if graph.batch() == spec.batch {
            Ok(())
        } else {
            Err(spec.error(format!(
                "the stage has {} instead of {}",
                counted(graph.batch(), "row"),
                spec.batch
            )))
        }
    }
}

impl Backend for TrtBackend {
    fn name(&self) -> &'static str {
        "tensorrt"
    }

    fn describe(&self) -> String {
        let Gpu {
            name,
            compute_capability: (major, minor),
            ..
        } = self.gpu();
        format!(
            "{name} (compute capability {major}.{minor}) with {} DLA cores, {}, computed in {}",
            self.cores,
            self.tensorrt.version(),
            self.recipe.numerics.precision
        )
    }

    fn devices(&self) -> Vec<Device> {
        let cores = (0..self.cores).map(Device::Dla);
        std::iter::once(Device::Gpu).chain(cores).collect()
    }

    fn building(&self) -> Option<Box<dyn Send>> {
        Some(Box::new(self.tensorrt.building()))
    }

    fn host_buffer(&self, len: usize) -> Result<HostBuffer, String> {
        let data = Arc::new(vec![0.0; len]);
        if len == 0 || self.gpu().integrated {
            return Ok(HostBuffer::plain(data));
        }
        // SAFETY: the buffer keeps the vector, whose length never changes, longer than the lock.
        let lock = unsafe { cuda::PageLock::new(&self.cuda, &data) }.map_err(|e| e.to_string())?;
        Ok(HostBuffer::locked(data, Box::new(lock)))
    }

    fn kept(&self, graph: &Graph) -> Option<(EngineCache, RateKey)> {
        Some((self.keep.as_ref()?.cache.clone(), self.rate_key(graph)))
    }

    fn build(&self, graph: &Graph, spec: &EngineSpec) -> Result<Box<dyn Engine>, EngineError> {
        if let Some(keep) = &self.keep {
            return self.kept_or_built(keep, graph, spec);
        }
        let plan = self.plan(graph, spec)?;
        self.engine(graph, spec, &plan.bytes)
    }
}
