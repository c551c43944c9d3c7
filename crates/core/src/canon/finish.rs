//! From a network under rewriting to a finished one: nodes in order, tensors renumbered, those that nothing uses left out.

use std::collections::{BTreeMap, HashMap};

use super::{Canonical, Edit};
use crate::graph::{GraphError, Node, Tensor, TensorId};

impl Edit {
    /// The network as it is now, and where the tensors of the network before are in it.
    pub(super) fn finish(mut self) -> Result<Canonical, GraphError> {
        self.graph.nodes = self.ordered();
        let renumbered = self.used();
        let before = (0..self.before as u32).map(TensorId);
        let now = before.filter_map(|id| Some((id, self.now(id, &renumbered)?)));
        let tensors = now.collect();
        let mut graph = self.graph;
        let before = std::mem::take(&mut graph.tensors).into_iter().enumerate();
        let kept = before.filter_map(|(index, tensor)| {
            let id = renumbered.get(&TensorId(index as u32))?;
            Some((*id, tensor))
        });
        let kept: BTreeMap<TensorId, Tensor> = kept.collect();
        graph.tensors = kept.into_values().collect();
        for node in &mut graph.nodes {
            node.output = renumbered[&node.output];
            node.inputs.iter_mut().for_each(|id| *id = renumbered[id]);
        }
        for id in graph.inputs.iter_mut().chain(&mut graph.outputs) {
            *id = renumbered[id];
        }
        graph.validate()?;
        Ok(Canonical {
            graph,
            tensors,
            budget: self.budget,
        })
    }

    /// The nodes in topological order: the one they had, with new ones before the first that reads them.
    fn ordered(&self) -> Vec<Node> {
        let mut done = vec![false; self.graph.nodes.len()];
        let mut order = Vec::with_capacity(done.len());
        for first in self.links.nodes() {
            let mut waiting = vec![first];
            while let Some(node) = waiting.last().copied() {
                let operands = self.node(node).inputs.iter().rev();
                let before = operands.filter_map(|id| self.producer(*id));
                let missing: Vec<usize> = before.filter(|operand| !done[*operand]).collect();
                if missing.is_empty() || done[node] {
                    waiting.pop();
                    if !std::mem::replace(&mut done[node], true) {
                        order.push(self.node(node).clone());
                    }
                }
                waiting.extend(missing);
            }
        }
        order
    }

    /// The tensors that the network uses, numbered in the order of their first use, by their number before.
    fn used(&self) -> HashMap<TensorId, TensorId> {
        let mut numbers = HashMap::new();
        let nodes = self.graph.nodes.iter();
        let ids = nodes.flat_map(|node| node.inputs.iter().chain([&node.output]));
        for id in self.graph.inputs.iter().chain(ids).chain(&self.graph.outputs) {
            let next = TensorId(numbers.len() as u32);
            numbers.entry(*id).or_insert(next);
        }
        numbers
    }

    /// The tensor that holds the elements of `id` now, in the numbers of the finished network.
    fn now(&self, id: TensorId, used: &HashMap<TensorId, TensorId>) -> Option<TensorId> {
        let mut id = id;
        while !used.contains_key(&id) {
            id = *self.replaced.get(&id)?;
        }
        used.get(&id).copied()
    }
}
