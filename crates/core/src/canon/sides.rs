//! Functions that are linear on either side of zero, written with ReLU, minimum, maximum, absolute value, products and
//! sums of one tensor: a leaky or parametric ReLU, a ReLU or an absolute value, which are layers of a DLA.
//!
//! `relu(x) - a * relu(-x)`, `max(x, a * x)`, `relu(x) + a * (x - |x|) / 2` and their relatives: what matters are the
//! slopes on both sides.

use super::Edit;
use super::affine::by_channel;
use crate::graph::{Activation, BinaryKind, Node, Op, TensorId, UnaryKind};

/// How many operators are looked through.
const DEPTH: usize = 8;

/// How far from 1 a slope may be, by rounding, to mean it.
const ROUNDING: f32 = 1e-6;

/// A function's slopes for positive and for negative numbers.
type Slopes = [f32; 2];

/// A sum, difference, maximum or minimum of two such functions of one tensor.
pub(super) fn slopes(edit: &mut Edit, node: usize) -> bool {
    let (Op::Binary(_), [a, b]) = (edit.op(node), &edit.node(node).inputs[..]) else {
        return false;
    };
    if [a, b].iter().any(|id| edit.is_weight(**id)) {
        return false;
    }
    let output = edit.node(node).output;
    let found = origins(edit, output).into_iter().find_map(|x| {
        let slopes = of(edit, output, x, DEPTH)?;
        Some((x, layer(&slopes)?))
    });
    let Some((x, (op, slopes))) = found.filter(|(x, _)| edit.shape(*x) == edit.shape(output)) else {
        return false;
    };
    let mut inputs = vec![x];
    if let Some(slopes) = slopes {
        let name = format!("{}.slopes", edit.node(node).name);
        inputs.push(edit.weight(&name, &[slopes.len()], &slopes));
    }
    edit.set(node, op, &inputs);
    true
}

/// The tensors that such a function may be of: what its first operands are computed from, the nearest first.
fn origins(edit: &Edit, id: TensorId) -> Vec<TensorId> {
    let mut origins = Vec::new();
    let mut next = edit.producer(id);
    while let Some(node) = next.filter(|_| origins.len() < DEPTH) {
        let x = edit.node(node).inputs[0];
        origins.push(x);
        next = edit.producer(x).filter(|node| keeps_zero(edit.op(*node)));
    }
    origins
}

/// Whether an operator may be part of such a function.
fn keeps_zero(op: &Op) -> bool {
    matches!(
        op,
        Op::Binary(_) | Op::PRelu | Op::Activation(_) | Op::Unary(UnaryKind::Abs | UnaryKind::Neg)
    )
}

/// The slopes by channel of `id` as a function of `x`; `None` where it is none of this kind.
fn of(edit: &Edit, id: TensorId, x: TensorId, depth: usize) -> Option<Vec<Slopes>> {
    let channels = *edit.shape(x).get(1)?;
    if id == x {
        return Some(vec![[1.0; 2]; channels]);
    }
    let node = edit.producer(id).filter(|_| depth > 0 && !edit.is_ranged(id))?;
    let Node { op, inputs, .. } = edit.node(node);
    let operand = |place: usize| of(edit, inputs[place], x, depth - 1);
    let each = |f: &dyn Fn(f32, f32) -> f32| -> Option<Vec<Slopes>> {
        let slopes = operand(0)?.into_iter();
        Some(slopes.map(|[p, n]| [f(p, 1.0), f(n, -1.0)]).collect())
    };
    match op {
        // The side says the sign of x: a slope of the same sign gives positive numbers.
        Op::Activation(Activation::Relu) => each(&|slope, side| if slope * side > 0.0 { slope } else { 0.0 }),
        Op::Activation(Activation::Clip {
            min: f32::NEG_INFINITY,
            max: 0.0,
        }) => each(&|slope, side| if slope * side < 0.0 { slope } else { 0.0 }),
        Op::Activation(Activation::LeakyRelu { alpha }) => each(&|slope, side| {
            if slope * side < 0.0 { slope * alpha } else { slope }
        }),
        Op::Unary(UnaryKind::Abs) => each(&|slope, side| slope.abs() * side),
        Op::Unary(UnaryKind::Neg) => each(&|slope, _| -slope),
        Op::Binary(BinaryKind::Mul) if edit.is_weight(inputs[1]) => {
            let factors = by_channel(edit, inputs[1], x, 1)?;
            let slopes = operand(0)?.into_iter().zip(factors);
            Some(slopes.map(|([p, n], c)| [p * c, n * c]).collect())
        }
        Op::Binary(kind) => {
            let join = joined(*kind)?;
            let pairs = operand(0)?.into_iter().zip(operand(1)?);
            Some(
                pairs
                    .map(|(a, b)| [join(a[0], b[0], 1.0), join(a[1], b[1], -1.0)])
                    .collect(),
            )
        }
        _ => None,
    }
}

/// The slope of two functions joined, on the side of that sign.
fn joined(kind: BinaryKind) -> Option<fn(f32, f32, f32) -> f32> {
    match kind {
        BinaryKind::Add => Some(|a, b, _| a + b),
        BinaryKind::Sub => Some(|a, b, _| a - b),
        BinaryKind::Max => Some(|a, b, side| (a * side).max(b * side) * side),
        BinaryKind::Min => Some(|a, b, side| (a * side).min(b * side) * side),
        BinaryKind::Mul | BinaryKind::Div | BinaryKind::Pow => None,
    }
}

/// The layer with these slopes, and what it takes as weights.
fn layer(slopes: &[Slopes]) -> Option<(Op, Option<Vec<f32>>)> {
    let first = slopes.first()?[1];
    if !slopes
        .iter()
        .all(|[p, n]| (p - 1.0).abs() <= ROUNDING && n.is_finite())
    {
        return None;
    }
    if !slopes.iter().all(|[_, n]| *n == first) {
        return Some((Op::PRelu, Some(slopes.iter().map(|[_, n]| *n).collect())));
    }
    let op = match first {
        0.0 => Op::Activation(Activation::Relu),
        -1.0 => Op::Unary(UnaryKind::Abs),
        1.0 => return None,
        alpha => Op::Activation(Activation::LeakyRelu { alpha }),
    };
    Some((op, None))
}
