//! Ranges that follow from those of neighbours, in both directions.

use std::collections::HashMap;

use super::spread::{keeps_elements, rectifies};
use crate::graph::{Activation, BinaryKind, Graph, Node, Op, PoolKind, ReduceKind, TensorId};
use crate::graph::{DType, ResizeMode};

/// Ranges while they spread over a network.
pub struct Following<'a> {
    graph: &'a Graph,
    ranges: &'a mut HashMap<TensorId, f32>,
    readers: HashMap<TensorId, Vec<&'a Node>>,
    producer: HashMap<TensorId, &'a Node>,
}

impl<'a> Following<'a> {
    pub fn new(graph: &'a Graph, ranges: &'a mut HashMap<TensorId, f32>) -> Following<'a> {
        let mut readers: HashMap<TensorId, Vec<&Node>> = HashMap::new();
        for node in &graph.nodes {
            for id in &node.inputs {
                readers.entry(*id).or_default().push(node);
            }
        }
        let producer = graph.nodes.iter().map(|node| (node.output, node));
        Following {
            graph,
            ranges,
            readers,
            producer: producer.collect(),
        }
    }

    /// Gives what it can a range: the same elements have the same one, and only what is left then has one that its
    /// neighbours bound.
    pub fn spread(mut self) {
        let graph = self.graph;
        loop {
            let before = self.ranges.len();
            self.each(graph.nodes.iter(), Following::result);
            self.each(graph.nodes.iter().rev(), Following::operand);
            if self.ranges.len() == before {
                self.each(graph.nodes.iter(), Following::bounded_result);
                self.each(graph.nodes.iter().rev(), Following::bounded_operand);
                self.each(graph.nodes.iter().rev(), Following::gated_operand);
            }
            if self.ranges.len() == before {
                return;
            }
        }
    }

    fn each(
        &mut self,
        nodes: impl Iterator<Item = &'a Node>,
        rule: fn(&Self, &Node) -> Vec<(TensorId, f32)>,
    ) {
        for node in nodes {
            for (tensor, max) in rule(self, node) {
                self.ranges.entry(tensor).or_insert(max);
            }
        }
    }

    /// Elements of operands, in other places.
    fn result(&self, node: &Node) -> Vec<(TensorId, f32)> {
        let known: Option<Vec<f32>> = self.activations(node).map(|id| self.range(id)).collect();
        let known = known.filter(|_| passes(&node.op) || rectifies(&node.op));
        let largest = known.map(|known| known.into_iter().fold(0.0, f32::max));
        largest.map(|max| (node.output, max)).into_iter().collect()
    }

    /// What is read for its elements only, by readers with a range, needs no more than these; and what goes into a bias
    /// or a batch norm is never stored, since they are part of the layer.
    fn operand(&self, node: &Node) -> Vec<(TensorId, f32)> {
        let needed = |x: TensorId| -> Option<f32> {
            let mut most = 0.0f32;
            for reader in self.inner_readers(x)? {
                let alone = matches!(reader.op, Op::BiasAdd { .. } | Op::BatchNorm { .. });
                let follows = passes(&reader.op) || rectifies(&reader.op);
                let inside = alone || self.scales_layer(reader, x);
                let single = self.readers[&x].len() == 1;
                if !(follows || single && inside) {
                    return None;
                }
                most = most.max(self.range(reader.output)?);
            }
            Some(most)
        };
        let operands = self.activations(node);
        operands.filter_map(|x| Some((x, needed(x)?))).collect()
    }

    /// Averages lie between what they average; some functions are bounded by themselves.
    fn bounded_result(&self, node: &Node) -> Vec<(TensorId, f32)> {
        let x = node.inputs[0];
        let max = match &node.op {
            Op::Activation(Activation::Sigmoid | Activation::Tanh) => Some(1.0),
            Op::Activation(Activation::Clip { min, max }) => Some(min.abs().max(max.abs())),
            Op::Activation(Activation::LeakyRelu { alpha }) if alpha.abs() <= 1.0 => self.range(x),
            op if averages(op) => self.range(x),
            _ => None,
        };
        let max = max.filter(|max| max.is_normal());
        max.map(|max| (node.output, max)).into_iter().collect()
    }

    /// A term of a sum: beyond the ranges of sum and other term together, the sum saturates whatever it is.
    fn bounded_operand(&self, node: &Node) -> Vec<(TensorId, f32)> {
        let (Op::Binary(BinaryKind::Add | BinaryKind::Sub), [a, b]) = (&node.op, &node.inputs[..]) else {
            return Vec::new();
        };
        let term = |x: TensorId, other: TensorId| -> Option<(TensorId, f32)> {
            let alone = self.inner_readers(x)?.len() == 1 && x != other;
            let max = self.range(node.output)? + self.largest(other)?;
            (alone && self.is_activation(x) && max.is_normal()).then_some((x, max))
        };
        [term(*a, *b), term(*b, *a)].into_iter().flatten().collect()
    }

    /// The operand of a hard swish, `x * clip(x / 6 + 0.5, 0, 1)`: where the gate is 1 it is the result, and where the
    /// gate is 0, below -3, any other such value does as well.
    fn gated_operand(&self, node: &Node) -> Vec<(TensorId, f32)> {
        let (Op::Binary(BinaryKind::Mul), [a, b]) = (&node.op, &node.inputs[..]) else {
            return Vec::new();
        };
        let operand = |x: TensorId, gate: TensorId| -> Option<(TensorId, f32)> {
            let (from, closed, open) = self.gate(gate)?;
            let read = self.inner_readers(x)?.len() == 2 && from == x;
            let max = self.range(node.output)?.max(closed.abs()).max(open.abs());
            read.then_some((x, max))
        };
        [operand(*a, *b), operand(*b, *a)].into_iter().flatten().collect()
    }

    /// What a clip between 0 and 1 of something scaled and shifted reads, and where it reaches 0 and 1.
    fn gate(&self, clipped: TensorId) -> Option<(TensorId, f32, f32)> {
        let clip = self.producer.get(&clipped)?;
        let Op::Activation(Activation::Clip { min: 0.0, max: 1.0 }) = clip.op else {
            return None;
        };
        let sum = self.producer.get(&clip.inputs[0])?;
        let product = self.producer.get(&sum.inputs[0])?;
        let (Op::Binary(BinaryKind::Add), Op::Binary(BinaryKind::Mul)) = (&sum.op, &product.op) else {
            return None;
        };
        let constant = |node: &Node| self.graph.floats(node.inputs[1])?.next();
        let (shift, scale) = (constant(sum)?, constant(product)?);
        let single = |node: &Node| self.graph.tensor(node.inputs[1]).shape.iter().all(|d| *d == 1);
        let grows = single(sum) && single(product) && scale > 0.0;
        grows.then_some((product.inputs[0], -shift / scale, (1.0 - shift) / scale))
    }

    /// Whether `node` multiplies or shifts the channels of a layer with weights, whose part it becomes.
    fn scales_layer(&self, node: &Node, x: TensorId) -> bool {
        let Op::Binary(BinaryKind::Add | BinaryKind::Sub | BinaryKind::Mul | BinaryKind::Div) = node.op
        else {
            return false;
        };
        let constant = node.inputs.iter().find(|id| !self.is_activation(**id));
        let count = constant.map(|id| self.graph.tensor(*id).shape.iter().product::<usize>());
        let channels = self.graph.tensor(x).shape.get(1).copied();
        let per_channel = count.is_some_and(|count| count == 1 || Some(count) == channels);
        per_channel && self.is_layer(x)
    }

    /// Whether a layer with weights computes `x`, perhaps with scales and shifts of its channels.
    fn is_layer(&self, x: TensorId) -> bool {
        let Some(node) = self.producer.get(&x) else {
            return false;
        };
        match &node.op {
            Op::Conv1d(_) | Op::Conv2d(_) | Op::Conv3d(_) => true,
            Op::Deconv2d(_) | Op::Deconv3d(_) | Op::Dense => true,
            Op::BiasAdd { .. } | Op::BatchNorm { .. } => self.is_layer(node.inputs[0]),
            Op::Binary(_) => self
                .activations(node)
                .any(|operand| self.scales_layer(node, operand)),
            _ => false,
        }
    }

    fn range(&self, id: TensorId) -> Option<f32> {
        self.ranges.get(&id).copied()
    }

    /// The magnitude of an operand: its range, or of a constant the largest element.
    fn largest(&self, id: TensorId) -> Option<f32> {
        let tensor = self.graph.tensor(id);
        let Some(data) = &tensor.weight else {
            return self.range(id);
        };
        let value = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]).abs();
        let floats = tensor.dtype == DType::F32;
        floats.then(|| data.chunks_exact(4).map(value).fold(0.0, f32::max))
    }

    fn is_activation(&self, id: TensorId) -> bool {
        self.graph.tensor(id).weight.is_none()
    }

    fn activations<'n>(&'n self, node: &'n Node) -> impl Iterator<Item = TensorId> + 'n {
        let ids = node.inputs.iter().copied();
        ids.filter(|id| self.is_activation(*id))
    }

    /// Who reads a tensor that is no output.
    fn inner_readers(&self, x: TensorId) -> Option<&[&'a Node]> {
        let inside = !self.graph.outputs.contains(&x);
        self.readers.get(&x).filter(|_| inside).map(Vec::as_slice)
    }
}

/// Every element of the result is one of an operand, or padding, which no range is made for.
fn passes(op: &Op) -> bool {
    let nearest = matches!(op, Op::Resize2d(resize) if matches!(resize.mode, ResizeMode::Nearest(_)));
    keeps_elements(op) || nearest || matches!(op, Op::Pad(_))
}

fn averages(op: &Op) -> bool {
    let pool = match op {
        Op::GlobalPool(kind) | Op::AdaptivePool { kind, .. } => *kind == PoolKind::Average,
        Op::Pool2d(pool) => pool.kind == PoolKind::Average,
        _ => false,
    };
    let mean = matches!(op, Op::Reduce { kind, .. } if *kind == ReduceKind::Mean);
    pool || mean || matches!(op, Op::Resize2d(resize) if resize.mode == ResizeMode::Linear)
}
