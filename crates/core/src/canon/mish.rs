//! `tanh(log(1 + exp(x)))`, of which Mish is the product with `x`, by one sigmoid: a DLA has no exponential and no
//! logarithm.
//!
//! With `s = sigmoid(x)`, `1 + exp(x)` is `1 / (1 - s)`, and the tangent is `s * (2 - s) / (1 + (1 - s)^2)`: nothing
//! overflows, and no two numbers that are nearly equal are subtracted where the result is small.

use super::Edit;
use super::affine::with_constant;
use super::arithmetic::{ADD, MUL};
use super::sigmoid::SIGMOID;
use crate::graph::{Activation, BinaryKind, Op, TensorId, UnaryKind};

pub(super) fn tanh_of_softplus(edit: &mut Edit, node: usize) -> bool {
    if *edit.op(node) != Op::Activation(Activation::Tanh) {
        return false;
    }
    let Some(x) = softplus(edit, edit.node(node).inputs[0]) else {
        return false;
    };
    let constant = |edit: &mut Edit, value: f32| edit.weight("mish", &[], &[value]);
    let [minus, one, two] = [-1.0, 1.0, 2.0].map(|value| constant(edit, value));
    let s = edit.add(node, SIGMOID, &[x]);
    let negative = edit.add(node, MUL, &[s, minus]);
    let [rest, more] = [one, two].map(|shift| edit.add(node, ADD, &[negative, shift]));
    let above = edit.add(node, MUL, &[s, more]);
    let square = edit.add(node, MUL, &[rest, rest]);
    let below = edit.add(node, ADD, &[square, one]);
    edit.set(node, Op::Binary(BinaryKind::Div), &[above, below]);
    true
}

/// `x` of `log(exp(x) + 1)`.
fn softplus(edit: &Edit, id: TensorId) -> Option<TensorId> {
    let sum = unary(edit, id, UnaryKind::Log)?;
    let (kind, power, one) = with_constant(edit, edit.producer(sum)?)?;
    let x = unary(edit, power, UnaryKind::Exp)?;
    let ranged = [id, sum, power].iter().any(|id| edit.is_ranged(*id));
    (kind == BinaryKind::Add && edit.uniform(one) == Some(1.0) && !ranged).then_some(x)
}

/// The operand of the function that gives `id`.
fn unary(edit: &Edit, id: TensorId, kind: UnaryKind) -> Option<TensorId> {
    let node = edit.producer(id)?;
    (*edit.op(node) == Op::Unary(kind)).then(|| edit.node(node).inputs[0])
}
