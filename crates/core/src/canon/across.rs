//! Across the channels of a map: their mean and sum are a 1x1 convolution, their maximum is one of halves, and one map for
//! all of them is repeated by a 1x1 convolution with ones. Spatial attention is made of these.
//!
//! A DLA reduces rows and columns only (rule `reduce`) and broadcasts nothing (rule `ew.broadcast`).

use super::Edit;
use super::arithmetic::{ADD, MUL};
use super::channels::SHARE;
use crate::graph::{BinaryKind, Conv2d, Op, Range, ReduceKind, TensorId, UnaryKind};

const CHANNELS: [usize; 1] = [1];

/// The mean or the sum over channels. What becomes the divisor of a normalisation stays: its root is no layer of a DLA.
pub(super) fn mean(edit: &mut Edit, node: usize) -> bool {
    let Some((kind, x, channels)) = reduced(edit, node) else {
        return false;
    };
    let factor = match kind {
        ReduceKind::Mean => 1.0 / channels as f32,
        ReduceKind::Sum => 1.0,
        ReduceKind::Prod | ReduceKind::Max | ReduceKind::Min => return false,
    };
    let cost = edit.shape(x)[1..].iter().product::<usize>() as u64;
    if normalises(edit, node, x) || !edit.spend(cost, SHARE) {
        return false;
    }
    let name = format!("{}.factors", edit.node(node).name);
    let kernel = edit.weight(&name, &[1, channels, 1, 1], &vec![factor; channels]);
    edit.set_reshaped(node, Op::Conv2d(Conv2d::plain([1; 2])), &[x, kernel]);
    true
}

/// The maximum over channels is that of their halves, until one is left; the halves of an odd number share a channel.
pub(super) fn maximum(edit: &mut Edit, node: usize) -> bool {
    let Some((ReduceKind::Max, x, channels)) = reduced(edit, node) else {
        return false;
    };
    if channels == 1 {
        return false;
    }
    let (mut map, mut left) = (x, channels);
    loop {
        let half = left.div_ceil(2);
        let parts = [0, left - half].map(|start| channels_from(edit, node, map, start, half));
        if half == 1 {
            edit.set_reshaped(node, Op::Binary(BinaryKind::Max), &parts);
            return true;
        }
        map = edit.add(node, Op::Binary(BinaryKind::Max), &parts);
        left = half;
    }
}

fn channels_from(edit: &mut Edit, node: usize, x: TensorId, start: usize, len: usize) -> TensorId {
    let range = Range {
        axis: 1,
        start,
        len,
        step: 1,
    };
    let ranges = vec![range];
    edit.add(node, Op::Slice { ranges }, &[x])
}

/// A least element is the negative of the greatest of negatives.
pub(super) fn minimum(edit: &mut Edit, node: usize) -> bool {
    let Op::Reduce {
        kind: ReduceKind::Min,
        axes,
        keepdims,
    } = edit.op(node)
    else {
        return false;
    };
    let (axes, keepdims, x) = (axes.clone(), *keepdims, edit.node(node).inputs[0]);
    let known = edit.is_ranged(x) || edit.is_ranged(edit.node(node).output);
    let maps = edit.shape(x).len() == 4 && !axes.contains(&0);
    if !maps || known || (axes.contains(&1) && axes.len() > 1) {
        return false;
    }
    let minus = edit.weight("minus", &[], &[-1.0]);
    let negative = edit.add(node, MUL, &[x, minus]);
    let kind = ReduceKind::Max;
    let greatest = Op::Reduce { kind, axes, keepdims };
    let greatest = edit.add(node, greatest, &[negative]);
    edit.set(node, MUL, &[greatest, minus]);
    true
}

/// An element-wise layer over a map and one channel of such a map.
pub(super) fn spread(edit: &mut Edit, node: usize) -> bool {
    let (Op::Binary(_), [a, b]) = (edit.op(node), &edit.node(node).inputs[..]) else {
        return false;
    };
    let mut inputs = [*a, *b];
    let shape = edit.shape(edit.node(node).output).to_vec();
    let one = |id: TensorId| {
        let own = edit.shape(id);
        let narrow = own.len() == 4 && own[1] == 1 && own[0] == shape[0];
        narrow && !edit.is_weight(id)
    };
    let (4, Some(narrow)) = (shape.len(), inputs.iter().position(|id| one(*id))) else {
        return false;
    };
    let map = &edit.shape(inputs[narrow])[2..];
    let fits = map == [1, 1] || *map == shape[2..];
    let cost = (shape[1] * map.iter().product::<usize>()) as u64;
    if shape[1] == 1 || !fits || !edit.spend(cost, SHARE) {
        return false;
    }
    let name = format!("{}.ones", edit.node(node).name);
    let ones = edit.weight(&name, &[shape[1], 1, 1, 1], &vec![1.0; shape[1]]);
    let conv = Op::Conv2d(Conv2d::plain([1; 2]));
    inputs[narrow] = edit.add(node, conv, &[inputs[narrow], ones]);
    let op = edit.op(node).clone();
    edit.set(node, op, &inputs);
    true
}

/// A reduction over the channels of a map: its kind, operand and how many channels there are.
fn reduced(edit: &Edit, node: usize) -> Option<(ReduceKind, TensorId, usize)> {
    let Op::Reduce { kind, axes, .. } = edit.op(node) else {
        return None;
    };
    let x = edit.node(node).inputs[0];
    let &[_, channels, _, _] = edit.shape(x) else {
        return None;
    };
    (axes[..] == CHANNELS).then_some((*kind, x, channels))
}

/// Whether a mean is taken off what it is of, or its root is taken.
fn normalises(edit: &Edit, node: usize, x: TensorId) -> bool {
    let mut left = vec![edit.node(node).output];
    while let Some(id) = left.pop() {
        for reader in edit.readers(id) {
            let op = edit.op(*reader);
            let centres = *op == Op::Binary(BinaryKind::Sub) && edit.node(*reader).inputs[0] == x;
            if centres || matches!(op, Op::Unary(UnaryKind::Sqrt) | Op::Binary(BinaryKind::Pow)) {
                return true;
            }
            let constant = edit.node(*reader).inputs[1..].iter();
            let repeats = matches!(op, Op::Conv2d(_))
                && edit.shape(id)[1..] != edit.shape(x)[1..]
                && edit.uniform(edit.node(*reader).inputs[1]) == Some(1.0);
            let scales = [ADD, MUL].contains(op) && constant.clone().all(|id| edit.is_weight(*id));
            if scales || repeats || op.only_reshapes() {
                left.push(edit.node(*reader).output);
            }
        }
    }
    false
}
