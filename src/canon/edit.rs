//! A network that is being rewritten: nodes are changed in place, put in front of others, and dropped when nothing reads
//! them; what became of every tensor of the network before is remembered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Canonical;
use crate::graph::{infer_shape, DType, Graph, GraphError, Node, Op, Tensor, TensorId};

/// A network under rewriting. Ids of tensors stay valid until [`Edit::finish`].
pub struct Edit {
    graph: Graph,
    /// Tensors of the network before.
    before: usize,
    /// Tensor -> the tensor that took its place.
    replaced: HashMap<TensorId, TensorId>,
    ranged: HashSet<TensorId>,
}

impl Edit {
    pub(super) fn new(graph: Graph, ranged: &HashSet<TensorId>) -> Edit {
        Edit {
            before: graph.tensors.len(),
            graph,
            replaced: HashMap::new(),
            ranged: ranged.clone(),
        }
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Whether a quantised model gives the range of this tensor.
    pub fn is_ranged(&self, id: TensorId) -> bool {
        self.ranged.contains(&id)
    }

    pub fn shape(&self, id: TensorId) -> &[usize] {
        &self.graph.tensor(id).shape
    }

    pub fn is_output(&self, id: TensorId) -> bool {
        self.graph.outputs.contains(&id)
    }

    /// The node that computes a tensor; `None` for inputs and weights.
    pub fn producer(&self, id: TensorId) -> Option<usize> {
        self.graph.nodes.iter().position(|node| node.output == id)
    }

    /// The nodes that read a tensor, each once.
    pub fn readers(&self, id: TensorId) -> Vec<usize> {
        let nodes = self.graph.nodes.iter().enumerate();
        let reading = nodes.filter(|(_, node)| node.inputs.contains(&id));
        reading.map(|(index, _)| index).collect()
    }

    /// The only node that reads a tensor, which is no output of the network either.
    pub fn only_reader(&self, id: TensorId) -> Option<usize> {
        match self.readers(id)[..] {
            [reader] if !self.is_output(id) => Some(reader),
            _ => None,
        }
    }

    /// The float32 elements of a weight.
    pub fn values(&self, id: TensorId) -> Option<Vec<f32>> {
        let tensor = self.graph.tensor(id);
        let data = tensor
            .weight
            .as_ref()
            .filter(|_| tensor.dtype == DType::F32)?;
        let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Some(data.chunks_exact(4).map(value).collect())
    }

    /// A new float32 weight.
    pub fn weight(&mut self, name: &str, shape: &[usize], values: &[f32]) -> TensorId {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, shape.to_vec(), DType::F32, Some(Arc::new(bytes)))
    }

    /// Gives a node another operator and other operands; its output keeps its id.
    ///
    /// # Panics
    /// When the output's shape would change: that is a fault of the rule.
    pub fn set(&mut self, node: usize, op: Op, inputs: Vec<TensorId>) {
        let shape = self.inferred(&op, &inputs);
        let output = self.graph.nodes[node].output;
        assert_eq!(
            shape,
            self.shape(output),
            "`{}` as {op:?}",
            self.graph.nodes[node].name
        );
        (self.graph.nodes[node].op, self.graph.nodes[node].inputs) = (op, inputs);
    }

    /// Puts a new node before the node at `index`, which moves on by one, and gives its output.
    ///
    /// # Panics
    /// When the operator does not take these operands: that is a fault of the rule.
    pub fn insert(&mut self, index: usize, name: &str, op: Op, inputs: &[TensorId]) -> TensorId {
        let shape = self.inferred(&op, inputs);
        let output = self.tensor(name, shape, DType::F32, None);
        let node = Node {
            name: name.to_string(),
            op,
            inputs: inputs.to_vec(),
            output,
        };
        self.graph.nodes.insert(index, node);
        output
    }

    /// Lets every reader of `old`, the network's outputs included, read `new` in its place. The two hold the same elements.
    /// An output keeps its name.
    pub fn replace(&mut self, old: TensorId, new: TensorId) {
        self.redirect(old, new);
        self.replaced.insert(old, new);
        if self.ranged.contains(&old) {
            self.ranged.insert(new);
        }
    }

    /// Lets every reader of `old` read `new`, which holds other elements: `old` is part of a layer now.
    pub fn redirect(&mut self, old: TensorId, new: TensorId) {
        let nodes = self
            .graph
            .nodes
            .iter_mut()
            .flat_map(|node| &mut node.inputs);
        for id in nodes.chain(&mut self.graph.outputs) {
            if *id == old {
                *id = new;
            }
        }
    }

    /// Drops the nodes whose output nothing reads.
    pub(super) fn sweep(&mut self) {
        let mut needed: HashSet<TensorId> = self.graph.outputs.iter().copied().collect();
        let mut kept: Vec<Node> = Vec::with_capacity(self.graph.nodes.len());
        for node in std::mem::take(&mut self.graph.nodes).into_iter().rev() {
            if needed.contains(&node.output) {
                needed.extend(&node.inputs);
                kept.push(node);
            }
        }
        kept.reverse();
        self.graph.nodes = kept;
    }

    /// The network with its tensors renumbered, without those that nothing uses.
    pub(super) fn finish(self) -> Result<Canonical, GraphError> {
        let mut used: Vec<bool> = vec![false; self.graph.tensors.len()];
        let nodes = self.graph.nodes.iter();
        let ids = nodes.flat_map(|node| node.inputs.iter().chain([&node.output]));
        for id in ids.chain(&self.graph.inputs).chain(&self.graph.outputs) {
            used[id.0 as usize] = true;
        }
        let mut renumbered: HashMap<TensorId, TensorId> = HashMap::new();
        for (index, _) in used.iter().enumerate().filter(|(_, used)| **used) {
            let next = TensorId(renumbered.len() as u32);
            renumbered.insert(TensorId(index as u32), next);
        }
        let tensors = (0..self.before as u32).map(TensorId);
        let now = tensors.filter_map(|id| Some((id, *renumbered.get(&self.now(id))?)));
        let tensors = now.collect();
        let mut graph = self.graph;
        let mut index = 0;
        graph.tensors.retain(|_| {
            index += 1;
            used[index - 1]
        });
        for node in &mut graph.nodes {
            node.output = renumbered[&node.output];
            node.inputs.iter_mut().for_each(|id| *id = renumbered[id]);
        }
        for id in graph.inputs.iter_mut().chain(&mut graph.outputs) {
            *id = renumbered[id];
        }
        graph.validate()?;
        Ok(Canonical { graph, tensors })
    }

    /// The tensor that holds the elements of `id` now.
    fn now(&self, id: TensorId) -> TensorId {
        let mut id = id;
        while let Some(next) = self.replaced.get(&id) {
            id = *next;
        }
        id
    }

    fn inferred(&self, op: &Op, inputs: &[TensorId]) -> Vec<usize> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|id| self.shape(*id)).collect();
        infer_shape(op, &shapes).unwrap_or_else(|reason| panic!("{op:?} over {shapes:?}: {reason}"))
    }

    fn tensor(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        dtype: DType,
        weight: Option<Arc<Vec<u8>>>,
    ) -> TensorId {
        self.graph.tensors.push(Tensor {
            name: name.to_string(),
            shape,
            dtype,
            weight,
        });
        TensorId(self.graph.tensors.len() as u32 - 1)
    }
}
