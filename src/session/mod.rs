//! A loaded network ready to run batches of any size: bundle, backend, devices and engines in one value.
//!
//! No engine is built inside a measured run: [`Session::run`] first builds what its plan lacks, then starts the clock.

mod batches;
mod buffers;
mod config;
mod deal;
mod ends;
mod error;
mod grow;
mod grown;
mod inputs;
mod keep;
mod known;
mod learn;
mod load;
mod measure;
mod planning;
mod rows;
mod stream;
#[cfg(test)]
mod tests;
mod way;

pub use batches::BatchOrigin;
pub use buffers::Buffers;
pub use config::{Place, SessionConfig};
pub use ends::End;
pub use error::SessionError;
pub use inputs::arrange;
pub use learn::Adapt;
use learn::Learning;
pub use load::default_search;
pub use planning::{ChosenPlan, PlanOrigin};
pub use stream::{SessionStream, StreamConfig, StreamHandle, StreamWatch};
use way::{Cuts, Way};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::artifact::Around;
use crate::bundle::{Bundle, Options, Origin};
use crate::engine::{Array, Backend, EngineSpec, StageKind};
use crate::graph::Graph;
use crate::pipeline::{EngineKey, Job, Pipeline, Stats, WantedEngine};
use crate::plan::{Device, Plan, counted};
use crate::split::{Stages, cut};

/// A network on its devices. Callers on several threads take turns.
pub struct Session {
    graph: Arc<Graph>,
    options: Options,
    recorded: Option<Plan>,
    origin: Option<Origin>,
    /// What the model has around this network.
    around: Option<Around>,
    stages: Stages,
    /// For plans of the GPU alone.
    alone: Arc<Way>,
    /// For plans with a DLA; `Err` says why there is none.
    shared: Result<Arc<Way>, String>,
    /// For plans with a cut of their own.
    cuts: Mutex<Cuts>,
    /// What batches have shown; `None` where there is only one plan.
    learning: Option<Learning>,
    /// Why the network runs only in executions as compiled.
    fixed: Option<String>,
    /// What was not as it should be when it was loaded.
    remarks: Vec<String>,
    devices: Vec<Device>,
    config: SessionConfig,
    backend: Arc<dyn Backend>,
    pipeline: Mutex<Pipeline>,
}

/// What a run gave.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// In the order of the model's outputs; rows in the order of the inputs.
    pub outputs: Vec<Array>,
    pub plan: Plan,
    pub origin: PlanOrigin,
    pub stats: Stats,
}

impl Session {
    /// Cuts the network and starts one worker per device. Engines are built by [`Session::prepare`] or the first run.
    ///
    /// # Errors
    /// [`SessionError`] when the network cannot be cut as its options ask, a device or the configured plan is not
    /// possible here, or a thread cannot be started.
    pub fn from_bundle(
        bundle: Bundle,
        backend: Arc<dyn Backend>,
        config: SessionConfig,
    ) -> Result<Session, SessionError> {
        let Bundle {
            graph,
            options,
            plan,
            origin,
            kept: _,
        } = bundle;
        let stages = cut(&graph, &options.target, &options.gpu_only)?;
        let fixed = graph.apart().err().map(|error| error.to_string());
        let graph = Arc::new(graph);
        let shared = Way::shared(&graph, &stages, 0).map(Arc::new);
        let shared = shared.ok_or_else(|| "no part of it can run on a DLA".to_string());
        let alone = match (&shared, &stages.suffix) {
            (Ok(way), None) => way.clone(),
            _ => Arc::new(Way::whole(&graph)),
        };
        let needs_gpu = shared.is_err() || stages.suffix.is_some();
        let devices = config.devices(&options.cores, &*backend, needs_gpu)?;
        let learning = Learning::new(&graph, &options, &stages, &backend, &devices, &config);
        let (limit, cancel) = (config.time_limit, config.cancel.clone());
        let session = Session {
            graph,
            options,
            recorded: plan,
            origin,
            around: None,
            stages,
            alone,
            shared,
            cuts: Mutex::default(),
            learning,
            fixed,
            remarks: Vec::new(),
            config,
            pipeline: Mutex::new(Pipeline::new(backend.clone(), &devices, limit, cancel)?),
            backend,
            devices,
        };
        if let Some(plan) = &session.config.plan {
            session.check_plan(plan)?;
        }
        Ok(session)
    }

    /// Builds the engines `plan` needs and this session lacks.
    ///
    /// # Errors
    /// A plan that is not possible here, or an engine that cannot be built.
    pub fn prepare(&self, plan: &Plan) -> Result<(), SessionError> {
        self.check_plan(plan)?;
        self.build(&mut self.pipeline(), plan)
    }

    /// The engines that `plan` needs, in the order in which [`Session::prepare_each`] builds them.
    ///
    /// # Errors
    /// A plan that is not possible here.
    pub fn engines(&self, plan: &Plan) -> Result<Vec<EngineSpec>, SessionError> {
        self.check_plan(plan)?;
        let engines = engines(plan, &*self.way(plan)?);
        Ok(engines.into_iter().map(|(d, key)| spec(d, key)).collect())
    }

    /// [`Session::prepare`] with one engine after another: TensorRT measures kernels while it builds, so nothing else
    /// should run then. Every engine that this session lacks is passed to `began` before it is built, and to `ended` with
    /// the time it took.
    ///
    /// # Errors
    /// As [`Session::prepare`]; engines built before the error stay.
    pub fn prepare_each(
        &self,
        plan: &Plan,
        mut began: impl FnMut(&EngineSpec),
        mut ended: impl FnMut(&EngineSpec, Duration),
    ) -> Result<(), SessionError> {
        self.check_plan(plan)?;
        let way = self.way(plan)?;
        let _building = self.backend.building();
        for (device, key) in engines(plan, &way) {
            if self.pipeline().has(device, key) {
                continue;
            }
            let spec = spec(device, key);
            began(&spec);
            let start = Instant::now();
            self.build_engines(&mut self.pipeline(), &way, [(device, key)].into_iter())?;
            ended(&spec, start.elapsed());
        }
        Ok(())
    }

    /// Computes a batch of any size with the plan of [`Session::plan_for`]. Missing engines are built before the
    /// measured time begins.
    ///
    /// An input that has the shape of [`Session::inputs`] is in the model's own order of axes; one that only has the shape
    /// that the network of [`Session::graph`] has is taken as that. Outputs are in the model's order.
    ///
    /// # Errors
    /// Wrong inputs (naming the input and both shapes), a plan that does not fit, an engine that cannot be built, the
    /// loss of every device that could go on, or cancellation.
    pub fn run(&self, inputs: &[Array]) -> Result<Outcome, SessionError> {
        self.through(inputs, |inputs| {
            let (batch, inputs) = inputs::check(&self.graph, self.origin(), inputs)?;
            self.run_learning(&mut self.pipeline(), batch, &inputs)
        })
    }

    /// [`Session::run`] with this plan.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_with(&self, plan: &Plan, inputs: &[Array]) -> Result<Outcome, SessionError> {
        self.through(inputs, |inputs| {
            let (batch, inputs) = inputs::check(&self.graph, self.origin(), inputs)?;
            plan.validate(batch, &self.devices)?;
            self.check_plan(plan)?;
            self.compute(&mut self.pipeline(), plan, PlanOrigin::Asked, &inputs)
        })
    }

    /// The network as compiled.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What the model declares where that differs from the network.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Prefix and suffix, with the verdict on every node.
    pub fn stages(&self) -> &Stages {
        &self.stages
    }

    /// What really computes.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// The devices this session uses, GPU first; one that has hung is no longer among them.
    pub fn devices(&self) -> Vec<Device> {
        self.without(&self.pipeline().hung())
    }

    /// Why the network runs on the GPU alone; `None` when DLAs can take part.
    pub fn gpu_alone_because(&self) -> Option<&str> {
        self.shared.as_ref().err().map(String::as_str)
    }

    /// What computes where, in a few lines.
    pub fn describe(&self) -> String {
        let names: Vec<String> = self.devices.iter().map(Device::to_string).collect();
        let nodes = |graph: &Option<Graph>| counted(graph.as_ref().map_or(0, |g| g.nodes.len()), "node");
        let stages = match &self.shared {
            Ok(_) => format!(
                "prefix of {} on {}, suffix of {} on the gpu",
                nodes(&self.stages.prefix),
                names.join(", "),
                nodes(&self.stages.suffix)
            ),
            Err(reason) => format!("gpu alone: {reason}"),
        };
        let batch = match (&self.fixed, self.alone.unit) {
            (Some(_), 1) => "any batch, row by row".to_string(),
            (Some(_), unit) => format!("batch {unit} only, once or several times"),
            (None, _) => "any batch".to_string(),
        };
        format!(
            "network {}: {}, {batch}\nstages: {stages}\ndevices: {}",
            self.graph.name,
            counted(self.graph.nodes.len(), "node"),
            self.backend.describe()
        )
    }

    fn without(&self, hung: &[Device]) -> Vec<Device> {
        let devices = self.devices.iter().copied();
        devices.filter(|device| !hung.contains(device)).collect()
    }

    fn compute(
        &self,
        pipeline: &mut Pipeline,
        plan: &Plan,
        origin: PlanOrigin,
        inputs: &[Array],
    ) -> Result<Outcome, SessionError> {
        self.build(pipeline, plan)?;
        let way = self.way(plan)?;
        let route = &way.route;
        let (outputs, stats) = pipeline.run(&Job { plan, route, inputs })?;
        Ok(Outcome {
            outputs: inputs::returned(self.origin(), outputs),
            plan: plan.clone(),
            origin,
            stats,
        })
    }

    fn build(&self, pipeline: &mut Pipeline, plan: &Plan) -> Result<(), SessionError> {
        let way = self.way(plan)?;
        let engines = engines(plan, &way);
        self.build_engines(pipeline, &way, engines.into_iter())
    }

    /// Builds those of these engines on `way` that this session lacks.
    fn build_engines(
        &self,
        pipeline: &mut Pipeline,
        way: &Way,
        engines: impl Iterator<Item = (Device, EngineKey)>,
    ) -> Result<(), SessionError> {
        let mut wanted = Vec::new();
        for (device, key) in engines {
            if !pipeline.has(device, key) {
                let graph = self.stage(way, key)?;
                wanted.push(WantedEngine { device, key, graph });
            }
        }
        if !wanted.is_empty() {
            let (count, start) = (wanted.len(), Instant::now());
            let _building = self.backend.building();
            pipeline.build(wanted)?;
            let each = start.elapsed().as_secs_f64() * 1e6 / count as f64;
            let learning = self.learning.iter();
            learning.for_each(|learning| learning.planner().built(each));
        }
        Ok(())
    }

    /// A panic elsewhere leaves the pipeline usable: its workers guard themselves.
    fn pipeline(&self) -> MutexGuard<'_, Pipeline> {
        self.pipeline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engines of a plan, each with its device, in the order in which they are built.
fn engines(plan: &Plan, way: &Way) -> Vec<(Device, EngineKey)> {
    let route = &way.route;
    let key = |stage, batch| EngineKey {
        route: route.id,
        ..EngineKey::new(stage, batch)
    };
    let first = plan.prefix.iter();
    let first = first.map(|s| (s.device, key(route.first, s.batch)));
    let suffix = (Device::Gpu, key(StageKind::Suffix, plan.suffix_batch));
    let suffix = route.suffix.iter().map(|_| suffix);
    let kinds = first.chain(suffix);
    let copies = kinds
        .flat_map(|(device, key)| (0..plan.engines).map(move |copy| (device, EngineKey { copy, ..key })));
    copies.collect()
}

fn spec(device: Device, key: EngineKey) -> EngineSpec {
    EngineSpec {
        stage: key.stage,
        device,
        batch: key.batch,
    }
}
