//! A network that is being rewritten: nodes are changed in place, new ones are added anywhere, and what nothing reads any
//! more is dropped; what became of every tensor of the network before is remembered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::links::Links;
use super::reshapes::reshape;
use crate::graph::{Bounds, DType, Graph, Node, Op, Tensor, TensorId, infer_shape};

/// A network under rewriting. Nodes are known by a number that stays theirs, tensors by their id; both are valid as long as
/// something reads them. New nodes may be added in any order: the finished network is put in order again.
pub struct Edit {
    pub(super) graph: Graph,
    pub(super) links: Links,
    /// Tensors of the network before.
    pub(super) before: usize,
    /// Tensor -> the tensor that took its place, or tells what was known of it.
    pub(super) replaced: HashMap<TensorId, TensorId>,
    ranged: HashSet<TensorId>,
    pub(super) budget: Budget,
}

/// Multiplications of one row of a network as it came, and those that rules have added to them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    macs: u64,
    spent: u64,
}

impl Budget {
    pub(super) fn of(graph: &Graph) -> Budget {
        Budget {
            macs: graph.macs() / (graph.batch() as u64).max(1),
            spent: 0,
        }
    }
}

impl Edit {
    pub(super) fn new(graph: Graph, ranged: &HashSet<TensorId>, budget: Budget) -> Edit {
        let mut edit = Edit {
            links: Links::of(&graph),
            before: graph.tensors.len(),
            budget,
            graph,
            replaced: HashMap::new(),
            ranged: ranged.clone(),
        };
        edit.settle();
        edit
    }

    pub fn node(&self, node: usize) -> &Node {
        &self.graph.nodes[node]
    }

    pub fn op(&self, node: usize) -> &Op {
        &self.node(node).op
    }

    pub fn tensor(&self, id: TensorId) -> &Tensor {
        self.graph.tensor(id)
    }

    pub fn shape(&self, id: TensorId) -> &[usize] {
        &self.tensor(id).shape
    }

    /// Whether a quantised model gives the range of this tensor.
    pub fn is_ranged(&self, id: TensorId) -> bool {
        self.ranged.contains(&id)
    }

    /// Whether a range would be lost if `gone` vanished and these tensors stayed.
    pub fn loses_range(&self, gone: TensorId, stay: &[TensorId]) -> bool {
        self.is_ranged(gone) && !stay.iter().any(|id| self.is_ranged(*id))
    }

    pub fn is_output(&self, id: TensorId) -> bool {
        self.graph.outputs.contains(&id)
    }

    pub fn is_weight(&self, id: TensorId) -> bool {
        self.tensor(id).weight.is_some()
    }

    /// The node that computes a tensor; `None` for inputs and weights.
    pub fn producer(&self, id: TensorId) -> Option<usize> {
        self.links.producer(id)
    }

    /// The nodes that read a tensor, each once.
    pub fn readers(&self, id: TensorId) -> &[usize] {
        self.links.readers(id)
    }

    /// The only node that reads a tensor, which is no output of the network either.
    pub fn only_reader(&self, id: TensorId) -> Option<usize> {
        match self.readers(id)[..] {
            [reader] if !self.is_output(id) => Some(reader),
            _ => None,
        }
    }

    /// The node that computes a tensor which nothing but `reader` reads.
    pub fn producer_for(&self, id: TensorId, reader: usize) -> Option<usize> {
        let producer = self.producer(id);
        producer.filter(|_| self.only_reader(id) == Some(reader))
    }

    /// Between which values the elements of a tensor lie.
    pub fn bounds(&self, id: TensorId) -> Bounds {
        let producer = |id| self.producer(id).map(|node| self.node(node));
        self.graph.bounds(id, &producer)
    }

    /// The float32 elements of a weight.
    pub fn values(&self, id: TensorId) -> Option<Vec<f32>> {
        Some(self.graph.floats(id)?.collect())
    }

    /// The one value that all elements of a weight have.
    pub fn uniform(&self, id: TensorId) -> Option<f32> {
        let mut values = self.graph.floats(id)?;
        let first = values.next()?;
        values.all(|value| value == first).then_some(first)
    }

    /// A new float32 weight.
    pub fn weight(&mut self, name: &str, shape: &[usize], values: &[f32]) -> TensorId {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.new_tensor(name, shape.to_vec(), Some(Arc::new(bytes)))
    }

    /// A weight of the same elements in another shape.
    pub fn reshaped(&mut self, id: TensorId, shape: &[usize]) -> TensorId {
        let tensor = Tensor {
            shape: shape.to_vec(),
            ..self.tensor(id).clone()
        };
        self.graph.tensors.push(tensor);
        TensorId(self.graph.tensors.len() as u32 - 1)
    }

    /// A new node, named after the node in whose stead it computes, and gives its output.
    ///
    /// # Panics
    /// When the operator does not take these operands: that is a fault of the rule.
    pub fn add(&mut self, stead: usize, op: Op, inputs: &[TensorId]) -> TensorId {
        let shape = self.inferred(&op, inputs);
        let name = format!("{}.{}", self.node(stead).name, op.name());
        let output = self.new_tensor(&name, shape, None);
        let inputs = inputs.to_vec();
        self.graph.nodes.push(Node {
            name,
            op,
            inputs,
            output,
        });
        let node = self.graph.nodes.len() - 1;
        self.links.add(node, &self.graph.nodes[node]);
        output
    }

    /// Gives a node another operator and other operands; its output keeps its id.
    ///
    /// # Panics
    /// When the output's shape would change: that is a fault of the rule.
    pub fn set(&mut self, node: usize, op: Op, inputs: &[TensorId]) {
        let shape = self.inferred(&op, inputs);
        let Node { name, output, .. } = self.node(node);
        assert_eq!(shape, self.shape(*output), "`{name}` as {op:?}");
        self.links.unread(node, &self.graph.nodes[node]);
        (self.graph.nodes[node].op, self.graph.nodes[node].inputs) = (op, inputs.to_vec());
        self.links.read(node, &self.graph.nodes[node]);
    }

    /// [`Edit::set`] for a result that may have the output's elements in another shape: a reshape brings them back.
    pub fn set_reshaped(&mut self, node: usize, op: Op, inputs: &[TensorId]) {
        let to = self.shape(self.node(node).output).to_vec();
        if self.inferred(&op, inputs) == to {
            return self.set(node, op, inputs);
        }
        let result = self.add(node, op, inputs);
        let back = reshape(self.shape(result), &to);
        self.set(node, back, &[result]);
    }

    /// Lets every reader of `old`, the network's outputs included, read `new` in its place. The two hold the same elements.
    /// An output keeps its name.
    pub fn replace(&mut self, old: TensorId, new: TensorId) {
        for reader in self.readers(old).to_vec() {
            self.links.unread(reader, &self.graph.nodes[reader]);
            let inputs = self.graph.nodes[reader].inputs.iter_mut();
            inputs.filter(|id| **id == old).for_each(|id| *id = new);
            self.links.read(reader, &self.graph.nodes[reader]);
        }
        if self.is_output(old) {
            if !self.is_output(new) {
                self.graph.tensors[new.0 as usize].name = self.tensor(old).name.clone();
                self.graph.tensors[new.0 as usize].dtype = self.tensor(old).dtype;
            }
            let outputs = self.graph.outputs.iter_mut();
            outputs.filter(|id| **id == old).for_each(|id| *id = new);
        }
        self.links.check(old);
        self.links.set_output(new, self.graph.outputs.contains(&new));
        self.links.set_output(old, false);
        self.stands_for(new, old);
    }

    /// Where `old` vanishes, `new` has what was known of it: the same elements, or all of them but padding.
    pub fn stands_for(&mut self, new: TensorId, old: TensorId) {
        self.replaced.insert(old, new);
        if self.ranged.contains(&old) {
            self.ranged.insert(new);
        }
    }

    /// Whether so many multiplications per row more are at most one in `share` of the network's, together with those spent
    /// before; then they are spent.
    pub fn spend(&mut self, multiplications: u64, share: u64) -> bool {
        let spent = self.budget.spent.saturating_add(multiplications);
        let fits = spent.saturating_mul(share) <= self.budget.macs;
        if fits {
            self.budget.spent = spent;
        }
        fits
    }

    /// Drops what nothing reads any more.
    pub(super) fn settle(&mut self) {
        while let Some(node) = self.links.next_idle() {
            self.links.drop(node, &self.graph.nodes[node]);
        }
    }

    fn inferred(&self, op: &Op, inputs: &[TensorId]) -> Vec<usize> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|id| self.shape(*id)).collect();
        infer_shape(op, &shapes).unwrap_or_else(|reason| panic!("{op:?} over {shapes:?}: {reason}"))
    }

    fn new_tensor(&mut self, name: &str, shape: Vec<usize>, weight: Option<Arc<Vec<u8>>>) -> TensorId {
        self.graph.tensors.push(Tensor {
            name: name.to_string(),
            shape,
            dtype: DType::F32,
            weight,
        });
        TensorId(self.graph.tensors.len() as u32 - 1)
    }
}
