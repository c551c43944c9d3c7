//! A planner that drives a board in virtual time; engines that it asks for are there with the next batch.

use std::collections::HashSet;

use crate::plan::{Device, Plan, StageKind};
use crate::planner::{BatchRun, Engine, Planner};
use crate::sim::{Costs, Flow, Noise, SimulatedRun, simulate};
use crate::trace::{Span, Track, Work};

/// One batch.
pub(super) fn run(costs: &dyn Costs, suffix: bool, plan: &Plan, noise: Noise) -> SimulatedRun {
    let flow = match (plan.gpu_alone(), suffix) {
        (true, _) => Flow::Whole,
        (false, true) => Flow::PrefixSuffix,
        (false, false) => Flow::Prefix,
    };
    simulate(plan, flow, costs, noise).unwrap()
}

pub(super) struct Drive {
    pub planner: Planner,
    pub noise: f64,
    engines: HashSet<Engine>,
    seed: u64,
}

impl Drive {
    pub fn new(planner: Planner, first: Plan, grows: bool) -> Drive {
        let mut drive = Drive {
            planner,
            engines: HashSet::new(),
            seed: 0,
            noise: 0.1,
        };
        drive.planner.begin(first, 0, grows);
        drive
    }

    pub fn plan(&self, rows: usize) -> Plan {
        self.planner.next(rows).unwrap().0.clone()
    }

    /// Runs a batch; gives its time and whether the plan changed after it.
    pub fn step(&mut self, rows: usize, costs: &dyn Costs) -> (f64, bool) {
        self.planner.turn(rows, &self.engines);
        let plan = self.plan(rows);
        self.seed += 1;
        let suffix = self.planner.terms.suffix;
        let noise = Noise::new(self.noise, self.seed).unwrap();
        let run = run(costs, suffix, &plan, noise);
        let executions: Vec<_> = run.spans.iter().filter_map(execution).collect();
        self.build(&plan);
        let ran = BatchRun {
            plan: &plan,
            way: 0,
            us: run.makespan_us,
            executions: &executions,
        };
        for engine in self.planner.learn(&ran, || self.engines.clone()) {
            self.add(engine.device, engine.stage, engine.rows);
        }
        self.planner.turn(rows, &self.engines);
        (run.makespan_us, self.plan(rows) != plan)
    }

    /// Builds what `plan` needs.
    fn build(&mut self, plan: &Plan) {
        let stage = if plan.gpu_alone() {
            StageKind::Whole
        } else {
            StageKind::Prefix
        };
        for share in &plan.prefix {
            self.add(share.device, stage, share.batch);
        }
        if !plan.gpu_alone() {
            self.add(Device::Gpu, StageKind::Suffix, plan.suffix_batch);
        }
    }

    fn add(&mut self, device: Device, stage: StageKind, rows: usize) {
        let one = [stage];
        // Without a suffix the prefix is the whole network.
        let both = [StageKind::Whole, StageKind::Prefix];
        let same = !self.planner.terms.suffix && device == Device::Gpu;
        for stage in if same { &both[..] } else { &one[..] } {
            self.engines.insert(Engine {
                device,
                stage: *stage,
                rows,
                way: 0,
                copy: 0,
            });
        }
    }
}

fn execution(span: &Span) -> Option<(StageKind, Device, usize, f64)> {
    match (&span.track, &span.work) {
        (
            Track::Device(device),
            Work::Stage {
                stage, rows, padding, ..
            },
        ) => Some((*stage, *device, rows.len() + padding, span.duration_us)),
        (Track::Device(_) | Track::Host, _) => None,
    }
}
