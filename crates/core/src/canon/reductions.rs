//! Reductions that together, or in another shape, reduce a map: one after the other, over a map that was made a line, sums
//! that are divided. Each becomes the reduction over rows and columns that is a pooling.

use super::Edit;
use super::arithmetic::MUL;
use super::means::{equal_windows, largest_part};
use super::reshapes::runs;
use crate::graph::{Op, PoolKind, ReduceKind, TensorId};

/// The axes of rows and columns.
const MAP: [usize; 2] = [2, 3];

/// A reduction of a reduction of its kind: of equally many elements each, so that a mean of means is the mean.
pub(super) fn join(edit: &mut Edit, node: usize) -> bool {
    let Some((kind, outer, between)) = reduction(edit, node) else {
        return false;
    };
    let Some(first) = edit.producer_for(between, node) else {
        return false;
    };
    let Some((same, inner, x)) = reduction(edit, first).filter(|(same, ..)| *same == kind) else {
        return false;
    };
    if edit.loses_range(between, &[edit.node(node).output]) {
        return false;
    }
    let rank = edit.shape(x).len();
    let whole = edit.shape(between).len() == rank;
    let left: Vec<usize> = (0..rank).filter(|axis| whole || !inner.contains(axis)).collect();
    let mut axes: Vec<usize> = outer.iter().map(|axis| left[*axis]).chain(inner).collect();
    axes.sort_unstable();
    axes.dedup();
    reduce(edit, node, same, axes, x);
    true
}

/// A reduction over what a reshape made of rows and columns is one over rows and columns.
pub(super) fn unfold(edit: &mut Edit, node: usize) -> bool {
    let Some((kind, axes, line)) = reduction(edit, node) else {
        return false;
    };
    let Some(first) = edit
        .producer(line)
        .filter(|first| edit.op(*first).only_reshapes())
    else {
        return false;
    };
    let x = edit.node(first).inputs[0];
    let (from, to) = (edit.shape(x), edit.shape(line));
    if from.len() != 4 || edit.loses_range(line, &[x]) {
        return false;
    }
    let mut reduced = Vec::new();
    for (own, its) in runs(from, to) {
        let long = its.into_iter().filter(|axis| to[*axis] > 1);
        let (gone, kept): (Vec<usize>, Vec<usize>) = long.partition(|axis| axes.contains(axis));
        if !gone.is_empty() && !kept.is_empty() {
            return false;
        }
        if !gone.is_empty() {
            reduced.extend(own.into_iter().filter(|axis| from[*axis] > 1));
        }
    }
    if reduced.is_empty() || reduced.iter().any(|axis| !MAP.contains(axis)) {
        return false;
    }
    reduce(edit, node, kind, reduced, x);
    true
}

/// The sum over a map is its mean times the number of its elements; what divides it joins that.
pub(super) fn sum(edit: &mut Edit, node: usize) -> bool {
    let Some((ReduceKind::Sum, axes, x)) = reduction(edit, node) else {
        return false;
    };
    let shape = edit.shape(x);
    if shape.len() != 4 || !axes.iter().all(|axis| MAP.contains(axis)) {
        return false;
    }
    let count: usize = axes.iter().map(|axis| shape[*axis]).product();
    let keepdims = edit.shape(edit.node(node).output).len() == 4;
    let mean = Op::Reduce {
        kind: ReduceKind::Mean,
        axes,
        keepdims,
    };
    let mean = edit.add(node, mean, &[x]);
    let count = edit.weight("elements", &[], &[count as f32]);
    edit.set(node, MUL, &[mean, count]);
    true
}

/// The mean or the maximum over rows, or over columns, is a pooling with a window as long as they are.
pub(super) fn line(edit: &mut Edit, node: usize) -> bool {
    let Some((kind, axes, x)) = reduction(edit, node) else {
        return false;
    };
    let kind = match kind {
        ReduceKind::Mean => PoolKind::Average,
        ReduceKind::Max => PoolKind::Max,
        ReduceKind::Sum | ReduceKind::Prod | ReduceKind::Min => return false,
    };
    let ([axis @ (2 | 3)], [_, _, height, width]) = (&axes[..], edit.shape(x)) else {
        return false;
    };
    let window = [
        if *axis == 2 { *height } else { 1 },
        if *axis == 3 { *width } else { 1 },
    ];
    if largest_part(window[axis - 2]).is_none() {
        return false;
    }
    edit.set_reshaped(node, equal_windows(kind, window), &[x]);
    true
}

fn reduction(edit: &Edit, node: usize) -> Option<(ReduceKind, Vec<usize>, TensorId)> {
    match edit.op(node) {
        Op::Reduce { kind, axes, .. } => Some((*kind, axes.clone(), edit.node(node).inputs[0])),
        _ => None,
    }
}

/// Has `node` reduce `x` over `axes`, in the shape that it has.
fn reduce(edit: &mut Edit, node: usize, kind: ReduceKind, axes: Vec<usize>, x: TensorId) {
    let over = Op::Reduce {
        kind,
        axes,
        keepdims: true,
    };
    edit.set_reshaped(node, over, &[x]);
}
