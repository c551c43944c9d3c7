//! What a session learns from its batches, and from where it goes on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::grow::Grower;
use super::keep::Keeper;
use super::{ChosenPlan, Outcome, PlanOrigin, Session, SessionConfig, SessionError};
use crate::bundle::Options;
use crate::engine::{Array, Backend, StageKind};
use crate::graph::Graph;
use crate::pipeline::{EngineKey, Pipeline, Stats};
use crate::plan::Device;
use crate::planner::{BatchRun, Forecast, Kind, Planner, Terms};
use crate::split::{DlaTarget, Stages};
use crate::trace::{Span, Track, Work};
use crate::tune::Sites;

/// Whether plans follow what batches take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adapt {
    /// Every plan but one that was asked for.
    #[default]
    Unasked,
    /// That one too, with the engines that it has.
    Always,
    Never,
}

/// The planner of a session with what it needs to act.
pub(super) struct Learning {
    planner: Mutex<Planner>,
    grower: Mutex<Grower>,
    keeper: Option<Keeper>,
    /// The plan that was made for a batch size, before any batch of it.
    made: Mutex<HashMap<usize, ChosenPlan>>,
}

impl Learning {
    /// `None` for a network that runs only in its own batch, or without a GPU.
    pub fn new(
        graph: &Graph,
        options: &Options,
        stages: &Stages,
        backend: &Arc<dyn Backend>,
        devices: &[Device],
        config: &SessionConfig,
    ) -> Option<Learning> {
        let gpu = devices.first() == Some(&Device::Gpu);
        graph.apart().ok().filter(|()| gpu)?;
        let element = options.target.precision.bytes();
        let sites = Sites::of(graph, options, element, false).ok()?;
        let terms = Terms::new(sites, devices, config.memory, backend.alike());
        let forecast = config.place.as_ref().map(|place| {
            let target = DlaTarget {
                precision: place.dla,
                ..options.target
            };
            let machine = place.machine.clone();
            let dlas = &terms.dlas;
            Arc::new(Forecast::new(graph, stages, machine, &target, place.gpu, dlas))
        });
        let mut planner = Planner::new(terms, forecast);
        let keeper = Keeper::of(&**backend, graph, config);
        keeper.iter().for_each(|keeper| keeper.load(&mut planner.rates));
        Some(Learning {
            planner: Mutex::new(planner),
            grower: Mutex::new(Grower::new(backend.clone())),
            keeper,
            made: Mutex::default(),
        })
    }

    pub fn made(&self) -> MutexGuard<'_, HashMap<usize, ChosenPlan>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn planner(&self) -> MutexGuard<'_, Planner> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn grower(&self) -> MutexGuard<'_, Grower> {
        self.grower.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What could not be read of the rates of before.
    pub fn remark(&self) -> Option<String> {
        self.keeper.as_ref().and_then(Keeper::remark)
    }
}

impl Drop for Learning {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            let planner = self.planner();
            if planner.has_news() {
                keeper.store(&planner.rates);
            }
        }
    }
}

impl Session {
    /// Whether a batch with a plan from there is learned from.
    fn adapts(&self, origin: &PlanOrigin) -> bool {
        match (self.config.adapt, origin) {
            (Adapt::Never, _) => false,
            (Adapt::Always, _) => true,
            (Adapt::Unasked, origin) => *origin != PlanOrigin::Asked,
        }
    }

    /// Runs `inputs` with the plan of its batch, and learns from it.
    pub(super) fn run_learning(
        &self,
        pipeline: &mut Pipeline,
        batch: usize,
        inputs: &[Array],
    ) -> Result<Outcome, SessionError> {
        let hung = pipeline.hung();
        self.take_over(pipeline, batch);
        let ChosenPlan { plan, origin } = self.chosen_without(batch, &hung)?;
        let learning = self.learning.as_ref().filter(|_| self.adapts(&origin));
        let Some(learning) = learning else {
            return self.compute(pipeline, &plan, origin, inputs);
        };
        let way = self.way(&plan)?.route.id;
        let outcome = self.compute(pipeline, &plan, origin, inputs)?;
        let grows = outcome.origin != PlanOrigin::Asked;
        self.learn(learning, pipeline, way, grows, &outcome);
        Ok(outcome)
    }

    fn learn(&self, learning: &Learning, pipeline: &Pipeline, way: u32, grows: bool, outcome: &Outcome) {
        let mut planner = learning.planner();
        planner.begin(outcome.plan.clone(), way, grows);
        let began = || ChosenPlan {
            plan: outcome.plan.clone(),
            origin: outcome.origin.clone(),
        };
        let rows = outcome.stats.rows;
        learning.made().entry(rows).or_insert_with(began);
        for device in hung(&outcome.stats) {
            planner.lose(device);
            learning.made().clear();
        }
        let executions = executions(&outcome.stats.spans);
        let ran = BatchRun {
            plan: &outcome.plan,
            way,
            us: outcome.stats.seconds * 1e6,
            executions: &executions,
        };
        if outcome.stats.redealt() > 0 {
            return;
        }
        let wanted = planner.learn(&ran, || self.built(pipeline));
        if planner.batches().is_power_of_two() {
            let keeper = learning.keeper.iter();
            keeper.for_each(|keeper| keeper.store(&planner.rates));
        }
        drop(planner);
        for engine in wanted {
            self.grow(&mut learning.grower(), engine);
        }
    }

    /// Takes in the times of single executions, each with the devices to itself.
    pub(super) fn note(&self, keys: &[(Device, EngineKey)], times: &[Duration]) {
        let Some(learning) = &self.learning else {
            return;
        };
        let mut planner = learning.planner();
        for ((device, key), time) in keys.iter().zip(times) {
            let alone = *device == Device::Gpu && key.stage == self.alone.route.first;
            let kind = Kind {
                way: key.route,
                stage: if alone { StageKind::Whole } else { key.stage },
                device: *device,
            };
            planner.note(kind, key.batch, time.as_secs_f64() * 1e6);
        }
    }

    /// What is not as it should be, each in words: devices of a board that are emulated, a board or power mode that is not
    /// known, or rates that were kept and cannot be read.
    pub fn remarks(&self) -> Vec<String> {
        let kept = self.learning.as_ref().and_then(Learning::remark);
        self.remarks.iter().cloned().chain(kept).collect()
    }
}

/// Devices that a session does not use again.
fn hung(stats: &Stats) -> impl Iterator<Item = Device> + '_ {
    let hung = stats.devices.iter().filter(|(_, d)| d.hung);
    hung.filter_map(|(name, _)| name.parse().ok())
}

/// Stage, device, rows of the engine, and microseconds of every execution.
fn executions(spans: &[Span]) -> Vec<(StageKind, Device, usize, f64)> {
    let of = |span: &Span| match (&span.track, &span.work) {
        (
            Track::Device(device),
            Work::Stage {
                stage, rows, padding, ..
            },
        ) => Some((*stage, *device, rows.len() + padding, span.duration_us)),
        (Track::Device(_) | Track::Host, _) => None,
    };
    spans.iter().filter_map(of).collect()
}
