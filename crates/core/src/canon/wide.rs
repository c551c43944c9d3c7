//! Zeros around a map that no layer behind them takes, and padding of a convolution as wide as its window or wider (rule
//! `conv.pad`), are a convolution of each channel by itself with a single one.
//!
//! No DLA has a layer that only pads. As for channels (`channels`), it is exact where elements are finite.

use super::Edit;
use super::channels::SHARE;
use crate::graph::{Conv2d, Op, Padding2d, PaddingNd, TensorId};

/// The widest window of a convolution (rule `conv.kernel`).
const WINDOW: usize = 32;

/// The part of the padding that is as wide as the window goes in front.
pub(super) fn convolution(edit: &mut Edit, node: usize) -> bool {
    let Op::Conv2d(conv) = edit.op(node) else {
        return false;
    };
    let kernel = &edit.shape(edit.node(node).inputs[1])[2..];
    let pads = conv.padding.pairs();
    let own = [0, 1].map(|i| pads[i].map(|width| width.min(kernel[i] - 1)));
    let rest = [0, 1].map(|i| [0, 1].map(|end| pads[i][end] - own[i][end]));
    if rest.iter().flatten().all(|width| *width == 0) {
        return false;
    }
    let narrow = Conv2d {
        padding: padding(own),
        ..conv.clone()
    };
    let inputs = edit.node(node).inputs.clone();
    let Some(map) = frame(edit, node, inputs[0], rest) else {
        return false;
    };
    edit.set(node, Op::Conv2d(narrow), &[map, inputs[1]]);
    true
}

/// A padding that stands alone.
pub(super) fn alone(edit: &mut Edit, node: usize) -> bool {
    let Op::Pad(pad) = edit.op(node) else {
        return false;
    };
    let ([0, 0, top, left], [0, 0, bottom, right]) = (&pad.before[..], &pad.after[..]) else {
        return false;
    };
    let widths = [[*top, *bottom], [*left, *right]];
    let zeros = pad.value == 0.0;
    let (x, output) = (edit.node(node).inputs[0], edit.node(node).output);
    if !zeros || edit.is_output(output) {
        return false;
    }
    let Some(map) = frame(edit, node, x, widths) else {
        return false;
    };
    edit.replace(output, map);
    true
}

/// `x` with zeros around it, if a window is wide enough for them and the network can afford it.
fn frame(edit: &mut Edit, node: usize, x: TensorId, widths: [[usize; 2]; 2]) -> Option<TensorId> {
    let &[_, channels, height, width] = edit.shape(x) else {
        return None;
    };
    // A window of 2w + 1 around its one reaches w beyond the map, and pads 2w, which is less than it.
    let most = widths.map(|[before, after]| before.max(after));
    let window = most.map(|width| 2 * width + 1);
    let pads = [0, 1].map(|i| widths[i].map(|width| width + most[i]));
    let sides = [0, 1].map(|i| [height, width][i] + widths[i].iter().sum::<usize>());
    let cost = (channels * sides[0] * sides[1] * window[0] * window[1]) as u64;
    if window.iter().any(|side| *side > WINDOW) || !edit.spend(cost, SHARE) {
        return None;
    }
    let taps = window[0] * window[1];
    let mut values = vec![0.0; channels * taps];
    values
        .iter_mut()
        .skip(taps / 2)
        .step_by(taps)
        .for_each(|tap| *tap = 1.0);
    let name = format!("{}.frame", edit.node(node).name);
    let kernel = edit.weight(&name, &[channels, 1, window[0], window[1]], &values);
    let conv = Conv2d {
        padding: padding(pads),
        groups: channels,
        ..Conv2d::plain([1; 2])
    };
    Some(edit.add(node, Op::Conv2d(conv), &[x, kernel]))
}

fn padding(pairs: [[usize; 2]; 2]) -> Padding2d {
    let [before, after] = [0, 1].map(|end| pairs.map(|widths| widths[end]));
    PaddingNd { before, after }.into()
}
