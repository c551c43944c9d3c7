//! Nodes that do nothing: their readers read what they read.

use super::Edit;
use crate::graph::{Activation, BinaryKind, Bounds, Node, Op, PaddingNd, UnaryKind};

/// Takes out a node that passes its operand on as it is. What the network returns stays computed by a node.
pub(super) fn remove(edit: &mut Edit, node: usize) -> bool {
    let Node { inputs, output, .. } = edit.node(node);
    let (old, inputs) = (*output, inputs.clone());
    let Some(new) = passed_on(edit, edit.node(node)).map(|operand| inputs[operand]) else {
        return false;
    };
    if edit.is_output(old) && (edit.producer(new).is_none() || edit.is_output(new)) {
        return false;
    }
    edit.replace(old, new);
    true
}

/// Which operand is the node's result.
fn passed_on(edit: &Edit, node: &Node) -> Option<usize> {
    let same_shape = |operand: usize| edit.shape(node.inputs[operand]) == edit.shape(node.output);
    let nothing = match &node.op {
        Op::Reshape { .. }
        | Op::Flatten
        | Op::Squeeze { .. }
        | Op::ExpandDims { .. }
        | Op::Slice { .. }
        | Op::Resize2d(_)
        | Op::AdaptivePool { .. }
        | Op::GlobalPool(_) => same_shape(0),
        Op::Concat { .. } => node.inputs.len() == 1,
        Op::Pad(pad) => pad.before.iter().chain(&pad.after).all(|width| *width == 0),
        Op::Transpose { axes } => axes.iter().copied().eq(0..axes.len()),
        Op::Pool2d(pool) => pool.window == [1; 2] && pool.stride == [1; 2] && pool.padding.is_zero(),
        Op::Pool3d(pool) => {
            pool.window == [1; 3] && pool.stride == [1; 3] && pool.padding == PaddingNd::uniform(0)
        }
        Op::Reduce { axes, .. } => {
            let one = |axis: &usize| edit.shape(node.inputs[0])[*axis] == 1;
            same_shape(0) && axes.iter().all(one)
        }
        Op::Activation(activation) => keeps(*activation, edit.bounds(node.inputs[0])),
        Op::Unary(UnaryKind::Abs) => edit.bounds(node.inputs[0]).0 >= 0.0,
        Op::BiasAdd { .. } => edit.uniform(node.inputs[1]) == Some(0.0),
        Op::Binary(kind) => return neutral(edit, node, *kind).filter(|x| same_shape(*x)),
        Op::Conv1d(_)
        | Op::Conv2d(_)
        | Op::Conv3d(_)
        | Op::Deconv2d(_)
        | Op::Deconv3d(_)
        | Op::BatchNorm { .. }
        | Op::LayerNorm { .. }
        | Op::Unary(_)
        | Op::PRelu
        | Op::Lrn(_)
        | Op::Dense
        | Op::BatchMatmul { .. }
        | Op::Softmax { .. } => false,
    };
    nothing.then_some(0)
}

/// Whether the function changes nothing between these bounds.
fn keeps(activation: Activation, (low, high): Bounds) -> bool {
    match activation {
        Activation::Relu => low >= 0.0,
        Activation::Clip { min, max } => low >= min && high <= max,
        Activation::LeakyRelu { alpha } => low >= 0.0 || alpha == 1.0,
        Activation::Sigmoid | Activation::Tanh => false,
    }
}

/// The operand that a neutral constant beside it leaves as it is.
fn neutral(edit: &Edit, node: &Node, kind: BinaryKind) -> Option<usize> {
    let is = |operand: usize, value| edit.uniform(node.inputs[operand]) == Some(value);
    match kind {
        BinaryKind::Add if is(0, 0.0) => Some(1),
        BinaryKind::Mul if is(0, 1.0) => Some(1),
        BinaryKind::Add | BinaryKind::Sub if is(1, 0.0) => Some(0),
        BinaryKind::Mul | BinaryKind::Div | BinaryKind::Pow if is(1, 1.0) => Some(0),
        BinaryKind::Max | BinaryKind::Min if node.inputs[0] == node.inputs[1] => Some(0),
        _ => None,
    }
}
