//! The network with every tensor in its chosen order.

use std::collections::HashMap;
use std::sync::Arc;

use super::choose::{Array, Choice, Lies};
use super::follow::{full, parted, rewritten};
use super::order::{Order, composed, inverse, is_plain, ordered, plain};
use crate::graph::{DType, Graph, Node, Op, Tensor, TensorId, permuted};

/// The network, and what every tensor of the network before is in it.
pub(super) fn write(graph: &Graph, choice: &Choice) -> (Graph, HashMap<TensorId, TensorId>) {
    let mut writer = Writer::new(graph, choice);
    for node in &graph.nodes {
        if !matches!(node.op, Op::Transpose { .. }) || parted(graph, node).1.is_empty() {
            writer.node(node);
        }
    }
    let outputs = graph.outputs.iter().zip(choice.ends());
    writer.new.outputs = outputs.map(|(id, order)| writer.array(*id, order)).collect();
    let tensors = (0..graph.tensors.len() as u32).map(TensorId);
    let now = tensors.map(|id| (id, writer.known(id))).collect();
    (writer.new, now)
}

struct Writer<'a> {
    old: &'a Graph,
    choice: &'a Choice,
    new: Graph,
    /// Arrays that lie in another order than their tensor.
    transposed: HashMap<Array, TensorId>,
    /// Names of the transposes of the network before, for those that remain.
    names: std::vec::IntoIter<String>,
}

impl<'a> Writer<'a> {
    /// Every tensor keeps its number.
    fn new(old: &'a Graph, choice: &'a Choice) -> Writer<'a> {
        let mut new = Graph {
            nodes: Vec::with_capacity(old.nodes.len()),
            ..old.clone()
        };
        for (index, tensor) in new.tensors.iter_mut().enumerate() {
            let id = TensorId(index as u32);
            if let (None, Some(order)) = (&tensor.weight, choice.found(id)) {
                tensor.shape = ordered(&tensor.shape, order);
            }
        }
        let transposes = old.nodes.iter();
        let transposes = transposes.filter(|node| matches!(node.op, Op::Transpose { .. }));
        let names: Vec<String> = transposes.map(|node| node.name.clone()).collect();
        Writer {
            old,
            choice,
            new,
            transposed: HashMap::new(),
            names: names.into_iter(),
        }
    }

    fn node(&mut self, node: &Node) {
        let (op, inputs) = match (self.choice.read(node.output), &node.op) {
            (Some(order), op) => self.common(node, op, order),
            (
                None,
                Op::BatchMatmul {
                    transpose_a,
                    transpose_b,
                },
            ) => self.product(node, [*transpose_a, *transpose_b]),
            (None, op) => (op.clone(), self.as_said(node)),
        };
        self.new.nodes.push(Node {
            name: node.name.clone(),
            op,
            inputs,
            output: node.output,
        });
    }

    /// A node that reads its operands in one order.
    fn common(&mut self, node: &Node, op: &Op, order: &Order) -> (Op, Vec<TensorId>) {
        let shape = &self.old.tensor(node.output).shape;
        let flat = plain(shape.len());
        let result = self.choice.found(node.output).unwrap_or(&flat);
        let along_all = matches!(op, Op::Binary(_) | Op::Concat { .. });
        let inputs = node.inputs.iter().map(|id| {
            let constant = self.old.tensor(*id).weight.is_some();
            if !constant {
                self.array(*id, order)
            } else if along_all {
                self.constant(*id, order)
            } else {
                *id
            }
        });
        let inputs = inputs.collect();
        (rewritten(op, order, result, shape), inputs)
    }

    /// Operands as the network says them; a product with weights may have its operand flat.
    fn as_said(&mut self, node: &Node) -> Vec<TensorId> {
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for id in &node.inputs {
            inputs.push(match (&self.old.tensor(*id).weight, self.choice.found(*id)) {
                (Some(_), _) | (None, None) => *id,
                (None, Some(order)) => self.array(*id, &plain(order.len())),
            });
        }
        let flat = self.old.tensor(node.inputs[0]).weight.is_none();
        if let (true, Op::Dense) = (flat, &node.op)
            && let Lies::Flat { shape, order } = self.choice.lies(node.inputs[0])
        {
            inputs[1] = self.columns(inputs[1], shape, order);
        }
        inputs
    }

    fn product(&mut self, node: &Node, flags: [bool; 2]) -> (Op, Vec<TensorId>) {
        let mut swaps = [false; 2];
        let mut inputs = node.inputs.clone();
        for (id, swap) in inputs.iter_mut().zip(&mut swaps) {
            if self.old.tensor(*id).weight.is_none() {
                let order = self.choice.found(*id).cloned().unwrap_or_else(|| plain(3));
                *swap = order == [0, 2, 1];
                let read = if *swap { order } else { plain(3) };
                *id = self.array(*id, &read);
            }
        }
        let op = Op::BatchMatmul {
            transpose_a: flags[0] ^ swaps[0],
            transpose_b: flags[1] ^ swaps[1],
        };
        (op, inputs)
    }

    /// `id` in this order, transposed once for all that read it so.
    fn array(&mut self, id: TensorId, order: &Order) -> TensorId {
        let (source, order) = self.choice.array(id, order);
        let lies = self.choice.found(source).cloned();
        let lies = lies.unwrap_or_else(|| plain(order.len()));
        if lies == order {
            return source;
        }
        let array = (source, order);
        if let Some(known) = self.transposed.get(&array) {
            return *known;
        }
        let axes = composed(&inverse(&lies), &array.1);
        let tensor = self.new.tensor(source);
        let (shape, dtype) = (ordered(&tensor.shape, &axes), tensor.dtype);
        let name = self.names.next().unwrap_or_else(|| format!("{}.t", tensor.name));
        let output = self.tensor(&name, shape, dtype, None);
        self.new.nodes.push(Node {
            name,
            op: Op::Transpose { axes },
            inputs: vec![source],
            output,
        });
        self.transposed.insert(array, output);
        output
    }

    /// A constant operand in this order, of as many axes as the operator needs.
    fn constant(&mut self, id: TensorId, order: &Order) -> TensorId {
        let tensor = self.old.tensor(id);
        let long = tensor.shape.iter().any(|side| *side > 1);
        if is_plain(order) || !long {
            return id;
        }
        let full = full(&tensor.shape, order.len());
        let shape = ordered(&full, order);
        // It need not say the first axis, unless its elements lie along that now.
        let front = usize::from(tensor.shape.len() < order.len() && shape[0] == 1);
        let few = |values: Vec<f32>| permuted(&values, &full, order);
        match tensor.reals().map(few) {
            Some(values) => self.weight(id, &shape[front..], &values),
            None => id,
        }
    }

    /// A product's weights for operands whose elements lie in another order.
    fn columns(&mut self, id: TensorId, shape: &[usize], order: &Order) -> TensorId {
        let tensor = self.old.tensor(id);
        let own = tensor.shape.clone();
        let wide = [&own[..1], &shape[1..]].concat();
        match tensor.reals() {
            Some(values) => self.weight(id, &own, &permuted(&values, &wide, order)),
            None => id,
        }
    }

    fn weight(&mut self, like: TensorId, shape: &[usize], values: &[f32]) -> TensorId {
        let name = self.old.tensor(like).name.clone();
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(&name, shape.to_vec(), DType::F32, Some(Arc::new(bytes)))
    }

    fn tensor(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        dtype: DType,
        weight: Option<Arc<Vec<u8>>>,
    ) -> TensorId {
        self.new.tensors.push(Tensor {
            name: name.to_string(),
            shape,
            dtype,
            weight,
        });
        TensorId(self.new.tensors.len() as u32 - 1)
    }

    /// The tensor that has the elements of `id`.
    fn known(&self, id: TensorId) -> TensorId {
        let Some(order) = self.choice.found(id) else {
            return id;
        };
        let array = self.choice.array(id, order);
        self.transposed.get(&array).copied().unwrap_or(array.0)
    }
}
