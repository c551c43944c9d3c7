//! Transposes of models that have channels last: every operator that can be computed in another order of axes is, so
//! that they meet and vanish, or get to the network's ends and leave it there. Whoever passes an input or takes an
//! output then orders it.
//!
//! One walk from the beginning to the end chooses the order of every tensor; it is taken where the network then has
//! fewer transposes, or as many further behind.

mod choose;
mod follow;
mod order;
mod reshape;
#[cfg(test)]
mod tests;
mod wishes;
mod write;

use std::collections::{HashMap, HashSet};

use crate::graph::{Graph, Op, TensorId};
use choose::{Choice, choose};
use order::is_plain;
use wishes::Wishes;

/// Forks at which a transpose is tried: each try is a walk over the network.
const MOST_TRIES: usize = 64;

/// A network whose transposes have moved.
pub(super) struct SettledNetwork {
    pub graph: Graph,
    /// Tensor of the network before -> the tensor that has the same elements, perhaps in another order.
    pub tensors: HashMap<TensorId, TensorId>,
    /// Per input: axis `i` of the network's is axis `axes[i]` of what it was.
    pub inputs: Vec<Vec<usize>>,
    /// Per output, likewise.
    pub outputs: Vec<Vec<usize>>,
}

/// Moves the transposes of `graph`; `None` when there are none, or none can be spared.
pub(super) fn settle(graph: &Graph) -> Option<SettledNetwork> {
    let transposes = graph.nodes.iter();
    let before = transposes.filter(|node| matches!(node.op, Op::Transpose { .. }));
    let before = before.count();
    if before == 0 {
        return None;
    }
    let choice = fewest(graph);
    if choice.cost() > before {
        return None;
    }
    let (written, tensors) = write::write(graph, &choice);
    let order = |id: &TensorId| choice.found(*id).cloned().unwrap_or_default();
    let settled = SettledNetwork {
        inputs: graph.inputs.iter().map(order).collect(),
        outputs: choice.ends().to_vec(),
        graph: written,
        tensors,
    };
    Some(settled)
}

/// The cheapest choice found. What is read by several that want it as the network says it may be better transposed before
/// it forks.
fn fewest(graph: &Graph) -> Choice {
    let wishes = Wishes::of(graph);
    let mut early: HashSet<TensorId> = HashSet::new();
    let mut best = choose(graph, &wishes, &early);
    let mut readers: HashMap<TensorId, usize> = HashMap::new();
    for id in graph.nodes.iter().flat_map(|node| &node.inputs) {
        *readers.entry(*id).or_default() += 1;
    }
    let forks = graph.nodes.iter().map(|node| node.output).filter(|id| {
        let elsewhere = best.found(*id).is_some_and(|order| !is_plain(order));
        let wanted = wishes.on(*id).iter().any(|(order, _)| is_plain(order));
        elsewhere && wanted && readers.get(id).is_some_and(|count| *count > 1)
    });
    for id in forks.take(MOST_TRIES).collect::<Vec<TensorId>>() {
        if best.cost() == 0 {
            break;
        }
        early.insert(id);
        let choice = choose(graph, &wishes, &early);
        if choice.cost() < best.cost() {
            best = choice;
        } else {
            early.remove(&id);
        }
    }
    best
}
