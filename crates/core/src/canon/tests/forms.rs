//! Hard sigmoid and its relatives, focus, pooling of whole maps, padded channels.

use super::{Case, Net, check, one, operators, pool};
use crate::graph::{Activation, BinaryKind, Op, Pad, Pool2d, PoolKind, ReduceKind, TensorId, UnaryKind};

fn relu6(n: &mut Net, x: TensorId) -> TensorId {
    let three = n.c(3.0);
    let sum = n.binary(BinaryKind::Add, x, three);
    n.clip(sum, 0.0, 6.0)
}

/// Something that is computed: a convolution.
fn start(n: &mut Net) -> TensorId {
    let x = n.x(&[1, 3, 4, 4]);
    n.conv(x, 1, 1, 0)
}

#[test]
fn every_hard_swish_is_one() {
    let form = one(&[
        (
            |n| {
                let x = start(n);
                let (k, six) = (relu6(n, x), n.c(6.0));
                let m = n.binary(BinaryKind::Mul, x, k);
                n.binary(BinaryKind::Div, m, six)
            },
            "x * relu6(x + 3) / 6",
        ),
        (
            |n| {
                let x = start(n);
                let (k, sixth) = (relu6(n, x), n.c(1.0 / 6.0));
                let m = n.binary(BinaryKind::Mul, sixth, k);
                n.binary(BinaryKind::Mul, m, x)
            },
            "(1/6 * relu6(x + 3)) * x",
        ),
        (
            |n| {
                let x = start(n);
                let (k, six) = (relu6(n, x), n.c(6.0));
                let m = n.binary(BinaryKind::Div, x, six);
                n.binary(BinaryKind::Mul, m, k)
            },
            "x / 6 * relu6(x + 3)",
        ),
        (
            |n| {
                let x = start(n);
                let (sixth, half) = (n.c(1.0 / 6.0), n.c(0.5));
                let m = n.binary(BinaryKind::Mul, x, sixth);
                let m = n.binary(BinaryKind::Add, m, half);
                let h = n.clip(m, 0.0, 1.0);
                n.binary(BinaryKind::Mul, x, h)
            },
            "x * clip(x / 6 + 0.5, 0, 1)",
        ),
        (
            |n| {
                let x = start(n);
                let (three, zero, six) = (n.c(-3.0), n.c(0.0), n.c(6.0));
                let m = n.binary(BinaryKind::Sub, x, three);
                let m = n.binary(BinaryKind::Max, m, zero);
                let m = n.binary(BinaryKind::Min, m, six);
                let m = n.binary(BinaryKind::Mul, m, x);
                n.binary(BinaryKind::Div, m, six)
            },
            "max and min, the product the other way round",
        ),
    ]);
    let want = ["conv2d", "multiply", "add", "clip", "multiply"];
    assert_eq!(operators(&form), want);
}

#[test]
fn a_layer_takes_no_part_out_of_a_form() {
    let cases = [Case {
        build: |n| {
            let x = start(n);
            let (k, six) = (relu6(n, x), n.c(6.0));
            let m = n.binary(BinaryKind::Mul, x, k);
            let swish = n.binary(BinaryKind::Div, m, six);
            n.conv(swish, 3, 1, 1)
        },
        want: &["conv2d", "multiply", "add", "clip", "multiply", "conv2d"],
        why: "the sixth of a hard swish stays in it",
    }];
    check(&cases);
}

#[test]
fn every_hard_sigmoid_is_one() {
    let form = one(&[
        (
            |n| {
                let x = start(n);
                let bias = n.w(&[3], &[0.5, 1.0, 1.5]);
                let x = n.op(Op::BiasAdd { axis: 1 }, &[x, bias]);
                let (k, six) = (relu6(n, x), n.c(6.0));
                n.binary(BinaryKind::Div, k, six)
            },
            "relu6(x + 3) / 6",
        ),
        (
            |n| {
                let x = start(n);
                let bias = n.w(&[3], &[0.5, 1.0, 1.5]);
                let x = n.op(Op::BiasAdd { axis: 1 }, &[x, bias]);
                let (three, six) = (n.c(3.0), n.c(6.0));
                let m = n.binary(BinaryKind::Add, x, three);
                let m = n.binary(BinaryKind::Div, m, six);
                n.clip(m, 0.0, 1.0)
            },
            "clip((x + 3) / 6, 0, 1)",
        ),
        (
            |n| {
                let x = start(n);
                let bias = n.w(&[3], &[0.5, 1.0, 1.5]);
                let x = n.op(Op::BiasAdd { axis: 1 }, &[x, bias]);
                let (sixth, half) = (n.c(1.0 / 6.0), n.c(0.5));
                let m = n.binary(BinaryKind::Mul, x, sixth);
                let m = n.binary(BinaryKind::Add, half, m);
                n.clip(m, 0.0, 1.0)
            },
            "clip(x / 6 + 0.5, 0, 1)",
        ),
    ]);
    assert_eq!(operators(&form), ["conv2d", "multiply", "bias_add", "clip"]);
}

#[test]
fn every_swish_is_one() {
    let form = one(&[
        (
            |n| {
                let x = start(n);
                let s = n.op(Op::Activation(Activation::Sigmoid), &[x]);
                n.binary(BinaryKind::Mul, s, x)
            },
            "sigmoid(x) * x",
        ),
        (
            |n| {
                let x = start(n);
                let (minus, one) = (n.op(Op::Unary(UnaryKind::Neg), &[x]), n.c(1.0));
                let e = n.op(Op::Unary(UnaryKind::Exp), &[minus]);
                let d = n.binary(BinaryKind::Add, one, e);
                n.binary(BinaryKind::Div, x, d)
            },
            "x / (1 + exp(-x))",
        ),
        (
            |n| {
                let x = start(n);
                let (zero, one) = (n.c(0.0), n.c(1.0));
                let minus = n.binary(BinaryKind::Sub, zero, x);
                let e = n.op(Op::Unary(UnaryKind::Exp), &[minus]);
                let d = n.binary(BinaryKind::Add, e, one);
                let s = n.binary(BinaryKind::Div, one, d);
                n.binary(BinaryKind::Mul, x, s)
            },
            "x * (1 / (1 + exp(0 - x)))",
        ),
        (
            |n| {
                let x = start(n);
                let (e, one) = (n.op(Op::Unary(UnaryKind::Exp), &[x]), n.c(1.0));
                let d = n.binary(BinaryKind::Add, e, one);
                let s = n.binary(BinaryKind::Div, e, d);
                n.binary(BinaryKind::Mul, x, s)
            },
            "x * (exp(x) / (exp(x) + 1))",
        ),
    ]);
    assert_eq!(operators(&form), ["conv2d", "sigmoid", "multiply"]);
}

/// The part of every block of two by two that starts there.
fn quarter(n: &mut Net, x: TensorId, row: usize, column: usize) -> TensorId {
    let rows = n.slice(x, &[(2, row, 4, 2)]);
    n.slice(rows, &[(3, column, 4, 2)])
}

/// A map apart in blocks, its axes in another order, the first three behind the rows as channels.
fn blocks(n: &mut Net, x: TensorId, apart: &[i64], axes: &[usize]) -> TensorId {
    let split = n.reshape(x, apart);
    let axes = axes.to_vec();
    let [rows, deep, left] = [0..1, 1..4, 4..6].map(|part| {
        let sizes = axes[part].iter().map(|axis| apart[*axis]);
        sizes.collect::<Vec<i64>>()
    });
    let moved = n.op(Op::Transpose { axes }, &[split]);
    n.reshape(moved, &[rows, vec![deep.iter().product()], left].concat())
}

#[test]
fn space_to_depth_goes_into_the_convolution() {
    let cases = [
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let starts = [(0, 0), (1, 0), (0, 1), (1, 1)];
                let parts = starts.map(|(row, column)| quarter(n, x, row, column));
                let joined = n.op(Op::Concat { axis: 1 }, &parts);
                n.conv(joined, 3, 1, 1)
            },
            want: &["conv2d"],
            why: "as YOLOv5 has it",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let parts = [quarter(n, x, 1, 1), quarter(n, x, 0, 1), quarter(n, x, 1, 1)];
                let joined = n.op(Op::Concat { axis: 1 }, &parts);
                n.conv(joined, 2, 2, 0)
            },
            want: &["conv2d"],
            why: "another order, one twice, one not at all",
        },
        Case {
            build: |n| {
                let x = n.x(&[2, 3, 8, 6]);
                let deep = blocks(n, x, &[2, 3, 4, 2, 3, 2], &[0, 3, 5, 1, 2, 4]);
                n.conv(deep, 3, 1, 1)
            },
            want: &["conv2d"],
            why: "as ONNX's SpaceToDepth has it: the place in the block first",
        },
        Case {
            build: |n| {
                let x = n.x(&[2, 3, 8, 6]);
                let deep = blocks(n, x, &[2, 3, 2, 4, 2, 3], &[0, 1, 5, 3, 2, 4]);
                n.conv(deep, 1, 1, 0)
            },
            want: &["conv2d"],
            why: "as pixel unshuffle has it, blocks that are not square, columns first",
        },
        Case {
            build: |n| {
                let x = n.x(&[2, 3, 8, 6]);
                let other = blocks(n, x, &[2, 3, 4, 2, 3, 2], &[0, 1, 2, 4, 3, 5]);
                n.conv(other, 3, 1, 1)
            },
            want: &["reshape", "transpose", "reshape", "conv2d"],
            why: "not the place in the block becomes channels",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let part = n.slice(x, &[(2, 2, 3, 2), (3, 0, 4, 2)]);
                let joined = n.op(Op::Concat { axis: 1 }, &[part, part]);
                n.conv(joined, 3, 1, 1)
            },
            want: &["strided_slice", "max_pool2d", "conv2d"],
            why: "not the whole map, twice",
        },
    ];
    check(&cases);
}

#[test]
fn large_windows_are_windows_of_windows() {
    let cases = [
        Case {
            build: |n| {
                let x = n.x(&[1, 2, 14, 7]);
                n.op(Op::GlobalPool(PoolKind::Average), &[x])
            },
            want: &["avg_pool2d", "global_avg_pool2d"],
            why: "14 is 7 times 2",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 1, 112, 112]);
                let axes = vec![2, 3];
                n.op(
                    Op::Reduce {
                        kind: ReduceKind::Mean,
                        axes,
                        keepdims: false,
                    },
                    &[x],
                )
            },
            want: &["avg_pool2d", "avg_pool2d", "global_avg_pool2d", "batch_flatten"],
            why: "a mean over a map of 8 times 7 times 2",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 2, 13, 13]);
                n.op(Op::GlobalPool(PoolKind::Average), &[x])
            },
            want: &["global_avg_pool2d"],
            why: "13 is a prime",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 2, 8, 8]);
                n.op(Op::GlobalPool(PoolKind::Max), &[x])
            },
            want: &["global_max_pool2d"],
            why: "a DLA takes 8",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 2, 20, 40]);
                let tiles = Pool2d {
                    window: [10, 20],
                    stride: [10, 20],
                    ..pool(PoolKind::Average, 10, 10, 0)
                };
                n.op(Op::Pool2d(tiles), &[x])
            },
            want: &["avg_pool2d", "avg_pool2d"],
            why: "tiles",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 2, 12, 12]);
                n.op(Op::Pool2d(pool(PoolKind::Average, 10, 1, 0)), &[x])
            },
            want: &["avg_pool2d"],
            why: "windows that overlap",
        },
    ];
    check(&cases);
}

fn channels(n: &mut Net, x: TensorId, before: usize, after: usize) -> TensorId {
    let pad = Pad {
        before: vec![0, before, 0, 0],
        after: vec![0, after, 0, 0],
        value: 0.0,
    };
    n.op(Op::Pad(pad), &[x])
}

#[test]
fn padded_channels_are_an_identity_convolution_where_that_is_cheap() {
    let cases = [
        Case {
            build: |n| {
                let x = n.x(&[1, 4, 8, 8]);
                let c = n.conv(x, 5, 1, 2);
                let c = channels(n, c, 1, 2);
                n.relu(c)
            },
            want: &["conv2d", "conv2d", "relu"],
            why: "28 products beside 400 per place",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 4, 8, 8]);
                let c = n.conv(x, 5, 1, 2);
                let both = Pad {
                    before: vec![0, 0, 1, 0],
                    after: vec![0, 2, 2, 1],
                    value: 0.0,
                };
                let c = n.op(Op::Pad(both), &[c]);
                n.conv(c, 3, 1, 0)
            },
            want: &["conv2d", "conv2d", "conv2d"],
            why: "the frame around the map is the next layer's",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 4, 8, 8]);
                let c = n.conv(x, 1, 1, 0);
                channels(n, c, 0, 4)
            },
            want: &["conv2d", "pad"],
            why: "twice what the network has",
        },
    ];
    check(&cases);
}
