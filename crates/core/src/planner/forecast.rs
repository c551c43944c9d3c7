//! What a board's model says executions take, as tables that are looked up in no time.

use std::collections::HashMap;

use super::sizes::LADDER;
use crate::board::{BoardCosts, Constants, FittedModel, Framework, Level, Machine, Processor, Setting};
use crate::graph::Graph;
use crate::plan::{Device, Plan, StageKind};
use crate::sim::{Costs, ExecutionCost, Load};
use crate::split::{DlaTarget, Stages};

/// The model's times for one network on one machine.
pub struct Forecast {
    /// The board and its mode.
    pub title: String,
    /// Out-of-sample error of the model, as `simulate` prints it: for the GPU, and for a DLA.
    pub error: [f64; 2],
    tables: HashMap<(StageKind, Device), Table>,
    host: [f64; 2],
    costs: BoardCosts,
}

/// Microseconds of one execution that has the board to itself, and its DRAM traffic in bytes, by usual rows.
pub(super) struct Table {
    us: Vec<f64>,
    bytes: Vec<f64>,
}

impl Table {
    pub fn us(&self, rows: usize) -> f64 {
        between(&self.us, rows)
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
        let merges = stages.suffix.is_some();
        let host = costs.host(merges);
        let shared = host.run_us + if merges { host.merge_us } else { 0.0 };
        let mut forecast = Forecast {
            title: machine.title(),
            error: [printed(Processor::Gpu), printed(Processor::Dla)],
            tables: HashMap::new(),
            host: [costs.host(false).run_us, shared],
            costs,
        };
        let dlas: Vec<Device> = dlas.iter().copied().filter(there).collect();
        forecast.fill(stages, &dlas);
        forecast
    }

    /// Microseconds of one execution that has the board to itself.
    pub fn us(&self, stage: StageKind, device: Device, rows: usize) -> Option<f64> {
        Some(self.table(stage, device)?.us(rows))
    }

    /// The times of one kind, looked up once.
    pub(super) fn table(&self, stage: StageKind, device: Device) -> Option<&Table> {
        self.tables.get(&(stage, device))
    }

    /// How many times longer than alone prefixes take while these run: device, rows, and microseconds alone.
    pub fn slow(&self, running: &[(Device, usize, f64)]) -> Vec<f64> {
        let load = |&(device, rows, us): &(Device, usize, f64)| {
            let table = self.tables.get(&(StageKind::Prefix, device));
            let bytes = table.map_or(0.0, |table| between(&table.bytes, rows));
            Load {
                device,
                rows,
                demand: bytes / us / 1e3,
            }
        };
        let loads: Vec<Load> = running.iter().map(load).collect();
        self.costs.slow_down(&loads)
    }

    pub fn host_us(&self, shared: bool) -> f64 {
        self.host[usize::from(shared)]
    }

    /// The larger of the errors for the plan's devices.
    pub fn error_of(&self, plan: &Plan) -> f64 {
        let [gpu, dla] = self.error;
        if plan.gpu_alone() { gpu } else { gpu.max(dla) }
    }

    fn fill(&mut self, stages: &Stages, dlas: &[Device]) {
        let mut kinds = vec![(StageKind::Whole, Device::Gpu)];
        if stages.prefix.is_some() && !dlas.is_empty() {
            let devices = std::iter::once(Device::Gpu).chain(dlas.iter().copied());
            kinds.extend(devices.map(|device| (StageKind::Prefix, device)));
        }
        if stages.suffix.is_some() {
            kinds.push((StageKind::Suffix, Device::Gpu));
        }
        for (stage, device) in kinds {
            let costs = LADDER.iter().map(|n| self.costs.execution(stage, device, *n));
            let Ok(costs) = costs.collect::<Result<Vec<ExecutionCost>, String>>() else {
                continue;
            };
            let us: Vec<f64> = costs.iter().map(|c| c.submit_us + c.alone_us).collect();
            if us.iter().all(|us| super::seen::plausible(*us)) {
                let bytes = costs.iter().map(|c| c.bytes as f64).collect();
                self.tables.insert((stage, device), Table { us, bytes });
            }
        }
    }
}

/// Linear between the usual sizes, and beyond them.
fn between(table: &[f64], rows: usize) -> f64 {
    let at = LADDER.partition_point(|n| *n < rows);
    let last = LADDER.len() - 1;
    if at > last {
        let slope = (table[last] - table[last - 1]) / (LADDER[last] - LADDER[last - 1]) as f64;
        return table[last] + slope * (rows - LADDER[last]) as f64;
    }
    if LADDER[at] == rows || at == 0 {
        return table[at];
    }
    let share = (rows - LADDER[at - 1]) as f64 / (LADDER[at] - LADDER[at - 1]) as f64;
    table[at - 1] + share * (table[at] - table[at - 1])
}

impl std::fmt::Debug for Forecast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Forecast({})", self.title)
    }
}

/// Of whole networks, in sources that the model was not fitted to.
fn printed(processor: Processor) -> f64 {
    let stored = FittedModel::stored().accuracy.into_iter();
    let mut of =
        stored.filter(|a| a.processor == processor && a.level == Level::Network && a.precision.is_none());
    of.next().map_or(0.1, |accuracy| accuracy.out_of_sample)
}
