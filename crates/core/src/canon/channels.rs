//! Zeros put beside the channels of a map are an identity convolution with zeros beside it.
//!
//! No DLA pads channels, and without this nothing behind such a padding reaches one; a GPU pays little for the 1x1
//! convolution. It is exact where elements are finite: every sum is one element times one, and zeros. In INT8 a kernel
//! of ones and zeros is exact as well, since the largest weight of a channel is a whole number of steps.

use super::Edit;
use crate::graph::{Conv2d, Op, Pad, TensorId};

/// The part of a network's multiplications that its identities may come to.
pub(super) const SHARE: u64 = 4;

/// Widths around the map, if any, stay a padding behind the convolution, where the next layer takes it.
pub(super) fn pad(edit: &mut Edit, node: usize) -> bool {
    let (Op::Pad(pad), [x]) = (edit.op(node), &edit.node(node).inputs[..]) else {
        return false;
    };
    let (pad, x) = (pad.clone(), *x);
    let ([0, front, top, left], [0, behind, bottom, right]) = (&pad.before[..], &pad.after[..]) else {
        return false;
    };
    let &[_, channels, height, width] = edit.shape(x) else {
        return false;
    };
    let outputs = front + channels + behind;
    let cost = (channels * outputs * height * width) as u64;
    if outputs == channels || pad.value != 0.0 || !edit.spend(cost, SHARE) {
        return false;
    }
    let kernel = identity(edit, node, [outputs, channels], *front);
    let conv = Op::Conv2d(Conv2d::plain([1; 2]));
    if [top, left, bottom, right].iter().all(|side| **side == 0) {
        edit.set(node, conv, &[x, kernel]);
        return true;
    }
    let frame = Pad {
        before: vec![0, 0, *top, *left],
        after: vec![0, 0, *bottom, *right],
        value: 0.0,
    };
    let deeper = edit.add(node, conv, &[x, kernel]);
    edit.set(node, Op::Pad(frame), &[deeper]);
    true
}

/// The 1x1 kernel that puts channels behind `front` others.
fn identity(edit: &mut Edit, node: usize, [outputs, channels]: [usize; 2], front: usize) -> TensorId {
    let mut values = vec![0.0; outputs * channels];
    for c in 0..channels {
        values[(front + c) * channels + c] = 1.0;
    }
    let name = format!("{}.identity", edit.node(node).name);
    edit.weight(&name, &[outputs, channels, 1, 1], &values)
}
