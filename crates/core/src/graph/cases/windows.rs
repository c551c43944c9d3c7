//! Convolutions, deconvolutions, resizes.

use super::Operand::{W, X};
use super::{Case, pads};
use crate::graph::{
    Conv2d, ConvNd, Coordinates, DeconvNd, Op, Padding2d, PaddingNd, Resize2d, ResizeMode, Rounding,
};

pub(super) fn convolutions() -> Vec<Case> {
    let case = |stride, padding, dilation, groups, x, w, why| Case {
        op: Op::Conv2d(Conv2d {
            stride,
            padding,
            dilation,
            groups,
        }),
        operands: vec![X(x), W(w)],
        why,
    };
    let none = Padding2d::default();
    vec![
        case([1, 1], none, [1, 1], 1, &[2, 3, 5, 6], &[4, 3, 1, 1], "pointwise"),
        case(
            [1, 1],
            pads(1, 1, 1, 1),
            [1, 1],
            1,
            &[1, 3, 7, 7],
            &[4, 3, 3, 3],
            "3x3 same",
        ),
        case(
            [2, 2],
            pads(0, 0, 1, 1),
            [1, 1],
            1,
            &[1, 3, 8, 8],
            &[4, 3, 3, 3],
            "TensorFlow's SAME at stride 2 pads one side",
        ),
        case(
            [2, 1],
            pads(2, 1, 0, 3),
            [1, 1],
            1,
            &[2, 2, 9, 7],
            &[3, 2, 3, 5],
            "axes differ in everything",
        ),
        case(
            [1, 1],
            pads(2, 2, 2, 2),
            [2, 2],
            1,
            &[1, 2, 7, 7],
            &[3, 2, 3, 3],
            "dilation",
        ),
        case(
            [1, 1],
            pads(1, 1, 1, 1),
            [1, 1],
            4,
            &[2, 4, 6, 6],
            &[4, 1, 3, 3],
            "depthwise",
        ),
        case([1, 1], none, [1, 1], 2, &[1, 4, 5, 5], &[6, 2, 3, 3], "groups"),
        case(
            [1, 1],
            none,
            [1, 1],
            3,
            &[1, 3, 5, 5],
            &[6, 1, 3, 3],
            "depthwise with two outputs per channel",
        ),
        case(
            [3, 3],
            none,
            [1, 1],
            1,
            &[1, 2, 8, 8],
            &[2, 2, 8, 8],
            "the kernel is the whole map",
        ),
    ]
}

fn nd<const N: usize>(before: [usize; N], after: [usize; N]) -> PaddingNd<N> {
    PaddingNd { before, after }
}

pub(super) fn other_convolutions() -> Vec<Case> {
    let one = |stride, pads: [usize; 2], dilation, groups, x, w, why| Case {
        op: Op::Conv1d(ConvNd {
            stride: [stride],
            padding: nd([pads[0]], [pads[1]]),
            dilation: [dilation],
            groups,
        }),
        operands: vec![X(x), W(w)],
        why,
    };
    let three = |stride, padding, dilation, groups, x, w, why| Case {
        op: Op::Conv3d(ConvNd {
            stride,
            padding,
            dilation,
            groups,
        }),
        operands: vec![X(x), W(w)],
        why,
    };
    let none = PaddingNd::uniform(0);
    vec![
        one(1, [1, 1], 1, 1, &[2, 3, 9], &[4, 3, 3], "same size"),
        one(2, [0, 2], 1, 1, &[1, 3, 8], &[4, 3, 4], "right pad only"),
        one(1, [2, 2], 2, 3, &[1, 3, 9], &[3, 1, 3], "dilated depthwise"),
        three(
            [1, 1, 1],
            none,
            [1, 1, 1],
            1,
            &[2, 3, 4, 5, 6],
            &[4, 3, 2, 3, 3],
            "video",
        ),
        three(
            [2, 1, 2],
            nd([0, 1, 2], [1, 0, 1]),
            [1, 2, 1],
            2,
            &[1, 4, 4, 6, 6],
            &[6, 2, 2, 3, 3],
            "axes differ in everything",
        ),
    ]
}

pub(super) fn deconvolutions() -> Vec<Case> {
    let two = |stride, padding, output_padding, groups, x, w, why| Case {
        op: Op::Deconv2d(DeconvNd {
            stride,
            padding,
            output_padding,
            groups,
        }),
        operands: vec![X(x), W(w)],
        why,
    };
    let three = |stride, padding, output_padding, x, w, why| Case {
        op: Op::Deconv3d(DeconvNd {
            stride,
            padding,
            output_padding,
            groups: 1,
        }),
        operands: vec![X(x), W(w)],
        why,
    };
    let none = PaddingNd::uniform(0);
    let x: &[usize] = &[2, 3, 4, 5];
    let w: &[usize] = &[3, 4, 3, 3];
    let video: &[usize] = &[1, 2, 3, 4, 3];
    let cube: &[usize] = &[2, 3, 2, 3, 3];
    vec![
        two([1, 1], none, [0, 0], 1, x, w, "stride 1"),
        two([2, 2], none, [0, 0], 1, x, w, "upsampling"),
        two([2, 2], PaddingNd::uniform(1), [1, 1], 1, x, w, "doubling"),
        two(
            [3, 2],
            nd([0, 2], [1, 0]),
            [2, 1],
            1,
            x,
            w,
            "output padding beyond the padding",
        ),
        two([2, 1], none, [1, 0], 1, x, w, "output padding without padding"),
        two([2, 2], none, [0, 0], 3, x, &[3, 1, 2, 2], "depthwise"),
        two([2, 2], none, [0, 0], 2, &[1, 4, 3, 3], &[4, 3, 2, 2], "groups"),
        three([1, 1, 1], PaddingNd::uniform(0), [0; 3], video, cube, "stride 1"),
        three([2, 2, 2], PaddingNd::uniform(1), [1; 3], video, cube, "doubling"),
        three(
            [2, 2, 2],
            PaddingNd::uniform(0),
            [1, 0, 1],
            video,
            cube,
            "output padding",
        ),
    ]
}

pub(super) fn resizes() -> Vec<Case> {
    use Coordinates::{AlignCorners, Asymmetric, HalfPixel};
    use ResizeMode::{Linear, Nearest};
    let case = |output, mode, coordinates, why| Case {
        op: Op::Resize2d(Resize2d {
            output,
            mode,
            coordinates,
        }),
        operands: vec![X(&[2, 3, 4, 5])],
        why,
    };
    vec![
        case([8, 10], Nearest(Rounding::Floor), Asymmetric, "doubling"),
        case([7, 9], Nearest(Rounding::Floor), Asymmetric, "no whole scale"),
        case([8, 10], Nearest(Rounding::HalfDown), HalfPixel, "PyTorch"),
        case([8, 10], Nearest(Rounding::HalfUp), HalfPixel, "ties up"),
        case([7, 9], Nearest(Rounding::HalfUp), AlignCorners, "corners"),
        case([6, 7], Nearest(Rounding::Ceil), Asymmetric, "ceil stays inside"),
        case([2, 3], Nearest(Rounding::Floor), Asymmetric, "smaller"),
        case([8, 10], Linear, HalfPixel, "doubling"),
        case([8, 10], Linear, Asymmetric, "TensorFlow's old form"),
        case([7, 9], Linear, AlignCorners, "corners"),
        case([2, 3], Linear, HalfPixel, "smaller"),
    ]
}
