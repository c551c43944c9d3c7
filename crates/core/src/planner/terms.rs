//! What plans of a network have to respect here.

use crate::plan::{Device, Plan, StageKind};
use crate::sim::{Costs, ExecutionCost};
use crate::tune::Sites;
use crate::tune::search::Space;

/// A network with its devices and their limits.
#[derive(Debug, Clone)]
pub struct Terms {
    sites: Sites,
    devices: Vec<Device>,
    /// The DLAs that can take part, none where the network runs on the GPU alone.
    pub dlas: Vec<Device>,
    /// Something is left for the GPU after the longest prefix.
    pub suffix: bool,
    /// Most rows of one execution on a DLA.
    pub dla_rows: usize,
    /// Share of the network's arithmetic in its longest prefix.
    pub prefix_share: f64,
    /// Bytes that plans may take.
    pub memory: Option<u64>,
    /// All devices are equally fast.
    pub alike: bool,
}

impl Terms {
    /// `sites` has the longest prefix; `devices` are those of the session, GPU first.
    pub fn new(sites: Sites, devices: &[Device], memory: Option<u64>, alike: bool) -> Terms {
        let space = sites.space(&Nothing, [&Nothing as &dyn Costs], devices);
        let way = space.ways.first();
        let macs = |graph: &crate::graph::Graph| graph.macs() as f64;
        let site = sites.sites.first().filter(|_| way.is_some());
        let prefix = site.and_then(|site| site.stages.prefix.as_ref()).map(macs);
        let suffix = site.and_then(|site| site.stages.suffix.as_ref()).map(macs);
        let all = prefix.unwrap_or(0.0) + suffix.unwrap_or(0.0);
        Terms {
            dlas: way.map_or_else(Vec::new, |_| space.dlas.clone()),
            suffix: way.is_some_and(|way| way.suffix),
            dla_rows: way.map_or(1, |way| way.dla_rows),
            prefix_share: prefix.filter(|_| all > 0.0).map_or(1.0, |p| p / all),
            devices: devices.to_vec(),
            memory,
            alike,
            sites,
        }
    }

    /// Whether the plan's engines and rows have room.
    pub fn has_room(&self, plan: &Plan) -> bool {
        self.memory.is_none_or(|memory| self.bytes(plan) <= memory)
    }

    /// Bytes of the plan's engines and of the rows on their way through them.
    pub fn bytes(&self, plan: &Plan) -> u64 {
        self.space().memory(plan)
    }

    fn space(&self) -> Space<'_> {
        self.sites
            .space(&Nothing, [&Nothing as &dyn Costs], &self.devices)
    }
}

/// Stands for costs where only sizes are asked for.
struct Nothing;

impl Costs for Nothing {
    fn execution(&self, _: StageKind, _: Device, _: usize) -> Result<ExecutionCost, String> {
        Err("no times are known".to_string())
    }
}
