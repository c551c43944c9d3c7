//! What a board's model says executions take, as tables that are looked up in no time.

use std::collections::HashMap;
use std::sync::Mutex;

use super::sizes::LADDER;
use crate::board::{
    BoardCosts, Calibration, Constants, Framework, Level, Machine, Processor, Setting,
};
use crate::engine::StageKind;
use crate::graph::Graph;
use crate::plan::{Device, Plan};
use crate::sim::{simulate, Choice, Costs, ExecutionCost, HostCosts, Load, Network, Noise};
use crate::split::{DlaTarget, Stages};

/// Rows per execution beside which others are predicted: about what plans use.
const BESIDE: [usize; 2] = [32, 8];

/// The model's times for one network on one machine.
pub struct Forecast {
    /// The board and its mode.
    pub title: String,
    /// Out-of-sample error of the model, as `simulate` prints it: for the GPU, and for a DLA.
    pub error: [f64; 2],
    tables: HashMap<(StageKind, Device), Vec<f64>>,
    host: [f64; 2],
    network: Network,
    costs: Known,
}

/// The exact model, each cost asked once.
struct Known {
    costs: BoardCosts,
    known: Mutex<HashMap<(StageKind, Device, usize), ExecutionCost>>,
}

impl Costs for Known {
    fn execution(
        &self,
        stage: StageKind,
        device: Device,
        batch: usize,
    ) -> Result<ExecutionCost, String> {
        let mut known = self.known.lock().map_err(|e| e.to_string())?;
        if let Some(cost) = known.get(&(stage, device, batch)) {
            return Ok(*cost);
        }
        let cost = self.costs.execution(stage, device, batch)?;
        known.insert((stage, device, batch), cost);
        Ok(cost)
    }

    fn slow_down(&self, loads: &[Load]) -> Vec<f64> {
        self.costs.slow_down(loads)
    }

    fn bandwidth(&self) -> Option<f64> {
        self.costs.bandwidth()
    }

    fn host(&self, shared: bool) -> HostCosts {
        self.costs.host(shared)
    }
}

impl Forecast {
    /// `target` says what the DLAs compute in, `gpu` what the GPU does; `dlas` take part besides it.
    pub fn new(
        graph: &Graph,
        stages: &Stages,
        machine: Machine,
        target: &DlaTarget,
        gpu: crate::board::Arithmetic,
        dlas: &[Device],
    ) -> Forecast {
        let setting = Setting {
            machine: machine.clone(),
            precision: target.precision,
            gpu,
            framework: Framework::Native,
            graph: false,
            contention: true,
        };
        let cores = machine.board.dla.cores.0;
        let there = |device: &Device| matches!(device, Device::Dla(core) if *core < cores);
        let costs = BoardCosts::new(graph, stages, setting, Constants::fitted());
        let mut forecast = Forecast {
            title: machine.title(),
            error: [printed(Processor::Gpu), printed(Processor::Dla)],
            tables: HashMap::new(),
            host: [costs.host(false).run_us, {
                let host = costs.host(stages.suffix.is_some());
                host.run_us
                    + if stages.suffix.is_some() {
                        host.merge_us
                    } else {
                        0.0
                    }
            }],
            network: Network {
                prefix: stages.prefix.is_some(),
                suffix: stages.suffix.is_some(),
                dlas: dlas.iter().copied().filter(there).collect(),
                dla_rows: 1,
                one_by_one: false,
            },
            costs: Known {
                costs,
                known: Mutex::default(),
            },
        };
        forecast.fill();
        forecast
    }

    /// Microseconds of one execution: alone for the uncut network, beside all other devices for a prefix.
    pub fn us(&self, stage: StageKind, device: Device, rows: usize) -> Option<f64> {
        let table = self.tables.get(&(stage, device))?;
        let at = LADDER.partition_point(|n| *n < rows);
        let last = LADDER.len() - 1;
        if at > last {
            let slope = (table[last] - table[last - 1]) / (LADDER[last] - LADDER[last - 1]) as f64;
            return Some(table[last] + slope * (rows - LADDER[last]) as f64);
        }
        if LADDER[at] == rows || at == 0 {
            return Some(table[at]);
        }
        let share = (rows - LADDER[at - 1]) as f64 / (LADDER[at] - LADDER[at - 1]) as f64;
        Some(table[at - 1] + share * (table[at] - table[at - 1]))
    }

    pub fn host_us(&self, shared: bool) -> f64 {
        self.host[usize::from(shared)]
    }

    /// The larger of the errors for the plan's devices.
    pub fn error_of(&self, plan: &Plan) -> f64 {
        let [gpu, dla] = self.error;
        if plan.gpu_alone() {
            gpu
        } else {
            gpu.max(dla)
        }
    }

    /// Microseconds of `plan`, simulated; `None` for a plan that this machine cannot run.
    pub fn simulate(&self, plan: &Plan) -> Option<f64> {
        let choice = if plan.gpu_alone() {
            Choice::GpuOnly
        } else {
            Choice::Shared
        };
        let flow = self.network.flow(choice);
        let run = simulate(plan, flow, &self.costs, Noise::NONE).ok()?;
        Some(run.makespan_us).filter(|us| us.is_finite() && *us > 0.0)
    }

    fn fill(&mut self) {
        let mut kinds = vec![(StageKind::Whole, Device::Gpu)];
        if self.network.prefix && !self.network.dlas.is_empty() {
            let devices = std::iter::once(Device::Gpu).chain(self.network.dlas.iter().copied());
            kinds.extend(devices.map(|device| (StageKind::Prefix, device)));
        }
        if self.network.suffix {
            kinds.push((StageKind::Suffix, Device::Gpu));
        }
        for (stage, device) in kinds {
            let times = LADDER.iter().map(|rows| self.beside(stage, device, *rows));
            let times: Option<Vec<f64>> = times.collect();
            if let Some(times) = times.filter(|t| t.iter().all(|us| super::seen::plausible(*us))) {
                self.tables.insert((stage, device), times);
            }
        }
    }

    /// An execution with every other device of the network at work, if it is one of a prefix.
    fn beside(&self, stage: StageKind, device: Device, rows: usize) -> Option<f64> {
        let own = self.costs.execution(stage, device, rows).ok()?;
        let mut slow = 1.0;
        if stage == StageKind::Prefix {
            let load = |device, rows| {
                let cost = self.costs.execution(stage, device, rows).ok()?;
                let demand = cost.demand();
                Some(Load {
                    device,
                    rows,
                    demand,
                })
            };
            let devices = std::iter::once(Device::Gpu).chain(self.network.dlas.iter().copied());
            let others = devices.filter(|other| *other != device);
            let usual = |d: Device| BESIDE[usize::from(d != Device::Gpu)];
            let mut loads: Vec<Load> = others.filter_map(|d| load(d, usual(d))).collect();
            loads.insert(0, load(device, rows)?);
            slow = self.costs.slow_down(&loads).first().copied()?;
        }
        Some(own.submit_us + own.alone_us * slow)
    }
}

impl std::fmt::Debug for Forecast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Forecast({})", self.title)
    }
}

/// Of whole networks, in sources that the model was not fitted to.
fn printed(processor: Processor) -> f64 {
    let stored = Calibration::stored().accuracy.into_iter();
    let mut of = stored
        .filter(|a| a.processor == processor && a.level == Level::Network && a.precision.is_none());
    of.next().map_or(0.1, |accuracy| accuracy.out_of_sample)
}
