//! One spelling of arithmetic: constants come second, and what a multiplication or an addition says is one.
//!
//! A DLA has a layer for `x * a + b`, and none for a division, for constants in front, or for a power.

use super::Edit;
use crate::graph::{BinaryKind, Node, Op, TensorId, UnaryKind};

pub(super) const ADD: Op = Op::Binary(BinaryKind::Add);
pub(super) const MUL: Op = Op::Binary(BinaryKind::Mul);

/// `c + x` is `x + c`; two activations come in the order of their numbers.
pub(super) fn order(edit: &mut Edit, node: usize) -> bool {
    let commutes = matches!(
        edit.op(node),
        Op::Binary(BinaryKind::Add | BinaryKind::Mul | BinaryKind::Max | BinaryKind::Min)
    );
    let [a, b] = edit.node(node).inputs[..] else {
        return false;
    };
    let key = |id| (edit.is_weight(id), id);
    if !commutes || key(a) <= key(b) {
        return false;
    }
    let op = edit.op(node).clone();
    edit.set(node, op, &[b, a]);
    true
}

/// `x / c` is `x * (1 / c)`.
pub(super) fn divide(edit: &mut Edit, node: usize) -> bool {
    let Some((x, c)) = constant_behind(edit, node, BinaryKind::Div) else {
        return false;
    };
    by(edit, node, MUL, x, c, |c| 1.0 / c)
}

/// `x - c` is `x + -c`.
pub(super) fn subtract(edit: &mut Edit, node: usize) -> bool {
    let Some((x, c)) = constant_behind(edit, node, BinaryKind::Sub) else {
        return false;
    };
    by(edit, node, ADD, x, c, |c| -c)
}

/// `c - x` is `x * -1 + c`, and `-x` is `x * -1`.
pub(super) fn negate(edit: &mut Edit, node: usize) -> bool {
    let (op, x, c) = match (edit.op(node), &edit.node(node).inputs[..]) {
        (Op::Unary(UnaryKind::Neg), [x]) => (MUL, *x, None),
        (Op::Binary(BinaryKind::Sub), [c, x]) if edit.is_weight(*c) && !edit.is_weight(*x) => {
            (ADD, *x, Some(*c))
        }
        _ => return false,
    };
    let name = edit.node(node).name.clone();
    let minus = edit.weight(&format!("{name}.minus"), &[], &[-1.0]);
    match c {
        None => edit.set(node, op, &[x, minus]),
        Some(c) => {
            let negative = edit.add(node, MUL, &[x, minus]);
            edit.set(node, op, &[negative, c]);
        }
    }
    true
}

/// Small whole powers are products, and a power of a half is a root.
pub(super) fn power(edit: &mut Edit, node: usize) -> bool {
    let Some((x, c)) = constant_behind(edit, node, BinaryKind::Pow) else {
        return false;
    };
    let same_shape = edit.shape(x) == edit.shape(edit.node(node).output);
    let exponent = edit.uniform(c).filter(|_| same_shape).unwrap_or_default();
    if exponent == 2.0 {
        edit.set(node, MUL, &[x, x]);
    } else if exponent == 3.0 {
        let square = edit.add(node, MUL, &[x, x]);
        edit.set(node, MUL, &[x, square]);
    } else if exponent == 0.5 {
        edit.set(node, Op::Unary(UnaryKind::Sqrt), &[x]);
    } else {
        return false;
    }
    true
}

/// The operands of a node of this kind whose second is constant, and whose first is not.
fn constant_behind(edit: &Edit, node: usize, kind: BinaryKind) -> Option<(TensorId, TensorId)> {
    let Node { op, inputs, .. } = edit.node(node);
    match inputs[..] {
        [x, c] if *op == Op::Binary(kind) && !edit.is_weight(x) && edit.is_weight(c) => Some((x, c)),
        _ => None,
    }
}

/// Makes a node join `x` with another constant, unless that is beyond float32.
fn by(edit: &mut Edit, node: usize, op: Op, x: TensorId, c: TensorId, of: fn(f32) -> f32) -> bool {
    let Some(values) = edit.values(c) else {
        return false;
    };
    let values: Vec<f32> = values.into_iter().map(of).collect();
    if !values.iter().all(|value| value.is_finite()) {
        return false;
    }
    let (name, shape) = (edit.tensor(c).name.clone(), edit.shape(c).to_vec());
    let c = edit.weight(&name, &shape, &values);
    edit.set(node, op, &[x, c]);
    true
}
