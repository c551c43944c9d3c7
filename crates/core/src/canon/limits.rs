//! Limits in a row are one limit, however they are spelled: `relu`, `clip`, `max` and `min` with one constant.

use super::Edit;
use super::affine::with_constant;
use super::arithmetic::{ADD, MUL};
use crate::graph::{Activation, BinaryKind, Op, TensorId};

/// How far a limit may be, by rounding, from the number that it means.
const ROUNDING: f32 = 1e-6;

/// `max(x, 0)` is a ReLU, `min(x, 6)` a clip.
pub(super) fn spell(edit: &mut Edit, node: usize) -> bool {
    let (kind, x, c) = match (edit.op(node), &edit.node(node).inputs[..]) {
        (Op::Binary(kind), [x, c]) => (*kind, *x, *c),
        (Op::Activation(Activation::Clip { min, max }), [x]) => {
            let (x, limits) = (*x, named(*min, *max));
            let another = *edit.op(node) != Op::Activation(limits);
            if another {
                edit.set(node, Op::Activation(limits), &[x]);
            }
            return another;
        }
        _ => return false,
    };
    let same_shape = edit.shape(x) == edit.shape(edit.node(node).output);
    let Some(limit) = edit.uniform(c).filter(|_| same_shape && !edit.is_weight(x)) else {
        return false;
    };
    let limits = match kind {
        BinaryKind::Max => named(limit, f32::INFINITY),
        BinaryKind::Min => named(f32::NEG_INFINITY, limit),
        _ => return false,
    };
    let finite = limit.is_finite();
    if finite {
        edit.set(node, Op::Activation(limits), &[x]);
    }
    finite
}

/// A limit behind a limit that nothing else reads.
pub(super) fn join(edit: &mut Edit, node: usize) -> bool {
    let Some((min, max)) = limits(edit, node) else {
        return false;
    };
    let between = edit.node(node).inputs[0];
    let Some(first) = edit.producer_for(between, node) else {
        return false;
    };
    let Some((low, high)) = limits(edit, first) else {
        return false;
    };
    if edit.loses_range(between, &[edit.node(node).output]) {
        return false;
    }
    let x = edit.node(first).inputs[0];
    let both = named(low.clamp(min, max), high.clamp(min, max));
    edit.set(node, Op::Activation(both), &[x]);
    true
}

/// `clip(x, a, b) * k + c` with `a * k = -c` is `clip(x * k + c, 0, b * k + c)`: a DLA clips at zero only.
pub(super) fn shifted(edit: &mut Edit, node: usize) -> bool {
    let Some((BinaryKind::Add, mut clipped, c)) = with_constant(edit, node) else {
        return false;
    };
    let Some(mut first) = inner(edit, node, clipped) else {
        return false;
    };
    let mut factor = None;
    if let Some((BinaryKind::Mul, x, k)) = with_constant(edit, first) {
        let Some(clip) = inner(edit, first, x) else {
            return false;
        };
        (factor, clipped, first) = (Some(k), x, clip);
    }
    let one = Some(1.0);
    let (Op::Activation(Activation::Clip { min, max }), Some(k), Some(shift)) = (
        edit.op(first).clone(),
        factor.map_or(one, |k| edit.uniform(k)),
        edit.uniform(c),
    ) else {
        return false;
    };
    let meets = (min * k + shift).abs() <= ROUNDING * shift.abs();
    if !meets || k <= 0.0 || shift <= 0.0 || edit.is_ranged(clipped) {
        return false;
    }
    let max = max * k + shift;
    let max = if (max - 1.0).abs() <= ROUNDING { 1.0 } else { max };
    let mut x = edit.node(first).inputs[0];
    if let Some(k) = factor {
        x = edit.add(node, MUL, &[x, k]);
    }
    let sum = edit.add(node, ADD, &[x, c]);
    edit.set(node, Op::Activation(named(0.0, max)), &[sum]);
    true
}

/// What computes `id`, which nothing but `node` knows.
fn inner(edit: &Edit, node: usize, id: TensorId) -> Option<usize> {
    edit.producer_for(id, node).filter(|_| !edit.is_ranged(id))
}

/// Between which values a node cuts its operand.
fn limits(edit: &Edit, node: usize) -> Option<(f32, f32)> {
    match edit.op(node) {
        Op::Activation(Activation::Relu) => Some((0.0, f32::INFINITY)),
        Op::Activation(Activation::Clip { min, max }) => Some((*min, *max)),
        _ => None,
    }
}

/// The function that cuts there. Exporters write the largest number where they mean no limit.
fn named(min: f32, max: f32) -> Activation {
    let min = if min == f32::MIN { f32::NEG_INFINITY } else { min };
    let max = if max == f32::MAX { f32::INFINITY } else { max };
    if min == 0.0 && max == f32::INFINITY {
        Activation::Relu
    } else {
        Activation::Clip { min, max }
    }
}
