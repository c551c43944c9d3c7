//! Pooling of a whole map: reductions over both map axes are it, and windows larger than a DLA takes are several in a row.

use super::Edit;
use crate::graph::{Op, Padding2d, Pool2d, PoolKind, ReduceKind};

/// The longest side of a window that every DLA takes (rule `pool.win`).
pub(super) const SIDE: usize = 8;

/// The mean or the maximum over rows and columns.
pub(super) fn reduction(edit: &mut Edit, node: usize) -> bool {
    let Op::Reduce { kind, axes, .. } = edit.op(node) else {
        return false;
    };
    let x = edit.node(node).inputs[0];
    let kind = match kind {
        ReduceKind::Mean => PoolKind::Average,
        ReduceKind::Max => PoolKind::Max,
        ReduceKind::Sum | ReduceKind::Prod | ReduceKind::Min => return false,
    };
    if !whole_map(axes, edit.shape(x)) {
        return false;
    }
    edit.set_reshaped(node, Op::GlobalPool(kind), &[x]);
    true
}

/// Whether the axes are those of a map; an axis of one element need not be named.
fn whole_map(axes: &[usize], shape: &[usize]) -> bool {
    let named = |axis: usize| axes.contains(&axis) || shape[axis] == 1;
    shape.len() == 4 && axes.iter().all(|axis| *axis >= 2) && named(2) && named(3)
}

/// Equal windows without gaps that are larger than a DLA takes: windows of windows. A mean of equally many means is the
/// mean, so that only the roundings differ, by half a unit of what is stored in between for every layer more.
pub(super) fn cascade(edit: &mut Edit, node: usize) -> bool {
    let x = edit.node(node).inputs[0];
    let [_, _, height, width] = edit.shape(x)[..] else {
        return false;
    };
    let Some((kind, window)) = tiles(edit.op(node), [height, width]) else {
        return false;
    };
    if window.iter().all(|side| *side <= SIDE) || edit.loses_range(edit.node(node).output, &[]) {
        return false;
    }
    let [Some(first), Some(second)] = window.map(largest_part) else {
        return false;
    };
    let op = edit.op(node).clone();
    let rest = [window[0] / first, window[1] / second];
    let part = edit.add(node, equal_windows(kind, [first, second]), &[x]);
    let last = match op {
        Op::Pool2d(_) => equal_windows(kind, rest),
        whole => whole,
    };
    edit.set(node, last, &[part]);
    true
}

/// The windows of a pooling that tile its map.
fn tiles(op: &Op, map: [usize; 2]) -> Option<(PoolKind, [usize; 2])> {
    match op {
        Op::GlobalPool(kind) => Some((*kind, map)),
        Op::AdaptivePool { kind, output } => {
            let whole = (0..2).all(|i| map[i].is_multiple_of(output[i]));
            whole.then(|| (*kind, [map[0] / output[0], map[1] / output[1]]))
        }
        Op::Pool2d(pool) => {
            let plain = pool.padding.is_zero() && pool.dilation == [1; 2];
            let one = |i: usize| pool.window[i] == map[i] || pool.stride[i] == pool.window[i];
            let whole = (0..2).all(|i| one(i) && map[i].is_multiple_of(pool.window[i]));
            (plain && whole).then_some((pool.kind, pool.window))
        }
        _ => None,
    }
}

/// The largest part of a side that a DLA takes and that leaves parts that it takes.
pub(super) fn largest_part(side: usize) -> Option<usize> {
    if side <= SIDE {
        return Some(side);
    }
    let parts = (2..=SIDE).rev();
    let mut whole = parts.filter(|part| side.is_multiple_of(*part));
    whole.find(|part| largest_part(side / part).is_some())
}

/// Windows that touch.
pub(super) fn equal_windows(kind: PoolKind, window: [usize; 2]) -> Op {
    Op::Pool2d(Pool2d {
        kind,
        window,
        stride: window,
        padding: Padding2d::default(),
        dilation: [1; 2],
        ceil_mode: false,
        count_include_pad: false,
    })
}
