//! ELU and its relatives, and softplus, by functions that a DLA has: it has no exponential and no logarithm, and from
//! TensorRT 8.6.12 on Orin's divides and has the inverse of the hyperbolic tangent.
//!
//! Nothing overflows, and no two numbers that are nearly equal are subtracted.

use super::Edit;
use super::affine::with_constant;
use super::arithmetic::{ADD, MUL};
use super::sigmoid::SIGMOID;
use crate::graph::{Activation, BinaryKind, Op, TensorId, UnaryKind};

const RELU: Op = Op::Activation(Activation::Relu);

/// `relu(a - a * exp(x))`, the negative part of an ELU: with `t = tanh(relu(-x) / 2)` it is `a * 2 * t / (1 + t)`.
pub(super) fn elu(edit: &mut Edit, node: usize) -> bool {
    if *edit.op(node) != RELU {
        return false;
    }
    let Some((a, x)) = below_zero(edit, edit.node(node).inputs[0]) else {
        return false;
    };
    let [minus, half, one, twice] = [-1.0, 0.5, 1.0, 2.0 * a].map(|v| edit.weight("elu", &[], &[v]));
    let negative = edit.add(node, MUL, &[x, minus]);
    let below = edit.add(node, RELU, &[negative]);
    let halved = edit.add(node, MUL, &[below, half]);
    let t = edit.add(node, Op::Activation(Activation::Tanh), &[halved]);
    let above = edit.add(node, MUL, &[t, twice]);
    let under = edit.add(node, ADD, &[t, one]);
    edit.set(node, Op::Binary(BinaryKind::Div), &[above, under]);
    true
}

/// `a` and `x` of `a - a * exp(x)`.
fn below_zero(edit: &Edit, id: TensorId) -> Option<(f32, TensorId)> {
    let (BinaryKind::Add, product, shift) = with_constant(edit, edit.producer(id)?)? else {
        return None;
    };
    let (BinaryKind::Mul, power, factor) = with_constant(edit, edit.producer(product)?)? else {
        return None;
    };
    let a = edit.uniform(shift)?;
    let fits = a > 0.0 && edit.uniform(factor) == Some(-a);
    let ranged = [id, product, power].iter().any(|id| edit.is_ranged(*id));
    let x = unary(edit, power, UnaryKind::Exp)?;
    (fits && !ranged).then_some((a, x))
}

/// `log(1 + exp(x))` is `relu(x) + 2 * atanh(u / (2 - u))` with `u = sigmoid(-|x|)`; `log(sigmoid(x))` is the negative of
/// that of `-x`.
pub(super) fn softplus(edit: &mut Edit, node: usize) -> bool {
    if *edit.op(node) != Op::Unary(UnaryKind::Log) {
        return false;
    }
    let sum = edit.node(node).inputs[0];
    let minus = edit.weight("softplus", &[], &[-1.0]);
    if let Some(x) = one_and_power(edit, sum) {
        let parts = softplus_of(edit, node, x, minus);
        edit.set(node, ADD, &parts);
        return true;
    }
    let first = edit.producer(sum).filter(|first| *edit.op(*first) == SIGMOID);
    let Some(first) = first.filter(|_| !edit.is_ranged(sum)) else {
        return false;
    };
    let x = edit.node(first).inputs[0];
    let negative = edit.add(node, MUL, &[x, minus]);
    let parts = softplus_of(edit, node, negative, minus);
    let positive = edit.add(node, ADD, &parts);
    edit.set(node, MUL, &[positive, minus]);
    true
}

/// The two terms of a softplus.
fn softplus_of(edit: &mut Edit, node: usize, x: TensorId, minus: TensorId) -> [TensorId; 2] {
    let two = edit.weight("softplus", &[], &[2.0]);
    let far = edit.add(node, Op::Unary(UnaryKind::Abs), &[x]);
    let far = edit.add(node, MUL, &[far, minus]);
    let u = edit.add(node, SIGMOID, &[far]);
    let under = edit.add(node, MUL, &[u, minus]);
    let under = edit.add(node, ADD, &[under, two]);
    let y = edit.add(node, Op::Binary(BinaryKind::Div), &[u, under]);
    let y = edit.add(node, Op::Unary(UnaryKind::Atanh), &[y]);
    let near = edit.add(node, MUL, &[y, two]);
    [edit.add(node, RELU, &[x]), near]
}

/// `x` of `exp(x) + 1`.
fn one_and_power(edit: &Edit, sum: TensorId) -> Option<TensorId> {
    let (kind, power, one) = with_constant(edit, edit.producer(sum)?)?;
    let ranged = edit.is_ranged(sum) || edit.is_ranged(power);
    let fits = kind == BinaryKind::Add && edit.uniform(one) == Some(1.0) && !ranged;
    unary(edit, power, UnaryKind::Exp).filter(|_| fits)
}

/// The operand of the function that gives `id`.
fn unary(edit: &Edit, id: TensorId, kind: UnaryKind) -> Option<TensorId> {
    let node = edit.producer(id)?;
    (*edit.op(node) == Op::Unary(kind)).then(|| edit.node(node).inputs[0])
}
