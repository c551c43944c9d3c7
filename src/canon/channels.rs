//! Zeros put beside the channels of a map are an identity convolution with zeros beside it.
//!
//! No DLA pads channels, and without this nothing behind such a padding reaches one; a GPU pays little for the 1x1
//! convolution. It is exact where elements are finite: every sum is one element times one, and zeros. In INT8 a kernel
//! of ones and zeros is exact as well, since the largest weight of a channel is a whole number of steps.

use super::Edit;
use crate::graph::{Conv2d, Op, Pad, Padding2d};

/// The part of a network's multiplications that its identities may come to.
const SHARE: u64 = 4;

pub(super) fn pad(edit: &mut Edit, node: usize) -> bool {
    let Op::Pad(pad) = edit.op(node) else {
        return false;
    };
    let (
        Pad {
            before,
            after,
            value: 0.0,
        },
        x,
    ) = (pad, edit.node(node).inputs[0])
    else {
        return false;
    };
    let ([0, front, 0, 0], [0, behind, 0, 0]) = (&before[..], &after[..]) else {
        return false;
    };
    let (front, behind) = (*front, *behind);
    let [_, channels, height, width] = edit.shape(x)[..] else {
        return false;
    };
    let outputs = front + channels + behind;
    let cost = (channels * outputs * height * width) as u64;
    if !edit.spend(cost, SHARE) {
        return false;
    }
    let mut values = vec![0.0; outputs * channels];
    for c in 0..channels {
        values[(front + c) * channels + c] = 1.0;
    }
    let name = format!("{}.identity", edit.node(node).name);
    let kernel = edit.weight(&name, &[outputs, channels, 1, 1], &values);
    let conv = Conv2d {
        stride: [1; 2],
        padding: Padding2d::default(),
        dilation: [1; 2],
        groups: 1,
    };
    edit.set(node, Op::Conv2d(conv), &[x, kernel]);
    true
}
