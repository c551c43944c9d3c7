//! Padding moves behind functions of single elements that keep its value, towards the layer that takes it.

use super::pad_before;
use crate::canon::Edit;
use crate::canon::affine::with_constant;
use crate::graph::{Activation, BinaryKind, Op, Pad, UnaryKind};

pub fn sink(edit: &mut Edit, node: usize) -> bool {
    let Some((x, pad)) = pad_before(edit, node) else {
        return false;
    };
    let Some(value) = value_behind(edit, node, pad) else {
        return false;
    };
    let pad = Pad { value, ..pad.clone() };
    let (op, mut inputs) = (edit.op(node).clone(), edit.node(node).inputs.clone());
    let wide = std::mem::replace(&mut inputs[0], x);
    let narrow = edit.add(node, op, &inputs);
    edit.stands_for(x, wide);
    edit.set(node, Op::Pad(pad), &[narrow]);
    true
}

/// What becomes of the padding in the node; `None` when it becomes another value than zero or itself.
fn value_behind(edit: &Edit, node: usize, pad: &Pad) -> Option<f32> {
    let v = pad.value;
    let value = match edit.op(node) {
        Op::Activation(Activation::Relu) => v.max(0.0),
        Op::Activation(Activation::Clip { min, max }) => v.clamp(*min, *max),
        Op::Activation(Activation::LeakyRelu { .. } | Activation::Tanh) | Op::PRelu if v == 0.0 => v,
        Op::Unary(UnaryKind::Abs | UnaryKind::Sqrt) if v == 0.0 => v,
        Op::Binary(BinaryKind::Mul) if v == 0.0 => {
            let (_, _, c) = with_constant(edit, node)?;
            repeats(edit.shape(c), pad).then_some(v)?
        }
        _ => return None,
    };
    (value == 0.0 || value == v).then_some(value)
}

/// Whether a constant is the same wherever something is padded.
fn repeats(constant: &[usize], pad: &Pad) -> bool {
    let missing = pad.before.len().saturating_sub(constant.len());
    let widths = pad.before.iter().zip(&pad.after).skip(missing);
    let mut axes = constant.iter().zip(widths);
    axes.all(|(size, (before, after))| *size == 1 || (*before == 0 && *after == 0))
}
