//! `x * a` and `x + b` with constants in a row are one multiplication and one addition behind it, which is one layer.

use super::Edit;
use super::arithmetic::{ADD, MUL};
use super::constants::evaluate;
use crate::graph::{BinaryKind, Node, Op, TensorId, infer_shape};

/// `x * a * b` is `x * (a * b)`, `x + a + b` is `x + (a + b)`, and `(x + a) * b` is `x * b + a * b`.
pub(super) fn join(edit: &mut Edit, node: usize) -> bool {
    let Some((kind, between, b)) = with_constant(edit, node) else {
        return false;
    };
    let Some(first) = edit.producer_for(between, node) else {
        return false;
    };
    let Some((before, x, a)) = with_constant(edit, first) else {
        return false;
    };
    let output = edit.node(node).output;
    if edit.loses_range(between, &[output]) {
        return false;
    }
    match (before, kind) {
        (BinaryKind::Mul, BinaryKind::Mul) | (BinaryKind::Add, BinaryKind::Add) => {
            let Some(joined) = joined(edit, kind, a, b) else {
                return false;
            };
            edit.set(node, Op::Binary(kind), &[x, joined]);
            true
        }
        (BinaryKind::Add, BinaryKind::Mul) => {
            let Some(shift) = joined(edit, kind, a, b) else {
                return false;
            };
            let scaled = edit.add(node, MUL, &[x, b]);
            edit.set(node, ADD, &[scaled, shift]);
            true
        }
        _ => false,
    }
}

/// A bias behind a bias, or behind or before another constant per channel.
pub(super) fn biases(edit: &mut Edit, node: usize) -> bool {
    let Some(between) = edit.node(node).inputs.first().copied() else {
        return false;
    };
    let Some(first) = edit.producer_for(between, node) else {
        return false;
    };
    let axis = [node, first].iter().find_map(|node| match edit.op(*node) {
        Op::BiasAdd { axis } => Some(*axis),
        _ => None,
    });
    let output = edit.node(node).output;
    let Some(axis) = axis.filter(|_| !edit.loses_range(between, &[output])) else {
        return false;
    };
    let (Some((x, a)), Some((_, b))) = (bias(edit, first, axis), bias(edit, node, axis)) else {
        return false;
    };
    let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    let name = edit.tensor(edit.node(node).inputs[1]).name.clone();
    let sum = edit.weight(&name, &[sum.len()], &sum);
    edit.set(node, Op::BiasAdd { axis }, &[x, sum]);
    true
}

/// `(x + bias) * c` is `x * c + bias * c`.
pub(super) fn scaled_bias(edit: &mut Edit, node: usize) -> bool {
    let Some((BinaryKind::Mul, between, c)) = with_constant(edit, node) else {
        return false;
    };
    let Some(first) = edit.producer_for(between, node) else {
        return false;
    };
    let Op::BiasAdd { axis } = *edit.op(first) else {
        return false;
    };
    let (Some((x, bias)), Some(factors)) = (bias(edit, first, axis), by_channel(edit, c, between, axis))
    else {
        return false;
    };
    let scaled: Vec<f32> = bias.iter().zip(&factors).map(|(b, c)| b * c).collect();
    let known = edit.loses_range(between, &[edit.node(node).output]);
    if known || !scaled.iter().all(|b| b.is_finite()) {
        return false;
    }
    let name = edit.tensor(edit.node(first).inputs[1]).name.clone();
    let bias = edit.weight(&name, &[scaled.len()], &scaled);
    let product = edit.add(node, MUL, &[x, c]);
    edit.set(node, Op::BiasAdd { axis }, &[product, bias]);
    true
}

/// What a node adds to something along `axis`.
fn bias(edit: &Edit, node: usize, axis: usize) -> Option<(TensorId, Vec<f32>)> {
    let Node { op, inputs, .. } = edit.node(node);
    let (x, b) = match op {
        Op::BiasAdd { axis: own } if *own == axis => (inputs[0], inputs[1]),
        _ => with_constant(edit, node)
            .filter(|(kind, ..)| *kind == BinaryKind::Add)
            .map(|(_, x, b)| (x, b))?,
    };
    if matches!(op, Op::BiasAdd { .. }) {
        return Some((x, edit.values(b)?));
    }
    Some((x, by_channel(edit, b, x, axis)?))
}

/// A constant as one number per channel of `like`.
pub(super) fn by_channel(edit: &Edit, constant: TensorId, like: TensorId, axis: usize) -> Option<Vec<f32>> {
    let (own, like) = (edit.shape(constant), edit.shape(like));
    let channels = *like.get(axis)?;
    if let Some(value) = edit.uniform(constant) {
        return Some(vec![value; channels]);
    }
    let place = (own.len() + axis).checked_sub(like.len())?;
    let along = own.get(place) == Some(&channels) && own.iter().product::<usize>() == channels;
    along.then(|| edit.values(constant)).flatten()
}

/// A product or sum of something and a constant that is not broadcast over it: `(kind, x, constant)`.
pub(super) fn with_constant(edit: &Edit, node: usize) -> Option<(BinaryKind, TensorId, TensorId)> {
    let (Op::Binary(kind), [x, c]) = (edit.op(node), &edit.node(node).inputs[..]) else {
        return None;
    };
    let scales = matches!(kind, BinaryKind::Add | BinaryKind::Mul);
    let same_shape = edit.shape(*x) == edit.shape(edit.node(node).output);
    let constant = edit.is_weight(*c) && !edit.is_weight(*x);
    (scales && same_shape && constant).then_some((*kind, *x, *c))
}

/// Two constants as one that is no larger than the larger of them, if that is finite.
fn joined(edit: &mut Edit, kind: BinaryKind, a: TensorId, b: TensorId) -> Option<TensorId> {
    let op = Op::Binary(kind);
    let shape = infer_shape(&op, &[edit.shape(a), edit.shape(b)]).ok()?;
    let size = |shape: &[usize]| shape.iter().product::<usize>();
    if size(&shape) > size(edit.shape(a)).max(size(edit.shape(b))) {
        return None;
    }
    let mut values = evaluate(edit, &op, &[a, b], &shape)?;
    if kind == BinaryKind::Mul {
        values.iter_mut().for_each(to_one);
    }
    let name = edit.tensor(b).name.clone();
    let finite = values.iter().all(|value| value.is_finite());
    finite.then(|| edit.weight(&name, &shape, &values))
}

/// A factor and its reciprocal are 1, whatever was rounded.
fn to_one(factor: &mut f32) {
    if (*factor - 1.0).abs() <= f32::EPSILON {
        *factor = 1.0;
    }
}
