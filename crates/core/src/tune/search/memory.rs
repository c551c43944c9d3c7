//! How much memory a plan needs.

use super::{Space, Way};
use crate::graph::{Graph, TensorId};
use crate::plan::{Device, Plan};

/// Memory of one engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footprint {
    /// Bytes of the weights.
    pub weights: u64,
    /// Bytes per row of the tensors that are alive at the same time, at most.
    pub row: u64,
}

impl Footprint {
    /// Bytes of an engine of `batch` rows.
    pub fn engine(self, batch: usize) -> u64 {
        self.weights + self.row * batch as u64
    }
}

/// The memory of `graph`'s engines at `element` bytes per element. Nodes run in order, and a tensor lives from the node
/// that makes it to the last that reads it.
pub fn footprint(graph: &Graph, element: usize) -> Footprint {
    let rows = graph.batch().max(1);
    let bytes = |id: TensorId| graph.tensor(id).shape.iter().product::<usize>() * element;
    let tensors = (0..graph.tensors.len()).map(|at| TensorId(at as u32));
    let weights = tensors.filter(|id| graph.tensor(*id).weight.is_some());
    let mut dies = vec![0usize; graph.tensors.len()];
    for (at, node) in graph.nodes.iter().enumerate() {
        for id in node.inputs.iter().chain([&node.output]) {
            dies[id.0 as usize] = at;
        }
    }
    for id in &graph.outputs {
        dies[id.0 as usize] = graph.nodes.len();
    }
    let mut alive: usize = graph.inputs.iter().map(|id| bytes(*id)).sum();
    let mut most = alive;
    for (at, node) in graph.nodes.iter().enumerate() {
        alive += bytes(node.output);
        most = most.max(alive);
        let mut dead: Vec<TensorId> = node.inputs.clone();
        dead.push(node.output);
        dead.sort_unstable();
        dead.dedup();
        let activation = |id: &TensorId| graph.tensor(*id).weight.is_none();
        let dead = dead.into_iter().filter(activation);
        alive -= dead
            .filter(|id| dies[id.0 as usize] == at)
            .map(bytes)
            .sum::<usize>();
    }
    Footprint {
        weights: weights.map(bytes).sum::<usize>() as u64,
        row: (most / rows) as u64,
    }
}

impl Space<'_> {
    /// Bytes of `plan`'s engines and of the rows on their way through them.
    pub fn memory(&self, plan: &Plan) -> u64 {
        let way = self.way(plan);
        let first = way.map_or(self.whole_bytes, |way| way.prefix_bytes);
        let engines = plan.prefix.iter().map(|share| first.engine(share.batch));
        let mut bytes: u64 = engines.sum();
        if let Some(way) = way.filter(|way| way.suffix) {
            bytes += way.suffix_bytes.engine(plan.suffix_batch);
        }
        let crossing = way.map_or(0, |way| way.crossing);
        bytes * plan.engines as u64 + plan.total() as u64 * (self.io + crossing)
    }

    /// Engines that `plan` needs.
    pub fn engines(&self, plan: &Plan) -> usize {
        let suffix = self.way(plan).is_some_and(|way| way.suffix);
        (plan.prefix.len() + usize::from(suffix)) * plan.engines
    }

    /// The cut of a plan with a DLA.
    pub(super) fn way(&self, plan: &Plan) -> Option<&Way<'_>> {
        let shared = plan.prefix.iter().any(|s| s.device != Device::Gpu);
        self.ways.iter().find(|way| shared && way.cut == plan.cut)
    }
}
