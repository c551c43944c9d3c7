//! Max poolings over windows that are larger than a DLA takes: several in a row, of which the last one strides.
//!
//! Windows of `k1` over windows of `k2` are windows of `k1 + k2 - 1`. The padding is dealt out to all of them: what a later
//! layer pads stands for windows of the layer before that begin beyond the map, and the nearest window within it holds
//! every element of theirs.

use super::Edit;
use super::means::SIDE;
use crate::graph::{Op, Padding2d, PaddingNd, Pool2d, PoolKind};

/// The widest padding that every DLA takes (rule `pool.pad`).
const PADDING: usize = 7;

/// A window larger than a DLA takes.
pub(super) fn cascade(edit: &mut Edit, node: usize) -> bool {
    let Op::Pool2d(pool) = edit.op(node) else {
        return false;
    };
    let large = pool.window.iter().any(|side| *side > SIDE);
    if pool.kind != PoolKind::Max || pool.dilation != [1; 2] || !large {
        return false;
    }
    let x = edit.node(node).inputs[0];
    let output = edit.node(node).output;
    let whole = complete(pool, &edit.shape(x)[2..], &edit.shape(output)[2..]);
    let Some((first, rest)) = parts(&whole) else {
        return false;
    };
    let part = edit.add(node, Op::Pool2d(first), &[x]);
    edit.set(node, Op::Pool2d(rest), &[part]);
    true
}

/// The same with padding as far as the last window reaches.
fn complete(pool: &Pool2d, map: &[usize], output: &[usize]) -> Pool2d {
    let mut pads = pool.padding.pairs();
    for i in 0..2 {
        let reach = (output[i] - 1) * pool.stride[i] + pool.window[i];
        pads[i][1] = pads[i][1].max(reach.saturating_sub(pads[i][0] + map[i]));
    }
    Pool2d {
        padding: padding(pads),
        ceil_mode: false,
        ..pool.clone()
    }
}

fn padding(pairs: [[usize; 2]; 2]) -> Padding2d {
    let [before, after] = [0, 1].map(|end| pairs.map(|widths| widths[end]));
    PaddingNd { before, after }.into()
}

/// The first layer, and what is left to do; `None` for padding that is as wide as a window.
fn parts(pool: &Pool2d) -> Option<(Pool2d, Pool2d)> {
    let window = pool.window.map(|side| side.min(SIDE));
    let rest = [0, 1].map(|i| pool.window[i] - window[i] + 1);
    let pads = pool.padding.pairs();
    // The first takes what it can, so that its window fits the smallest map.
    let own = [0, 1].map(|i| pads[i].map(|width| width.min(PADDING).min(window[i] - 1)));
    let left = [0, 1].map(|i| [0, 1].map(|end| pads[i][end] - own[i][end]));
    if (0..2).any(|i| left[i].iter().any(|width| *width >= rest[i])) {
        return None;
    }
    let first = Pool2d {
        window,
        stride: [1; 2],
        padding: padding(own),
        ..pool.clone()
    };
    let rest = Pool2d {
        window: rest,
        padding: padding(left),
        ..pool.clone()
    };
    Some((first, rest))
}
