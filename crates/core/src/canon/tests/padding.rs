//! Explicit padding.

use super::{Case, Net, check, conv, one, pool};
use crate::graph::{
    Activation, BinaryKind, Conv2d, DeconvNd, Op, Padding2d, PaddingNd, Pool2d, PoolKind, TensorId,
};

fn max_pool(n: &mut Net, x: TensorId) -> TensorId {
    n.op(Op::Pool2d(pool(PoolKind::Max, 3, 2, 0)), &[x])
}

fn average(n: &mut Net, x: TensorId, padding: usize, counts: bool) -> TensorId {
    let pool = Pool2d {
        count_include_pad: counts,
        ..pool(PoolKind::Average, 3, 2, padding)
    };
    n.op(Op::Pool2d(pool), &[x])
}

#[test]
fn padding_goes_into_the_layer_behind_it() {
    let cases = [
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let p = n.pad(x, [0, 0, 1, 1], 0.0);
                n.conv(p, 3, 2, 0)
            },
            want: &["conv2d"],
            why: "zeros before a convolution",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 4, 8, 8]);
                let p = n.pad(x, [1, 1, 1, 1], 0.0);
                let (a, b) = (n.conv(p, 3, 1, 0), n.conv(p, 3, 1, 1));
                let b = n.slice(b, &[(2, 1, 8, 1), (3, 1, 8, 1)]);
                n.binary(BinaryKind::Add, a, b)
            },
            want: &["conv2d", "conv2d", "strided_slice", "add"],
            why: "two convolutions read it, one pads itself",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 4, 8, 8]);
                let p = n.pad(x, [1, 1, 1, 1], 0.0);
                let (a, b) = (n.conv(p, 3, 1, 0), n.conv(p, 1, 1, 0));
                let b = n.slice(b, &[(2, 1, 8, 1), (3, 1, 8, 1)]);
                n.binary(BinaryKind::Add, a, b)
            },
            want: &["pad", "conv2d", "conv2d", "strided_slice", "add"],
            why: "a kernel of one cannot take it, and keeps it",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 4, 8, 8]);
                let p = n.pad(x, [1, 1, 1, 1], 0.5);
                n.conv(p, 3, 1, 0)
            },
            want: &["pad", "conv2d"],
            why: "another value than zero",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 4, 8, 8]);
                let p = n.pad(x, [1, 1, 1, 1], 0.0);
                let r = n.relu(p);
                let c = n.w(&[4, 1, 1], &[0.5, 1.0, 2.0, 3.0]);
                let m = n.binary(BinaryKind::Mul, r, c);
                let w = n.noise(&[4, 1, 3, 3]);
                let depthwise = Conv2d {
                    stride: [1; 2],
                    padding: Padding2d::default(),
                    dilation: [1; 2],
                    groups: 4,
                };
                n.op(Op::Conv2d(depthwise), &[m, w])
            },
            want: &["relu", "conv2d"],
            why: "through functions that keep zeros, into a depthwise convolution",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 4, 8, 8]);
                let p = n.pad(x, [1, 1, 1, 1], 0.0);
                let s = n.op(Op::Activation(Activation::Sigmoid), &[p]);
                n.conv(s, 3, 1, 0)
            },
            want: &["pad", "sigmoid", "conv2d"],
            why: "a sigmoid of zero is a half",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 2, 6, 6]);
                let p = n.pad(x, [1, 1, 1, 1], 0.0);
                let w = n.noise(&[2, 3, 4, 4]);
                let deconv = DeconvNd {
                    stride: [2; 2],
                    padding: PaddingNd::uniform(3),
                    output_padding: [0; 2],
                    groups: 1,
                };
                n.op(Op::Deconv2d(deconv), &[p, w])
            },
            want: &["conv2d_transpose", "strided_slice"],
            why: "a deconvolution cuts off what zeros became",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 2, 6, 6]);
                let p = n.pad(x, [1, 1, 1, 1], 0.0);
                let w = n.noise(&[2, 3, 4, 4]);
                let deconv = DeconvNd {
                    stride: [2; 2],
                    padding: PaddingNd::uniform(1),
                    output_padding: [0; 2],
                    groups: 1,
                };
                n.op(Op::Deconv2d(deconv), &[p, w])
            },
            want: &["conv2d", "conv2d_transpose", "strided_slice"],
            why: "it cuts off too little",
        },
    ];
    check(&cases);
}

#[test]
fn padding_goes_into_the_pool_behind_it() {
    let cases = [
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let p = n.pad(x, [0, 0, 1, 1], f32::MIN);
                max_pool(n, p)
            },
            want: &["max_pool2d"],
            why: "the least value is never the largest",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let p = n.pad(x, [0, 0, 1, 1], f32::NEG_INFINITY);
                max_pool(n, p)
            },
            want: &["max_pool2d"],
            why: "nor is less than any value",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let r = n.relu(x);
                let p = n.pad(r, [0, 0, 1, 1], 0.0);
                max_pool(n, p)
            },
            want: &["relu", "max_pool2d"],
            why: "zeros are the least of what is never negative",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let p = n.pad(x, [0, 0, 1, 1], f32::NEG_INFINITY);
                let r = n.relu(p);
                max_pool(n, r)
            },
            want: &["relu", "max_pool2d"],
            why: "through a ReLU, that makes zero of the least value",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let p = n.pad(x, [0, 0, 1, 1], 0.0);
                max_pool(n, p)
            },
            want: &["pad", "max_pool2d"],
            why: "zeros may be the largest",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let r = n.relu(x);
                let p = n.pad(r, [3, 3, 0, 0], 0.0);
                max_pool(n, p)
            },
            want: &["relu", "pad", "max_pool2d"],
            why: "a window of padding only",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 9, 9]);
                let p = n.pad(x, [1, 1, 1, 1], 0.0);
                average(n, p, 0, false)
            },
            want: &["avg_pool2d"],
            why: "an average counts the zeros that it finds",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 9, 9]);
                let p = n.pad(x, [1, 1, 1, 1], 0.0);
                average(n, p, 1, true)
            },
            want: &["avg_pool2d"],
            why: "and counts its own",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 9, 9]);
                let p = n.pad(x, [1, 1, 1, 1], 0.0);
                average(n, p, 1, false)
            },
            want: &["pad", "avg_pool2d"],
            why: "one padding counts, the other does not",
        },
    ];
    check(&cases);
}

#[test]
fn however_padding_is_spelled_it_is_one_network() {
    one(&[
        (
            |n| {
                let x = n.x(&[1, 3, 16, 16]);
                let w = n.noise(&[3, 3, 3, 3]);
                let padding = Padding2d {
                    bottom: 1,
                    right: 1,
                    ..Padding2d::default()
                };
                let c = n.op(conv(2, padding), &[x, w]);
                let r = n.relu(c);
                n.op(Op::Pool2d(pool(PoolKind::Max, 3, 2, 1)), &[r])
            },
            "by the layers",
        ),
        (
            |n| {
                let x = n.x(&[1, 3, 16, 16]);
                let p = n.pad(x, [0, 0, 1, 1], 0.0);
                let w = n.noise(&[3, 3, 3, 3]);
                let c = n.op(conv(2, Padding2d::default()), &[p, w]);
                let p = n.pad(c, [1, 1, 1, 1], f32::NEG_INFINITY);
                let r = n.relu(p);
                n.op(Op::Pool2d(pool(PoolKind::Max, 3, 2, 0)), &[r])
            },
            "before the layers, and before a ReLU",
        ),
    ]);
}
