//! Sigmoid spelled with exponentials, which no DLA has: `1 / (1 + exp(-x))`, `x / (1 + exp(-x))`, `exp(x) / (1 + exp(x))`.

use super::Edit;
use super::affine::with_constant;
use super::arithmetic::MUL;
use crate::graph::{Activation, BinaryKind, Op, TensorId, UnaryKind};

pub(super) const SIGMOID: Op = Op::Activation(Activation::Sigmoid);

/// A quotient by `1 + exp(..)` is a product with a sigmoid.
pub(super) fn quotient(edit: &mut Edit, node: usize) -> bool {
    let (Op::Binary(BinaryKind::Div), [n, d]) = (edit.op(node), &edit.node(node).inputs[..]) else {
        return false;
    };
    let (n, d) = (*n, *d);
    let Some((exponent, power)) = one_and_power(edit, d) else {
        return false;
    };
    let same_shape = edit.shape(d) == edit.shape(edit.node(node).output);
    if !same_shape || edit.is_ranged(d) || edit.is_ranged(power) {
        return false;
    }
    if n == power {
        edit.set(node, SIGMOID, &[exponent]);
        return true;
    }
    let x = negative(edit, node, exponent);
    if edit.uniform(n) == Some(1.0) {
        edit.set(node, SIGMOID, &[x]);
    } else {
        let sigmoid = edit.add(node, SIGMOID, &[x]);
        edit.set(node, MUL, &[n, sigmoid]);
    }
    true
}

/// `e` and `exp(e)` of `1 + exp(e)`.
fn one_and_power(edit: &Edit, sum: TensorId) -> Option<(TensorId, TensorId)> {
    let (kind, power, one) = with_constant(edit, edit.producer(sum)?)?;
    let exp = edit.producer(power)?;
    let is_exp = *edit.op(exp) == Op::Unary(UnaryKind::Exp);
    let fits = is_exp && kind == BinaryKind::Add && edit.uniform(one) == Some(1.0);
    fits.then(|| (edit.node(exp).inputs[0], power))
}

/// The negative of `id`, which mostly is a negative itself.
fn negative(edit: &mut Edit, stead: usize, id: TensorId) -> TensorId {
    let product = edit.producer(id).and_then(|node| with_constant(edit, node));
    match product {
        Some((BinaryKind::Mul, x, minus)) if edit.uniform(minus) == Some(-1.0) => x,
        _ => {
            let minus = edit.weight("minus", &[], &[-1.0]);
            edit.add(stead, MUL, &[id, minus])
        }
    }
}
