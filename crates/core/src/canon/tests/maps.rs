//! What works on a map, written over lines and vectors: reductions, fully connected layers, statistics.

use super::{Build, Case, Net, check, on_dla, one, operators};
use crate::graph::{
    Activation, BinaryKind, ConvNd, Op, PaddingNd, PoolKind, ReduceKind, TensorId, UnaryKind,
};

fn reduce(n: &mut Net, kind: ReduceKind, x: TensorId, axes: &[usize], keepdims: bool) -> TensorId {
    let axes = axes.to_vec();
    n.op(Op::Reduce { kind, axes, keepdims }, &[x])
}

fn mean(n: &mut Net, x: TensorId, axes: &[usize], keepdims: bool) -> TensorId {
    reduce(n, ReduceKind::Mean, x, axes, keepdims)
}

/// Something computed, of five channels.
fn map(n: &mut Net) -> TensorId {
    let x = n.x(&[2, 5, 6, 7]);
    n.conv(x, 1, 1, 0)
}

#[test]
fn every_mean_of_a_map_is_a_pooling() {
    let spellings: [(Build, &str); 9] = [
        (
            |n| {
                let x = map(n);
                n.op(Op::GlobalPool(PoolKind::Average), &[x])
            },
            "a pooling",
        ),
        (
            |n| {
                let x = map(n);
                mean(n, x, &[2, 3], true)
            },
            "a mean",
        ),
        (
            |n| {
                let x = map(n);
                let rows = mean(n, x, &[3], true);
                mean(n, rows, &[2], true)
            },
            "columns, then rows",
        ),
        (
            |n| {
                let x = map(n);
                let columns = mean(n, x, &[2], false);
                let both = mean(n, columns, &[2], false);
                n.reshape(both, &[0, 5, 1, 1])
            },
            "rows, then columns, without axes of one element",
        ),
        (
            |n| {
                let x = map(n);
                let line = n.reshape(x, &[0, 5, 42]);
                let mean = mean(n, line, &[2], true);
                n.op(Op::ExpandDims { axis: 3, count: 1 }, &[mean])
            },
            "a line",
        ),
        (
            |n| {
                let x = map(n);
                let folded = n.reshape(x, &[10, 42]);
                let mean = mean(n, folded, &[1], false);
                n.reshape(mean, &[2, 5, 1, 1])
            },
            "a line for every channel of every row",
        ),
        (
            |n| {
                let x = map(n);
                let (sum, count) = (reduce(n, ReduceKind::Sum, x, &[2, 3], true), n.c(42.0));
                n.binary(BinaryKind::Div, sum, count)
            },
            "a sum divided",
        ),
        (
            |n| {
                let x = map(n);
                let columns = reduce(n, ReduceKind::Sum, x, &[3], true);
                let (sum, part) = (reduce(n, ReduceKind::Sum, columns, &[2], true), n.c(1.0 / 42.0));
                n.binary(BinaryKind::Mul, part, sum)
            },
            "a sum in two steps times a part",
        ),
        (
            |n| {
                let x = map(n);
                let line = n.reshape(x, &[0, 5, 42, 1]);
                mean(n, line, &[2], true)
            },
            "a map of one column",
        ),
    ];
    assert_eq!(operators(&one(&spellings)), ["conv2d", "global_avg_pool2d"]);
}

#[test]
fn other_reductions() {
    let cases = [
        Case {
            build: |n| {
                let x = map(n);
                mean(n, x, &[3], true)
            },
            want: &["conv2d", "avg_pool2d"],
            why: "rows alone are windows as long as they are",
        },
        Case {
            build: |n| {
                let x = map(n);
                let rows = reduce(n, ReduceKind::Max, x, &[3], false);
                reduce(n, ReduceKind::Max, rows, &[2], false)
            },
            want: &["conv2d", "global_max_pool2d", "batch_flatten"],
            why: "maxima in two steps",
        },
        Case {
            build: |n| {
                let x = map(n);
                let rows = mean(n, x, &[3], true);
                reduce(n, ReduceKind::Max, rows, &[2], true)
            },
            want: &["conv2d", "avg_pool2d", "global_max_pool2d"],
            why: "the largest of means",
        },
        Case {
            build: |n| {
                let x = map(n);
                let channels = n.reshape(x, &[0, 5, 42]);
                mean(n, channels, &[1], true)
            },
            want: &["conv2d", "reshape", "mean"],
            why: "a mean over channels",
        },
        Case {
            build: |n| {
                let x = map(n);
                let groups = n.reshape(x, &[0, 10, 21]);
                mean(n, groups, &[2], true)
            },
            want: &["conv2d", "reshape", "mean"],
            why: "halves of channels",
        },
        Case {
            build: |n| {
                let x = map(n);
                reduce(n, ReduceKind::Sum, x, &[2, 3], true)
            },
            want: &["conv2d", "global_avg_pool2d", "multiply"],
            why: "a sum is so many means",
        },
    ];
    check(&cases);
}

fn dense(n: &mut Net, x: TensorId, [inputs, outputs]: [usize; 2]) -> TensorId {
    let (w, b) = (n.noise(&[outputs, inputs]), n.noise(&[outputs]));
    let y = n.op(Op::Dense, &[x, w]);
    n.op(Op::BiasAdd { axis: 1 }, &[y, b])
}

fn sigmoid(n: &mut Net, x: TensorId) -> TensorId {
    n.op(Op::Activation(Activation::Sigmoid), &[x])
}

/// Squeeze-and-excitation by fully connected layers; what is between them and behind them is given.
fn excited(n: &mut Net, between: fn(&mut Net, TensorId) -> TensorId) -> TensorId {
    let x = n.x(&[2, 6, 7, 7]);
    let x = n.conv(x, 1, 1, 0);
    let mean = n.op(Op::GlobalPool(PoolKind::Average), &[x]);
    let flat = n.op(Op::Flatten, &[mean]);
    let few = dense(n, flat, [6, 3]);
    let few = between(n, few);
    let all = dense(n, few, [3, 6]);
    let gate = sigmoid(n, all);
    let gate = n.reshape(gate, &[0, 6, 1, 1]);
    n.binary(BinaryKind::Mul, x, gate)
}

#[test]
fn fully_connected_layers_between_maps_are_convolutions() {
    let relu: Build = |n| excited(n, Net::relu);
    let swish: Build = |n| {
        excited(n, |n, x| {
            let gate = sigmoid(n, x);
            n.binary(BinaryKind::Mul, x, gate)
        })
    };
    let constants: Build = |n| {
        excited(n, |n, x| {
            let (scale, shift) = (n.noise(&[3]), n.noise(&[1, 3]));
            let y = n.binary(BinaryKind::Mul, x, scale);
            let y = n.binary(BinaryKind::Max, y, x);
            n.binary(BinaryKind::Sub, shift, y)
        })
    };
    for (build, why) in [(relu, "a ReLU between"), (swish, "a part that is read twice")] {
        let mut net = Net::new();
        let y = build(&mut net);
        let graph = super::canonical(&net.finish(&[y]), why);
        on_dla(&graph, why);
    }
    check(&[Case {
        build: constants,
        want: &[
            "conv2d",
            "global_avg_pool2d",
            "conv2d",
            "bias_add",
            "prelu",
            "conv2d",
            "bias_add",
            "sigmoid",
            "resize2d",
            "multiply",
        ],
        why: "constants of any rank",
    }]);
}

/// Efficient channel attention: a line over the channels.
fn attended(n: &mut Net) -> TensorId {
    let x = n.x(&[2, 6, 7, 7]);
    let x = n.conv(x, 3, 1, 1);
    let mean = n.op(Op::GlobalPool(PoolKind::Average), &[x]);
    let line = n.reshape(mean, &[0, 1, 6]);
    let w = n.noise(&[1, 1, 3]);
    let conv = ConvNd {
        stride: [1],
        padding: PaddingNd::uniform(1),
        dilation: [1],
        groups: 1,
    };
    let y = n.op(Op::Conv1d(conv), &[line, w]);
    let y = n.reshape(y, &[0, 6, 1, 1]);
    let gate = sigmoid(n, y);
    n.binary(BinaryKind::Mul, x, gate)
}

#[test]
fn a_line_over_the_channels_is_a_convolution_of_the_map() {
    let mut net = Net::new();
    let y = attended(&mut net);
    let graph = super::canonical(&net.finish(&[y]), "channel attention");
    let want = [
        "conv2d",
        "global_avg_pool2d",
        "conv2d",
        "sigmoid",
        "resize2d",
        "multiply",
    ];
    assert_eq!(operators(&graph), want);
    on_dla(&graph, "channel attention");
}

#[test]
fn a_tail_without_a_map_stays() {
    check(&[Case {
        build: |n| {
            let x = n.x(&[2, 6, 7, 7]);
            let mean = n.op(Op::GlobalPool(PoolKind::Average), &[x]);
            let flat = n.op(Op::Flatten, &[mean]);
            dense(n, flat, [6, 3])
        },
        want: &["global_avg_pool2d", "batch_flatten", "dense", "bias_add"],
        why: "a classifier",
    }]);
}

#[test]
fn what_reads_a_vector_beside_still_does() {
    let mut net = Net::new();
    let x = net.x(&[2, 6, 7, 7]);
    let mean = net.op(Op::GlobalPool(PoolKind::Average), &[x]);
    let flat = net.op(Op::Flatten, &[mean]);
    let few = dense(&mut net, flat, [6, 3]);
    let all = dense(&mut net, few, [3, 6]);
    let gate = net.reshape(all, &[0, 6, 1, 1]);
    let y = net.binary(BinaryKind::Mul, x, gate);
    let softmax = net.op(Op::Softmax { axis: 1 }, &[few]);
    let graph = super::canonical(&net.finish(&[y, softmax]), "two readers");
    let dense = operators(&graph).iter().filter(|op| **op == "dense").count();
    assert_eq!(dense, 0, "nothing is computed twice\n{}", graph.text());
}

/// Each channel less its mean, by its deviation.
fn normal(n: &mut Net, x: TensorId, axes: &[usize]) -> TensorId {
    let middle = mean(n, x, axes, true);
    let centred = n.binary(BinaryKind::Sub, x, middle);
    let square = n.binary(BinaryKind::Mul, centred, centred);
    let variance = mean(n, square, axes, true);
    let epsilon = n.c(1e-3);
    let variance = n.binary(BinaryKind::Add, variance, epsilon);
    let deviation = n.op(Op::Unary(UnaryKind::Sqrt), &[variance]);
    n.binary(BinaryKind::Div, centred, deviation)
}

#[test]
fn statistics_over_a_line_are_over_the_map() {
    let form = one(&[
        (
            |n| {
                let x = map(n);
                normal(n, x, &[2, 3])
            },
            "a map",
        ),
        (
            |n| {
                let x = map(n);
                let line = n.reshape(x, &[0, 5, 42]);
                let y = normal(n, line, &[2]);
                n.reshape(y, &[0, 5, 6, 7])
            },
            "a line",
        ),
    ]);
    assert!(!operators(&form).contains(&"reshape"), "{}", form.text());
}
