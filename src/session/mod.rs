//! A network ready to run at any batch: engines prepared per plan, one call per batch.

mod error;
mod input;
mod load;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use error::SessionError;
pub use load::default_search;

use crate::bundle::Bundle;
use crate::engine::{Array, Backend, EngineSpec, StageKind};
use crate::graph::{Graph, GraphError};
use crate::pipeline::{EngineKey, Job, Pipeline, Stats};
use crate::plan::{Device, Plan, Share};
use crate::split::{self, OutputSource, Stages};

/// How to run; the default fits most uses.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Devices to use, `None` for all that both the artifact and the backend have.
    pub devices: Option<Vec<Device>>,
    /// The plan for batches it adds up to, in place of the artifact's.
    pub plan: Option<Plan>,
    /// An execution that takes longer counts as hung.
    pub time_limit: Duration,
    /// Set it to end a run early.
    pub cancel: Arc<AtomicBool>,
}

impl Default for SessionConfig {
    fn default() -> SessionConfig {
        SessionConfig {
            devices: None,
            plan: None,
            time_limit: Duration::from_secs(60),
            cancel: Arc::default(),
        }
    }
}

/// The result of one batch.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The network's outputs, rows in the order of the input.
    pub outputs: Vec<Array>,
    pub plan: Plan,
    pub stats: Stats,
}

/// A network on a backend. Runs one batch at a time; share it behind an `Arc` to call it from several threads.
pub struct Session {
    graph: Graph,
    options: crate::bundle::Options,
    stages: Stages,
    backend: Arc<dyn Backend>,
    devices: Vec<Device>,
    plan: Option<Plan>,
    /// Why the network runs only at the batch it was compiled for.
    fixed: Option<GraphError>,
    pipeline: Mutex<Pipeline>,
}

impl Session {
    /// Cuts the network and starts a worker per device. No engine is built yet.
    ///
    /// # Errors
    /// [`SessionError`] when the network cannot be cut, or a device is asked for that artifact or backend lack.
    pub fn from_bundle(
        bundle: Bundle,
        backend: Arc<dyn Backend>,
        config: SessionConfig,
    ) -> Result<Session, SessionError> {
        let options = bundle.options;
        let mut stages = split::cut(&bundle.graph, &options.target, &options.gpu_only)?;
        let fixed = bundle.graph.with_batch(bundle.graph.batch() + 1).err();
        if fixed.is_some() {
            stages.prefix = None;
        }
        let available = available(&options.cores, &*backend, stages.prefix.is_some());
        let devices = chosen(config.devices, &available)?;
        if stages.suffix.is_some() && !devices.contains(&Device::Gpu) {
            return Err(SessionError::NoGpu);
        }
        let pipeline = Pipeline::new(&devices, config.time_limit, config.cancel);
        Ok(Session {
            graph: bundle.graph,
            options,
            stages,
            backend,
            devices,
            plan: config.plan.or(bundle.plan),
            fixed,
            pipeline: Mutex::new(pipeline),
        })
    }

    /// The network as compiled.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What it was compiled with.
    pub fn options(&self) -> &crate::bundle::Options {
        &self.options
    }

    /// Prefix, suffix and the verdict of every node.
    pub fn stages(&self) -> &Stages {
        &self.stages
    }

    /// What really computes.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Devices in use that still work, GPU first.
    pub fn devices(&self) -> Vec<Device> {
        self.pipeline().devices()
    }

    /// The plan that [`Session::run`] takes for `batch` rows: the configured one when it adds up to them, else an
    /// equal deal to all devices.
    pub fn plan_for(&self, batch: usize) -> Result<Plan, SessionError> {
        let plan = match &self.plan {
            Some(plan) if plan.total() == batch => plan.clone(),
            _ if self.fixed.is_some() || batch == 0 => uncut(batch),
            _ => Plan::balanced(batch, &self.devices()),
        };
        self.check(&plan, batch)?;
        Ok(plan)
    }

    /// Builds the engines that `plan` needs and that were not built before.
    ///
    /// # Errors
    /// [`SessionError`] when the plan does not fit, or the backend cannot build an engine.
    pub fn prepare(&self, plan: &Plan) -> Result<(), SessionError> {
        self.check(plan, plan.total())?;
        let mut pipeline = self.pipeline();
        for key in self.engines(plan) {
            if pipeline.has(&key) || !pipeline.devices().contains(&key.device) {
                continue;
            }
            let spec = EngineSpec {
                stage: key.stage,
                device: key.device,
                batch: key.batch,
            };
            let graph = self.stage(key.stage);
            let graph = match graph.batch() == key.batch {
                true => graph.clone(),
                false => graph.with_batch(key.batch)?,
            };
            pipeline.install(key, self.backend.build(&graph, &spec)?);
        }
        Ok(())
    }

    /// Runs one batch of any size by [`Session::plan_for`]. Engines it lacks are built first, outside the timing.
    ///
    /// # Errors
    /// [`SessionError`] for inputs of another number or shape, or when too many devices fail.
    pub fn run(&self, inputs: &[Array]) -> Result<Outcome, SessionError> {
        let batch = input::batch(&self.graph, inputs)?;
        self.run_with(&self.plan_for(batch)?, inputs)
    }

    /// Runs one batch by `plan`.
    ///
    /// # Errors
    /// As [`Session::run`], and when the plan does not fit the batch or the devices.
    pub fn run_with(&self, plan: &Plan, inputs: &[Array]) -> Result<Outcome, SessionError> {
        let batch = input::batch(&self.graph, inputs)?;
        self.check(plan, batch)?;
        self.prepare(plan)?;
        let first = self.first_stage(plan);
        let suffix = self.stages.suffix.as_ref();
        let suffix = suffix.filter(|_| first == StageKind::Prefix);
        let job = Job {
            plan,
            first,
            inputs,
            first_widths: widths(self.stage(first)),
            suffix: suffix.map(|graph| (&self.stages.suffix_inputs[..], widths(graph))),
        };
        let finished = self.pipeline().run(&job)?;
        let suffix: Vec<_> = finished.suffix.into_iter().map(Arc::new).collect();
        let outputs = (0..self.graph.outputs.len())
            .map(|index| {
                let data = match (first, self.stages.outputs[index]) {
                    (StageKind::Whole, _) => &finished.first[index],
                    (_, OutputSource::Prefix(i)) => &finished.first[i],
                    (_, OutputSource::Suffix(i)) => &suffix[i],
                };
                self.output(index, batch, data.clone())
            })
            .collect();
        Ok(Outcome {
            outputs,
            plan: plan.clone(),
            stats: finished.stats,
        })
    }

    fn output(&self, index: usize, batch: usize, data: Arc<Vec<f32>>) -> Array {
        let mut shape = self.graph.tensor(self.graph.outputs[index]).shape.clone();
        shape[0] = batch;
        Array { shape, data }
    }

    fn pipeline(&self) -> MutexGuard<'_, Pipeline> {
        self.pipeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, plan: &Plan, batch: usize) -> Result<(), SessionError> {
        if batch == 0 {
            return Err(SessionError::NoRows);
        }
        let compiled = self.graph.batch();
        match &self.fixed {
            Some(reason) if batch != compiled || *plan != uncut(batch) => {
                return Err(SessionError::FixedBatch {
                    batch,
                    compiled,
                    reason: reason.clone(),
                })
            }
            _ => plan.validate(batch, &self.devices)?,
        }
        self.check_dla(plan)
    }

    fn check_dla(&self, plan: &Plan) -> Result<(), SessionError> {
        let Some(prefix) = &self.stages.prefix else {
            return Ok(());
        };
        let target = &self.options.target;
        let elements = prefix.activation_bytes() as usize / 4 / prefix.batch();
        let row_bytes = elements * target.precision.bytes();
        for share in plan.prefix.iter().filter(|s| s.device != Device::Gpu) {
            if let Some(reason) = split::batch_limit(target, share.batch, row_bytes) {
                return Err(SessionError::DlaBatch {
                    device: share.device,
                    batch: share.batch,
                    reason,
                });
            }
        }
        Ok(())
    }

    /// Without a DLA in the plan, or without a prefix, the network runs uncut.
    fn first_stage(&self, plan: &Plan) -> StageKind {
        match self.stages.prefix.is_some() && !plan.gpu_alone() {
            true => StageKind::Prefix,
            false => StageKind::Whole,
        }
    }

    fn stage(&self, stage: StageKind) -> &Graph {
        let part = match stage {
            StageKind::Whole => None,
            StageKind::Prefix => self.stages.prefix.as_ref(),
            StageKind::Suffix => self.stages.suffix.as_ref(),
        };
        part.unwrap_or(&self.graph)
    }

    fn engines(&self, plan: &Plan) -> Vec<EngineKey> {
        let stage = self.first_stage(plan);
        let mut keys: Vec<EngineKey> = plan
            .prefix
            .iter()
            .map(|share| EngineKey {
                device: share.device,
                stage,
                batch: share.batch,
            })
            .collect();
        if stage == StageKind::Prefix && self.stages.suffix.is_some() {
            keys.push(EngineKey {
                device: Device::Gpu,
                stage: StageKind::Suffix,
                batch: plan.suffix_batch,
            });
        }
        keys
    }
}

fn available(cores: &[u8], backend: &dyn Backend, prefix: bool) -> Vec<Device> {
    let wanted = |device: &Device| match device {
        Device::Gpu => true,
        Device::Dla(core) => prefix && cores.contains(core),
    };
    let mut devices = backend.devices();
    devices.retain(wanted);
    devices.sort();
    devices
}

fn chosen(asked: Option<Vec<Device>>, available: &[Device]) -> Result<Vec<Device>, SessionError> {
    let Some(mut asked) = asked else {
        return Ok(available.to_vec());
    };
    asked.sort();
    asked.dedup();
    match asked.iter().find(|device| !available.contains(device)) {
        Some(device) => Err(SessionError::Device {
            device: *device,
            available: available.to_vec(),
        }),
        None if asked.is_empty() => Err(SessionError::NoGpu),
        None => Ok(asked),
    }
}

/// Every row at once on the GPU.
fn uncut(batch: usize) -> Plan {
    Plan {
        prefix: vec![Share {
            device: Device::Gpu,
            batch,
            rounds: 1,
        }],
        suffix_batch: batch.max(1),
    }
}

/// Elements per row of each output.
fn widths(graph: &Graph) -> Vec<usize> {
    let width = |shape: &[usize]| shape[1..].iter().product();
    let outputs = graph.outputs.iter();
    outputs.map(|id| width(&graph.tensor(*id).shape)).collect()
}
