//! Engines from the cache, and into it.

use serde::Serialize;

use super::TrtBackend;
use super::engine::TrtEngine;
use super::error::TrtError;
use super::log::{self, Severity};
use super::options::BuildOptions;
use super::ports::Ports;
use crate::bundle::digest;
use crate::engine::cache::{CacheKey, EngineCache, Lookup, RateKey};
use crate::engine::{Engine, EngineError, EngineSpec, Numerics};
use crate::graph::Graph;

/// Where built engines are kept.
#[derive(Debug, Clone)]
pub struct Keep {
    pub cache: EngineCache,
    /// An engine that cannot be stored is an error, and not only a warning.
    pub required: bool,
}

/// All that decides how a stage is built.
#[derive(Serialize)]
struct Options<'a> {
    build: &'a BuildOptions,
    numerics: &'a Numerics,
}

impl TrtBackend {
    /// What the plan file of `graph` for `spec` is found by.
    pub fn key(&self, graph: &Graph, spec: &EngineSpec) -> CacheKey {
        let recipe = self.recipe();
        let options = Options {
            build: &recipe.options,
            numerics: &recipe.numerics,
        };
        CacheKey {
            network: graph.name.clone(),
            stage: spec.stage,
            digest: digest(graph),
            device: spec.device.into(),
            batch: spec.batch,
            precision: recipe.numerics.precision.to_string(),
            options: serde_json::to_string(&options).expect("options are plain data"),
            library: self.tensorrt().version().to_string(),
            gpu: self.gpu().name.clone(),
            compute_capability: self.gpu().compute_capability,
            program: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// What the rates of `graph` depend on; the session adds the network's digest and the power mode.
    pub(super) fn rate_key(&self, graph: &Graph) -> RateKey {
        let recipe = self.recipe();
        let options = Options {
            build: &recipe.options,
            numerics: &recipe.numerics,
        };
        RateKey {
            network: graph.name.clone(),
            digest: String::new(),
            precision: recipe.numerics.precision.to_string(),
            options: serde_json::to_string(&options).expect("options are plain data"),
            library: self.tensorrt().version().to_string(),
            gpu: self.gpu().name.clone(),
            compute_capability: self.gpu().compute_capability,
            power: String::new(),
            program: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// The engine that was kept, or a new one.
    pub(super) fn kept_or_built(
        &self,
        keep: &Keep,
        graph: &Graph,
        spec: &EngineSpec,
    ) -> Result<Box<dyn Engine>, EngineError> {
        let key = self.key(graph, spec);
        if let Some(engine) = self.kept(keep, &key, graph, spec)? {
            return Ok(engine);
        }
        let plan = self.plan(graph, spec)?;
        match keep.cache.store(&key, &plan.bytes) {
            Ok(_) => {}
            Err(error) if keep.required => return Err(spec.error(error.to_string())),
            Err(error) => log::take(Severity::Warning, &error.to_string()),
        }
        self.engine(graph, spec, &plan.bytes)
    }

    /// `None` when there is none, or one that cannot be used, which is said.
    fn kept(
        &self,
        keep: &Keep,
        key: &CacheKey,
        graph: &Graph,
        spec: &EngineSpec,
    ) -> Result<Option<Box<dyn Engine>>, EngineError> {
        let (path, reason) = match keep.cache.load(key) {
            Lookup::Absent => return Ok(None),
            Lookup::Unusable { path, reason } => (path, reason),
            Lookup::Hit(plan) => match self.loaded(graph, spec, &plan)? {
                Ok(engine) => return Ok(Some(Box::new(engine))),
                // The plan is not to blame, and building another one would end the same way.
                Err(error @ TrtError::Cuda { .. }) => return Err(spec.error(error.to_string())),
                Err(error) => (keep.cache.path(key), error.to_string()),
            },
        };
        let text = format!(
            "the {} engine on {} is built again, because {} cannot be used: {reason}",
            spec.stage,
            spec.device,
            path.display()
        );
        log::take(Severity::Warning, &text);
        Ok(None)
    }

    /// An engine of a plan, or why the plan gives none.
    pub(super) fn loaded(
        &self,
        graph: &Graph,
        spec: &EngineSpec,
        plan: &[u8],
    ) -> Result<Result<TrtEngine, TrtError>, EngineError> {
        self.check(graph, spec)?;
        let ports = Ports::of(graph, spec.device, &self.recipe().numerics);
        let ports = ports.map_err(|e| spec.error(e))?;
        let library = self.tensorrt().library();
        Ok(TrtEngine::new(library, &self.cuda, plan, ports, spec))
    }
}
