//! Hard sigmoid and hard swish: every spelling becomes `clip(x / 6 + 0.5, 0, 1)`, and `x` times that.
//!
//! A scale, a clip up to 1 and a product: all three are layers of a DLA. Exporters write `relu6(x + 3) / 6` with the sixth
//! in front, behind, or on the other factor.

use super::Edit;
use super::affine::with_constant;
use super::arithmetic::MUL;
use crate::graph::{Activation, BinaryKind, Op, TensorId};

/// How far from 1 a limit may be, by rounding, to mean it.
const ROUNDING: f32 = 1e-6;

/// `clip(z, 0, h) * c` with `h * c = 1` is `clip(z * c, 0, 1)`.
pub(super) fn sigmoid(edit: &mut Edit, node: usize) -> bool {
    let Some((BinaryKind::Mul, clipped, c)) = with_constant(edit, node) else {
        return false;
    };
    let Some((z, max)) = unit(edit, clipped, c) else {
        return false;
    };
    let output = edit.node(node).output;
    if edit.only_reader(clipped) != Some(node) || edit.loses_range(clipped, &[output]) {
        return false;
    }
    let scaled = edit.add(node, MUL, &[z, c]);
    let clip = Activation::Clip { min: 0.0, max };
    edit.set(node, Op::Activation(clip), &[scaled]);
    true
}

/// `x * k * c` is `x * (k * c)`, for a `k` that `c` makes a hard sigmoid.
pub(super) fn swish(edit: &mut Edit, node: usize) -> bool {
    scaled_product(edit, node) || scaled_factor(edit, node)
}

/// `(x * k) * c`
fn scaled_product(edit: &mut Edit, node: usize) -> bool {
    let Some((BinaryKind::Mul, product, c)) = with_constant(edit, node) else {
        return false;
    };
    let Some(first) = edit.producer(product).filter(|_| movable(edit, product, node)) else {
        return false;
    };
    let Some([a, b]) = factors(edit, first) else {
        return false;
    };
    let Some((k, x)) = [(a, b), (b, a)]
        .into_iter()
        .find(|(k, _)| gate(edit, *k, first, c))
    else {
        return false;
    };
    let gate = edit.add(node, MUL, &[k, c]);
    edit.set(node, MUL, &[x, gate]);
    true
}

/// `(x * c) * k`
fn scaled_factor(edit: &mut Edit, node: usize) -> bool {
    let Some([a, b]) = factors(edit, node) else {
        return false;
    };
    for (k, scaled) in [(a, b), (b, a)] {
        let first = edit.producer(scaled).filter(|_| movable(edit, scaled, node));
        let Some((BinaryKind::Mul, x, c)) = first.and_then(|first| with_constant(edit, first)) else {
            continue;
        };
        if gate(edit, k, node, c) {
            let gate = edit.add(node, MUL, &[k, c]);
            edit.set(node, MUL, &[x, gate]);
            return true;
        }
    }
    false
}

/// Whether `k` is clipped, read by `reader` only, and between 0 and 1 once it is scaled.
fn gate(edit: &Edit, k: TensorId, reader: usize, c: TensorId) -> bool {
    movable(edit, k, reader) && unit(edit, k, c).is_some()
}

/// Whether nothing but `reader` knows a tensor.
fn movable(edit: &Edit, id: TensorId, reader: usize) -> bool {
    edit.only_reader(id) == Some(reader) && !edit.is_ranged(id)
}

/// What is clipped from 0 to a tensor, and the upper limit times `c`, which is 1 or hardly more.
fn unit(edit: &Edit, clipped: TensorId, c: TensorId) -> Option<(TensorId, f32)> {
    let clip = edit.producer(clipped)?;
    let Op::Activation(Activation::Clip { min: 0.0, max }) = *edit.op(clip) else {
        return None;
    };
    let limit = max * edit.uniform(c).filter(|c| *c > 0.0)?;
    let limit = if (limit - 1.0).abs() <= ROUNDING {
        1.0
    } else {
        limit
    };
    (1.0..1.01)
        .contains(&limit)
        .then(|| (edit.node(clip).inputs[0], limit))
}

/// The operands of a product of two tensors.
fn factors(edit: &Edit, node: usize) -> Option<[TensorId; 2]> {
    let [a, b] = edit.node(node).inputs[..] else {
        return None;
    };
    let tensors = !edit.is_weight(a) && !edit.is_weight(b) && a != b;
    (*edit.op(node) == MUL && tensors).then_some([a, b])
}
