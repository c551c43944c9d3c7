//! The predicted costs of one network on one board, for the simulator.

use super::constants::{Constants, Key};
use super::contention;
use super::dla::Dla;
use super::framework::Framework;
use super::gpu::Gpu;
use super::hardware::{Arithmetic, Machine};
use super::work::{Layer, Target, layers};
use crate::graph::{Graph, TensorId};
use crate::plan::{Device, StageKind};
use crate::sim::{Costs, ExecutionCost, HostCosts, Load};
use crate::split::{Precision, Stages};

/// Where and how a network runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub machine: Machine,
    /// Of the DLA's engines.
    pub precision: Precision,
    /// Of the GPU's.
    pub gpu: Arithmetic,
    pub framework: Framework,
    /// Whether the GPU's kernels come from a captured CUDA graph.
    pub graph: bool,
    /// Without it, engines do not slow each other down.
    pub contention: bool,
}

/// A stage that cannot run where it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    #[error("the network has no {0:?} stage")]
    NoStage(StageKind),
    #[error("the {0:?} stage runs on the GPU only")]
    GpuOnly(StageKind),
    #[error("{device} is not there: the board has {cores} DLA cores")]
    NoCore { device: Device, cores: u8 },
}

/// One stage as work.
struct Stage {
    gpu: Vec<Layer>,
    dla: Vec<Layer>,
    /// Elements per row that go in and come out.
    inputs: f64,
    outputs: f64,
}

/// The costs of a network's stages.
pub struct BoardCosts {
    setting: Setting,
    constants: Constants,
    whole: Stage,
    prefix: Option<Stage>,
    suffix: Option<Stage>,
}

impl BoardCosts {
    /// Takes work per row from shapes; the batch that `graph` was compiled for does not matter.
    pub fn new(graph: &Graph, stages: &Stages, setting: Setting, constants: Constants) -> BoardCosts {
        BoardCosts {
            whole: Stage::of(graph),
            prefix: stages.prefix.as_ref().map(Stage::of),
            suffix: stages.suffix.as_ref().map(Stage::of),
            setting,
            constants,
        }
    }

    fn gpu(&self) -> Gpu<'_> {
        Gpu {
            machine: &self.setting.machine,
            constants: &self.constants,
            arithmetic: self.setting.gpu,
            graph: self.setting.graph,
        }
    }

    fn on_gpu(&self, stage: &Stage, rows: f64) -> ExecutionCost {
        let gpu = self.gpu();
        let time: f64 = stage.gpu.iter().map(|l| gpu.time(l, rows)).sum();
        let bytes: f64 = stage.gpu.iter().map(|l| gpu.bytes(l, rows)).sum();
        ExecutionCost {
            alone_us: time + gpu.io(&[stage.inputs * rows, stage.outputs * rows]),
            submit_us: 0.0,
            bytes: bytes as u64,
        }
    }

    fn on_dla(&self, stage: &Stage, rows: f64) -> ExecutionCost {
        let dla = Dla {
            machine: &self.setting.machine,
            constants: &self.constants,
            arithmetic: self.setting.precision.into(),
        };
        let time: f64 = stage.dla.iter().map(|l| dla.time(l, rows)).sum();
        let bytes: f64 = stage.dla.iter().map(|l| dla.bytes(l, rows)).sum();
        let host = (stage.inputs + stage.outputs) * 4.0;
        let host = self.setting.framework.dla_row(&self.constants, host) * rows;
        ExecutionCost {
            alone_us: time + dla.io((stage.inputs + stage.outputs) * rows) + host,
            submit_us: self.constants.get(Key::DlaSubmit),
            bytes: bytes as u64,
        }
    }

    fn stage(&self, kind: StageKind) -> Result<&Stage, CostError> {
        let stage = match kind {
            StageKind::Whole => Some(&self.whole),
            StageKind::Prefix => self.prefix.as_ref(),
            StageKind::Suffix => self.suffix.as_ref(),
        };
        stage.ok_or(CostError::NoStage(kind))
    }

    fn cost(&self, kind: StageKind, device: Device, rows: f64) -> Result<ExecutionCost, CostError> {
        let stage = self.stage(kind)?;
        let cores = self.setting.machine.board.dla.cores.0;
        match (device, kind) {
            (Device::Gpu, _) => Ok(self.on_gpu(stage, rows)),
            (Device::Dla(core), _) if core >= cores => Err(CostError::NoCore { device, cores }),
            (Device::Dla(_), StageKind::Prefix) => Ok(self.on_dla(stage, rows)),
            (Device::Dla(_), StageKind::Whole | StageKind::Suffix) => Err(CostError::GpuOnly(kind)),
        }
    }
}

impl Costs for BoardCosts {
    fn execution(&self, stage: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String> {
        self.cost(stage, device, batch as f64).map_err(|e| e.to_string())
    }

    fn slow_down(&self, loads: &[Load]) -> Vec<f64> {
        let demands: Vec<(Device, f64)> = loads.iter().map(|l| (l.device, l.demand)).collect();
        if self.setting.contention {
            contention::slow_down(&self.setting.machine, &self.constants, &demands)
        } else {
            vec![1.0; loads.len()]
        }
    }

    fn bandwidth(&self) -> Option<f64> {
        Some(self.setting.machine.dram() / 1e3)
    }

    fn host(&self, shared: bool) -> HostCosts {
        self.setting.framework.host(&self.constants, shared)
    }
}

impl Stage {
    fn of(graph: &Graph) -> Stage {
        let rows = graph.batch() as f64;
        let elements = |ids: &[TensorId]| -> f64 {
            let shapes = ids
                .iter()
                .map(|id| graph.tensor(*id).shape.iter().product::<usize>());
            shapes.sum::<usize>() as f64 / rows
        };
        Stage {
            gpu: layers(graph, Target::Gpu),
            dla: layers(graph, Target::Dla),
            inputs: elements(&graph.inputs),
            outputs: elements(&graph.outputs),
        }
    }
}
