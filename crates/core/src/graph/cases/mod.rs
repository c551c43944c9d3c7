//! Small networks, one or more per operator, at the places where conventions differ: what every backend's suite runs.

mod elementwise;
mod last;
mod layout;
mod matrix;
mod pooling;
mod reductions;
mod windows;

pub use last::Last;
pub use pooling::pooling_remainders;

use super::{BinaryKind, Graph, GraphBuilder, Op, Padding2d, TensorId, UnaryKind};

/// One operator over its operands.
#[derive(Debug, Clone)]
pub struct Case {
    pub op: Op,
    pub operands: Vec<Operand>,
    pub why: &'static str,
}

/// An operand of the given shape.
#[derive(Debug, Clone, Copy)]
pub enum Operand {
    /// An input of the network.
    X(&'static [usize]),
    /// An input made positive by two layers.
    AbsX(&'static [usize]),
    /// An input made greater than one by two layers.
    AboveOne(&'static [usize]),
    /// A constant.
    W(&'static [usize]),
    /// A constant of positive values.
    Positive(&'static [usize]),
}

impl Case {
    /// The operator's name and the reason for the case.
    pub fn name(&self) -> String {
        format!("{}: {}", self.op.name(), self.why)
    }

    /// The network: operands, the operator, its output.
    pub fn graph(&self) -> Graph {
        let mut b = GraphBuilder::new("case");
        let ids: Vec<TensorId> = (1..)
            .zip(&self.operands)
            .map(|(seed, operand)| operand.add(&mut b, seed))
            .collect();
        let why = self.name();
        let y = b.node("y", self.op.clone(), &ids).expect(&why);
        b.output(y);
        b.finish().expect(&why)
    }
}

impl Operand {
    fn add(self, b: &mut GraphBuilder, seed: u32) -> TensorId {
        let name = format!("operand{seed}");
        let values = |shape: &[usize]| noise(shape.iter().product(), seed);
        match self {
            Operand::X(shape) => b.input(&name, shape),
            Operand::AbsX(shape) => above(b, &name, shape, 0.1),
            Operand::AboveOne(shape) => above(b, &name, shape, 1.1),
            Operand::W(shape) => b.weight(&name, shape, values(shape)),
            Operand::Positive(shape) => {
                let positive = values(shape).iter().map(|v| v.abs() + 0.1).collect();
                b.weight(&name, shape, positive)
            }
        }
    }
}

/// An input whose elements are `least` or more.
fn above(b: &mut GraphBuilder, name: &str, shape: &[usize], least: f32) -> TensorId {
    let x = b.input(name, shape);
    let x = b.node("abs", Op::Unary(UnaryKind::Abs), &[x]).unwrap();
    let least = b.weight("least", &vec![1; shape.len()], vec![least]);
    b.node("above", Op::Binary(BinaryKind::Add), &[x, least]).unwrap()
}

/// Every case.
pub fn all() -> Vec<Case> {
    [
        windows::convolutions(),
        windows::other_convolutions(),
        windows::deconvolutions(),
        windows::resizes(),
        pooling::pooling(),
        pooling::pooling_over_three_axes(),
        pooling::global_and_adaptive_pooling(),
        elementwise::elements(),
        elementwise::per_channel_constants(),
        elementwise::binary_operators_broadcast(),
        layout::shapes(),
        layout::slices(),
        reductions::reductions(),
        matrix::dense_layers(),
        matrix::matrix_products(),
    ]
    .concat()
}

/// Repeatable values in -1..1; `seed` tells tensors apart.
pub fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
    };
    (0..len).map(|_| next() as f32).collect()
}

fn pads(top: usize, left: usize, bottom: usize, right: usize) -> Padding2d {
    Padding2d {
        top,
        left,
        bottom,
        right,
    }
}

#[test]
fn every_operator_has_a_case() {
    let names: std::collections::BTreeSet<&str> = all().iter().map(|c| c.op.name()).collect();
    let mut missing: Vec<&str> = UnaryKind::ALL.iter().map(|k| k.name()).collect();
    missing.extend(super::ReduceKind::ALL.iter().map(|k| k.name()));
    missing.extend(
        "conv1d conv2d conv3d conv2d_transpose conv3d_transpose bias_add batch_norm layer_norm relu clip leaky_relu \
         sigmoid tanh prelu add subtract multiply maximum minimum divide power max_pool2d avg_pool2d max_pool3d \
         avg_pool3d resize2d global_max_pool2d global_avg_pool2d adaptive_max_pool2d adaptive_avg_pool2d concatenate \
         pad lrn batch_flatten reshape squeeze expand_dims transpose strided_slice dense batch_matmul softmax"
            .split_whitespace(),
    );
    missing.retain(|name| !names.contains(name));
    assert!(missing.is_empty(), "{missing:?}");
    for case in all() {
        case.graph();
    }
}
