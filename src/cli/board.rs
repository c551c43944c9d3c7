//! A network on a board: the options that name the board, and the costs that follow.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::around;
use super::output::Output;
use super::simulate::unreadable;
use crate::artifact::Artifact;
use crate::board::{Arithmetic, Board, BoardCosts, Constants, Framework, Machine, Setting, named};
use crate::bundle::Bundle;
use crate::graph::Graph;
use crate::plan::{Cut, Device};
use crate::sim::Network;
use crate::split::{DlaTarget, Precision, Stages, Version, batch_limit, cut, cut_after, internal_row_bytes};

/// The board, its mode and what its engines compute in.
#[derive(Args, Clone)]
pub struct Where {
    /// xavier-nx, agx-xavier, orin-nx, orin-nx-8gb, agx-orin, agx-orin-32gb, or a board file (.json)
    #[arg(long)]
    pub board: String,
    /// The board's power mode (default: the board file's)
    #[arg(long)]
    pub power_mode: Option<String>,
    /// What the DLAs compute in (default: what the artifact was compiled for)
    #[arg(long, value_enum)]
    pub precision: Option<DlaPrecision>,
    /// What the GPU computes in (default: the same)
    #[arg(long, value_enum)]
    pub gpu_precision: Option<GpuPrecision>,
    /// Whose program drives the engines: this one, or the paper's
    #[arg(long, value_enum, default_value = "native")]
    pub framework: FrameworkName,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DlaPrecision {
    Fp16,
    Int8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum GpuPrecision {
    Fp32,
    Fp16,
    Int8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FrameworkName {
    Native,
    Ksc2022,
}

/// A network's predicted costs with what a plan has to respect.
pub struct BoardScenario {
    pub machine: Machine,
    pub precision: Arithmetic,
    pub gpu: Arithmetic,
    pub network: Network,
    /// Rows that a DLA takes at once, all of them and not only powers of two.
    pub most_dla_rows: usize,
    pub costs: BoardCosts,
}

impl Where {
    /// Reads the board and the artifact, and cuts the network for this board's DLA.
    pub fn load(&self, artifact: &Path, output: &Output) -> Result<BoardScenario, Box<dyn Error>> {
        self.load_cut(artifact, &Cut::Longest, output)
    }

    /// [`Where::load`] with the network cut as a plan says.
    pub fn load_cut(
        &self,
        artifact: &Path,
        place: &Cut,
        output: &Output,
    ) -> Result<BoardScenario, Box<dyn Error>> {
        let machine = self.machine()?;
        let bundle = around::network(&Artifact::read(artifact)?, output)?.clone();
        let target = self.target(&machine, &bundle);
        let gpu_only = &bundle.options.gpu_only;
        let stages = match place {
            Cut::Longest => cut(&bundle.graph, &target, gpu_only)?,
            Cut::After(node) => cut_after(&bundle.graph, &target, gpu_only, node)?,
        };
        Ok(self.boarded(machine, &bundle, &stages, &target))
    }

    fn boarded(
        &self,
        machine: Machine,
        bundle: &Bundle,
        stages: &Stages,
        target: &DlaTarget,
    ) -> BoardScenario {
        let precision: Arithmetic = target.precision.into();
        let setting = self.setting_for(&machine, target);
        let gpu = setting.gpu;
        BoardScenario {
            network: network(&machine, &bundle.graph, stages, target),
            most_dla_rows: most_dla_rows(stages, target),
            costs: BoardCosts::new(&bundle.graph, stages, setting, Constants::fitted()),
            machine,
            precision,
            gpu,
        }
    }

    /// The DLA's rules and the setting for `bundle` on `machine`.
    pub fn setting(&self, machine: &Machine, bundle: &Bundle) -> (DlaTarget, Setting) {
        let target = self.target(machine, bundle);
        (target, self.setting_for(machine, &target))
    }

    fn setting_for(&self, machine: &Machine, target: &DlaTarget) -> Setting {
        Setting {
            machine: machine.clone(),
            precision: target.precision,
            gpu: self
                .gpu_precision
                .map_or(target.precision.into(), Arithmetic::from),
            framework: self.framework.into(),
            graph: false,
            contention: true,
        }
    }

    pub fn machine(&self) -> Result<Machine, Box<dyn Error>> {
        let board = if self.board.ends_with(".json") {
            let path = PathBuf::from(&self.board);
            let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, &e))?;
            Board::parse(&text).map_err(|e| unreadable(&path, &e))?
        } else {
            named(&self.board)?
        };
        Ok(board.machine(self.power_mode.as_deref())?)
    }

    /// The rules of the artifact's TensorRT where the board has the chip it was compiled for, else of the last one
    /// before 11 that has this chip's DLA.
    fn target(&self, machine: &Machine, bundle: &Bundle) -> DlaTarget {
        let compiled = bundle.options.target;
        let chip = machine.board.chip;
        let tensorrt = if compiled.chip == chip {
            compiled.tensorrt
        } else {
            Version::last_with_dla(chip)
        };
        DlaTarget {
            chip,
            tensorrt,
            precision: self.precision.map_or(compiled.precision, Precision::from),
        }
    }
}

fn most_dla_rows(stages: &Stages, target: &DlaTarget) -> usize {
    let Some(prefix) = &stages.prefix else {
        return 0;
    };
    let row = internal_row_bytes(prefix, target);
    let fits = |rows: &usize| batch_limit(target, *rows, row).is_none();
    (1..=4096).rev().find(fits).unwrap_or(1)
}

fn network(machine: &Machine, graph: &Graph, stages: &Stages, target: &DlaTarget) -> Network {
    let fits =
        |prefix: &Graph, rows: usize| batch_limit(target, rows, internal_row_bytes(prefix, target)).is_none();
    let most = stages.prefix.as_ref().map(|prefix| {
        let mut sizes = (0..=9).rev().map(|power| 1 << power);
        sizes.find(|rows| fits(prefix, *rows)).unwrap_or(1)
    });
    Network {
        prefix: stages.prefix.is_some(),
        suffix: stages.suffix.is_some(),
        dlas: (0..machine.board.dla.cores.0).map(Device::Dla).collect(),
        dla_rows: most.unwrap_or(1),
        unit: stages.unit(graph),
    }
}

impl From<DlaPrecision> for Precision {
    fn from(precision: DlaPrecision) -> Precision {
        match precision {
            DlaPrecision::Fp16 => Precision::Fp16,
            DlaPrecision::Int8 => Precision::Int8,
        }
    }
}

impl From<GpuPrecision> for Arithmetic {
    fn from(precision: GpuPrecision) -> Arithmetic {
        match precision {
            GpuPrecision::Fp32 => Arithmetic::Fp32,
            GpuPrecision::Fp16 => Arithmetic::Fp16,
            GpuPrecision::Int8 => Arithmetic::Int8,
        }
    }
}

impl From<FrameworkName> for Framework {
    fn from(name: FrameworkName) -> Framework {
        match name {
            FrameworkName::Native => Framework::Native,
            FrameworkName::Ksc2022 => Framework::Ksc2022,
        }
    }
}
