//! Between which values the elements of a tensor lie, as far as the operators before it tell.

use std::collections::HashMap;

use super::{Activation, BinaryKind, Graph, Node, Op, PoolKind, ReduceKind, TensorId, UnaryKind};

/// The least and the greatest value that an element can have; infinite where nothing is known.
pub type Bounds = (f32, f32);

const UNKNOWN: Bounds = (f32::NEG_INFINITY, f32::INFINITY);

/// How many operators are looked through.
const DEPTH: usize = 64;

impl Graph {
    /// The bounds of `tensor`. `producer` finds the node that computes a tensor.
    pub fn bounds<'a>(&'a self, tensor: TensorId, producer: &dyn Fn(TensorId) -> Option<&'a Node>) -> Bounds {
        let known = HashMap::new();
        let graph = self;
        let mut search = Search {
            graph,
            producer,
            known,
        };
        search.of(tensor, DEPTH)
    }
}

struct Search<'a, 'b> {
    graph: &'a Graph,
    producer: &'b dyn Fn(TensorId) -> Option<&'a Node>,
    known: HashMap<TensorId, Bounds>,
}

impl Search<'_, '_> {
    fn of(&mut self, id: TensorId, depth: usize) -> Bounds {
        if let Some(known) = self.known.get(&id) {
            return *known;
        }
        let found = match (self.producer)(id) {
            Some(node) if depth > 0 => self.result(node, depth - 1),
            _ => self.weight(id),
        };
        self.known.insert(id, found);
        found
    }

    /// Of a constant that is small: one value, or one per channel.
    fn weight(&self, id: TensorId) -> Bounds {
        const LARGE: usize = 1 << 16;
        let data = self.graph.tensor(id).weight.as_ref();
        let Some(values) = data
            .filter(|data| data.len() <= LARGE)
            .and_then(|_| self.graph.floats(id))
        else {
            return UNKNOWN;
        };
        let none = (f32::INFINITY, f32::NEG_INFINITY);
        values.fold(none, |(low, high), v| (low.min(v), high.max(v)))
    }

    fn result(&mut self, node: &Node, depth: usize) -> Bounds {
        let mut operand = |index: usize| self.of(node.inputs[index], depth);
        match &node.op {
            Op::Activation(activation) => activation.maps(operand(0)),
            Op::Unary(kind) => unary(*kind, operand(0)),
            Op::Binary(kind) if node.inputs[0] == node.inputs[1] && *kind == BinaryKind::Mul => {
                (0.0, f32::INFINITY)
            }
            Op::Binary(kind) => binary(*kind, operand(0), operand(1)),
            Op::Softmax { .. } => (0.0, 1.0),
            Op::Pad(pad) => join(operand(0), (pad.value, pad.value)),
            Op::Pool2d(pool) if pool.kind == PoolKind::Average => join(operand(0), (0.0, 0.0)),
            Op::Pool3d(pool) if pool.kind == PoolKind::Average => join(operand(0), (0.0, 0.0)),
            Op::Pool2d(_) | Op::Pool3d(_) | Op::GlobalPool(_) | Op::AdaptivePool { .. } => operand(0),
            Op::Reduce { kind, .. } => match kind {
                ReduceKind::Max | ReduceKind::Min | ReduceKind::Mean => operand(0),
                ReduceKind::Sum if operand(0).0 >= 0.0 => (0.0, f32::INFINITY),
                ReduceKind::Sum | ReduceKind::Prod => UNKNOWN,
            },
            Op::Resize2d(_) => operand(0),
            op if op.only_moves() => (0..node.inputs.len())
                .map(operand)
                .reduce(join)
                .unwrap_or(UNKNOWN),
            _ => UNKNOWN,
        }
    }
}

impl Activation {
    /// Where the function takes values that lie between these.
    pub fn maps(self, (low, high): Bounds) -> Bounds {
        match self {
            Activation::Relu => (low.max(0.0), high.max(0.0)),
            Activation::Clip { min, max } => (low.clamp(min, max), high.clamp(min, max)),
            Activation::LeakyRelu { .. } if low >= 0.0 => (low, high),
            Activation::LeakyRelu { .. } => UNKNOWN,
            Activation::Sigmoid => (0.0, 1.0),
            Activation::Tanh if low >= 0.0 => (0.0, 1.0),
            Activation::Tanh => (-1.0, 1.0),
        }
    }
}

fn unary(kind: UnaryKind, (low, high): Bounds) -> Bounds {
    match kind {
        UnaryKind::Abs if low >= 0.0 => (low, high),
        UnaryKind::Abs => (0.0, high.max(-low)),
        UnaryKind::Exp | UnaryKind::Sqrt | UnaryKind::Cosh | UnaryKind::Acosh => (0.0, f32::INFINITY),
        UnaryKind::Neg => (-high, -low),
        UnaryKind::Sin | UnaryKind::Cos | UnaryKind::Erf => (-1.0, 1.0),
        UnaryKind::Log
        | UnaryKind::Floor
        | UnaryKind::Ceil
        | UnaryKind::Tan
        | UnaryKind::Sinh
        | UnaryKind::Asin
        | UnaryKind::Acos
        | UnaryKind::Atan
        | UnaryKind::Asinh
        | UnaryKind::Atanh => UNKNOWN,
    }
}

fn binary(kind: BinaryKind, a: Bounds, b: Bounds) -> Bounds {
    match kind {
        BinaryKind::Max => (a.0.max(b.0), a.1.max(b.1)),
        BinaryKind::Min => (a.0.min(b.0), a.1.min(b.1)),
        // A sum of what is never negative is neither; how large it is says nobody exactly, since sums are rounded.
        BinaryKind::Add | BinaryKind::Mul | BinaryKind::Div if a.0 >= 0.0 && b.0 >= 0.0 => {
            (0.0, f32::INFINITY)
        }
        BinaryKind::Add | BinaryKind::Sub | BinaryKind::Mul | BinaryKind::Div | BinaryKind::Pow => UNKNOWN,
    }
}

fn join(a: Bounds, b: Bounds) -> Bounds {
    (a.0.min(b.0), a.1.max(b.1))
}
