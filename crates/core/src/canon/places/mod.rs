//! Chains of moves (reshapes, transposes, slices, concatenations, repetitions) by what they do: where every element
//! comes from says more than how it is spelled. A chain that repeats, picks, shuffles or reorders whole channels, rows and
//! columns becomes the one layer that does it, where a DLA has one.

mod chain;
mod read;
mod write;

use super::Edit;
use super::broadcast::{by_ones, nearest};
use crate::graph::{Op, PaddingNd, Range};
use chain::Chain;

/// The chain of moves that ends in a node.
pub(super) fn name(edit: &mut Edit, node: usize) -> bool {
    let Some(chain) = Chain::to(edit, node) else {
        return false;
    };
    let output = edit.shape(edit.node(node).output).to_vec();
    let Some(places) = chain.places(edit, node) else {
        return false;
    };
    match read::form(&chain.shape(edit), &output, &places) {
        Some(form) => write::write(edit, node, &chain, form),
        None => false,
    }
}

/// Rows and columns at equal distances are a pooling whose windows hold one element each.
pub(super) fn strides(edit: &mut Edit, node: usize) -> bool {
    let Op::Slice { ranges } = edit.op(node).clone() else {
        return false;
    };
    let x = edit.node(node).inputs[0];
    let of_map = |range: &Range| range.step == 1 || range.axis >= 2;
    let strided = ranges.iter().any(|range| range.step > 1) && ranges.iter().all(of_map);
    if edit.shape(x).len() != 4 || !strided {
        return false;
    }
    let mut stride = [1; 2];
    let mut dense = ranges;
    for range in dense.iter_mut().filter(|range| range.axis >= 2) {
        // The last window may begin at the map's last element.
        let reach = (range.len - 1) * range.step + 1;
        (stride[range.axis - 2], range.step, range.len) = (range.step, 1, reach);
        let rest = edit.shape(x)[range.axis] - range.start;
        if range.start == 0 && rest - reach < stride[range.axis - 2] {
            range.len = rest;
        }
    }
    dense.retain(|range| range.start > 0 || range.len < edit.shape(x)[range.axis]);
    let x = if dense.is_empty() {
        x
    } else {
        edit.add(node, Op::Slice { ranges: dense }, &[x])
    };
    edit.set(node, write::every(stride), &[x]);
    true
}

/// A deconvolution that only repeats: one channel each, windows of ones that touch.
pub(super) fn repeats(edit: &mut Edit, node: usize) -> bool {
    let Op::Deconv2d(deconv) = edit.op(node).clone() else {
        return false;
    };
    let (x, w) = (edit.node(node).inputs[0], edit.node(node).inputs[1]);
    let Some(&[channels, per_group, height, width]) = Some(edit.shape(w)).and_then(|s| s.first_chunk())
    else {
        return false;
    };
    let alone = deconv.groups == channels && per_group == 1 && edit.shape(x)[1] == channels;
    let touch = deconv.stride == [height, width] && deconv.overhang() == [0; 2];
    let plain = deconv.padding == PaddingNd::uniform(0);
    if !(alone && touch && plain) || edit.uniform(w) != Some(1.0) {
        return false;
    }
    let output = edit.shape(edit.node(node).output);
    let resize = nearest([output[2], output[3]]);
    edit.set(node, resize, &[x]);
    true
}

/// Whether the node only puts elements elsewhere, some of them several times.
fn is_move(edit: &Edit, node: usize) -> bool {
    let spreads = |x| edit.shape(x) != edit.shape(edit.node(node).output);
    edit.op(node).only_moves() || by_ones(edit, node).is_some_and(spreads)
}
