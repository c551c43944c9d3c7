//! Tuning on a board's model: nothing runs, unless the best of it is to be measured.

use std::error::Error;

use clap::Args;

use super::found::TuneOutcome;
use super::measured::Confirm;
use super::searched::{Searched, picture, searched};
use crate::board::{BoardCosts, Constants};
use crate::bundle::{Bundle, Options, digest};
use crate::cli::board::{DlaPrecision, FrameworkName, GpuPrecision, Where};
use crate::cli::helped;
use crate::engine::Precision;
use crate::plan::Device;
use crate::sim::Costs;
use crate::split::cut;
use crate::tune::Sites;
use crate::tune::search::Space;

/// The board to plan for, by its model.
#[derive(Args, Clone)]
pub struct Board {
    /// Plan for this board by simulation, without running anything: xavier-nx, agx-xavier, orin-nx, orin-nx-8gb,
    /// agx-orin, agx-orin-32gb, or a board file (.json)
    #[arg(long)]
    pub board: Option<String>,
    /// The board's power mode (default: the board file's)
    #[arg(long, requires = "board")]
    power_mode: Option<String>,
    /// What the board's GPU computes in (default: as the DLAs, which is --precision or what the artifact was compiled for)
    #[arg(long, value_enum, requires = "board")]
    gpu_precision: Option<GpuPrecision>,
    /// Whose program drives the engines: this one, or the paper's
    #[arg(long, value_enum, default_value = "native")]
    framework: FrameworkName,
}

impl Board {
    /// The board, if one is named, with its DLAs in `precision`.
    pub fn place(&self, precision: Option<Precision>) -> Result<Option<Where>, Box<dyn Error>> {
        let Some(board) = &self.board else {
            return Ok(None);
        };
        let precision = match precision {
            None => None,
            Some(Precision::F16) => Some(DlaPrecision::Fp16),
            Some(Precision::Int8) => Some(DlaPrecision::Int8),
            Some(Precision::F32) => {
                return Err(helped(
                    "a DLA does not compute in float32",
                    "use --precision fp16 or int8; --gpu-precision fp32 is the GPU alone",
                ));
            }
        };
        Ok(Some(Where {
            board: board.clone(),
            power_mode: self.power_mode.clone(),
            precision,
            gpu_precision: self.gpu_precision,
            framework: self.framework,
        }))
    }
}

/// A network's places to cut with their predicted costs.
pub struct ModelledNetwork {
    pub title: String,
    sites: Sites,
    devices: Vec<Device>,
    whole: BoardCosts,
    costs: Vec<BoardCosts>,
}

impl ModelledNetwork {
    pub fn new(place: &Where, bundle: &Bundle) -> Result<ModelledNetwork, Box<dyn Error>> {
        let machine = place.machine()?;
        let (target, setting) = place.setting(&machine, bundle);
        let options = Options {
            target,
            ..bundle.options.clone()
        };
        let sites = Sites::of(&bundle.graph, &options, target.precision.bytes(), true)?;
        let costs = |stages| BoardCosts::new(&bundle.graph, stages, setting.clone(), Constants::fitted());
        let longest = cut(&bundle.graph, &target, &bundle.options.gpu_only)?;
        let cores = (0..machine.board.dla.cores.0).map(Device::Dla);
        let compiled = |d: &Device| match d {
            Device::Gpu => true,
            Device::Dla(core) => options.cores.contains(core),
        };
        Ok(ModelledNetwork {
            title: machine.title(),
            devices: cores.filter(compiled).collect(),
            whole: costs(&longest),
            costs: sites.sites.iter().map(|site| costs(&site.stages)).collect(),
            sites,
        })
    }

    pub fn space(&self) -> Space<'_> {
        let costs = self.costs.iter().map(|costs| costs as &dyn Costs);
        self.sites.space(&self.whole, costs, &self.devices)
    }
}

pub fn tuned(confirm: &Confirm<'_>, place: &Where) -> Result<TuneOutcome, Box<dyn Error>> {
    let arguments = confirm.arguments;
    let bundle = confirm.bundle()?;
    let modelled = ModelledNetwork::new(place, &bundle)?;
    let goal = arguments.goal()?;
    let mut space = modelled.space();
    space.limits = arguments.limits(None);
    if let Some(devices) = &arguments.engines.devices {
        space.dlas.retain(|d| devices.contains(d));
    }
    if space.dlas.is_empty() {
        space.ways.clear();
    }
    let Searched { points, infeasible } = searched(arguments, &space, &goal, confirm.output)?;
    let tuned = TuneOutcome {
        artifact: confirm.path.to_path_buf(),
        network: digest(&bundle.graph),
        board: modelled.title.clone(),
        timeline: picture(&space, &points)?,
        origin: format!("simulated, not measured: {}", modelled.title),
        points,
        infeasible,
        goal,
        file: None,
    };
    confirm.confirmed(bundle, &space, &modelled.title, tuned)
}
