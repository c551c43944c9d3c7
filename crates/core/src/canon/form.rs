//! A network in canonical form, with the order in which its caller has the axes of inputs and outputs.

use std::collections::{HashMap, HashSet};

use super::edit::Budget;
use super::layout::{self, SettledNetwork};
use super::{Canonical, rewritten};
use crate::graph::{Graph, GraphError, TensorId};

/// What a network became.
pub struct Form {
    pub graph: Graph,
    /// By tensor of the network before: the tensor that holds the same elements now, perhaps with its axes in another
    /// order. Tensors that are part of a layer now are absent.
    pub tensors: HashMap<TensorId, TensorId>,
    /// Per input: axis `i` of the network's is axis `axes[i]` of what the caller has; `None` where they are the same.
    pub inputs: Vec<Option<Vec<usize>>>,
    /// Per output, likewise.
    pub outputs: Vec<Option<Vec<usize>>>,
}

/// More turns than it takes: each lets transposes meet that a rule was between, or a rule see what they were between.
const MOST_TURNS: usize = 8;

/// Brings `graph` into canonical form: transposes to the network's ends, and every rule applied. `ranged` are the tensors
/// whose range a quantised model gives: no rule folds them away where the range would be lost.
///
/// # Errors
/// [`GraphError`] when a rule left something that is no network, which is a fault of this room.
pub fn canonicalise(graph: Graph, ranged: &HashSet<TensorId>) -> Result<Form, GraphError> {
    let mut budget = Budget::of(&graph);
    let ids = (0..graph.tensors.len() as u32).map(TensorId);
    let plain = |ids: &[TensorId]| vec![None; ids.len()];
    let mut form = Form {
        tensors: ids.map(|id| (id, id)).collect(),
        inputs: plain(&graph.inputs),
        outputs: plain(&graph.outputs),
        graph,
    };
    for _ in 0..MOST_TURNS {
        let before = form.graph.clone();
        if let Some(settled) = layout::settle(&form.graph) {
            form.settle(settled);
        }
        let now = |id: &TensorId| form.tensors.get(id).copied();
        let ranged = ranged.iter().filter_map(now).collect();
        let Canonical {
            graph,
            tensors,
            budget: left,
        } = rewritten(form.graph, &ranged, budget)?;
        (form.graph, budget) = (graph, left);
        form.tensors.retain(|_, id| match tensors.get(id) {
            Some(now) => {
                *id = *now;
                true
            }
            None => false,
        });
        if form.graph == before {
            break;
        }
    }
    Ok(form)
}

impl Form {
    fn settle(&mut self, settled: SettledNetwork) {
        self.graph = settled.graph;
        for id in self.tensors.values_mut() {
            *id = settled.tensors[id];
        }
        let inputs = self.inputs.iter_mut().zip(settled.inputs);
        for (axes, moved) in inputs.chain(self.outputs.iter_mut().zip(settled.outputs)) {
            let before = axes.take().unwrap_or_else(|| (0..moved.len()).collect());
            let now: Vec<usize> = moved.iter().map(|axis| before[*axis]).collect();
            *axes = Some(now).filter(|now| !now.iter().copied().eq(0..now.len()));
        }
    }
}
