//! Element-wise layers over a map and a value per channel.

use std::collections::HashSet;

use super::{Case, Net, canonicalise, check, on_dla};
use crate::graph::{Activation, BinaryKind, Op, PoolKind, TensorId};

/// A map and the values that squeeze-and-excitation makes of it.
fn excited(n: &mut Net, shape: &[usize]) -> (TensorId, TensorId) {
    let x = n.x(shape);
    let mean = n.op(Op::GlobalPool(PoolKind::Average), &[x]);
    let gate = n.conv(mean, 1, 1, 0);
    (x, n.op(Op::Activation(Activation::Sigmoid), &[gate]))
}

#[test]
fn values_per_channel_become_a_map() {
    let cases = [
        Case {
            build: |n| {
                let (x, gate) = excited(n, &[2, 3, 7, 7]);
                n.binary(BinaryKind::Mul, x, gate)
            },
            want: &["global_avg_pool2d", "conv2d", "sigmoid", "resize2d", "multiply"],
            why: "a square map is one scale",
        },
        Case {
            build: |n| {
                let (x, gate) = excited(n, &[2, 3, 7, 7]);
                let ones = n.w(&[1, 1, 7, 7], &[1.0; 49]);
                let wide = n.binary(BinaryKind::Mul, gate, ones);
                n.binary(BinaryKind::Mul, wide, x)
            },
            want: &["global_avg_pool2d", "conv2d", "sigmoid", "resize2d", "multiply"],
            why: "values that an exporter has expanded",
        },
        Case {
            build: |n| {
                let (x, gate) = excited(n, &[2, 3, 4, 8]);
                n.binary(BinaryKind::Sub, gate, x)
            },
            want: &[
                "global_avg_pool2d",
                "conv2d",
                "sigmoid",
                "max_pool2d",
                "resize2d",
                "subtract",
            ],
            why: "a pooling makes what is twice as long, and operands keep their places",
        },
        Case {
            build: |n| {
                let (x, gate) = excited(n, &[1, 3, 5, 3]);
                let flat = n.op(Op::Flatten, &[gate]);
                let column = n.reshape(flat, &[3, 1, 1]);
                n.binary(BinaryKind::Max, x, column)
            },
            want: &["global_avg_pool2d", "conv2d", "sigmoid", "max_pool2d", "maximum"],
            why: "a vector of another rank",
        },
        Case {
            build: |n| {
                let (x, gate) = excited(n, &[1, 2, 1, 40]);
                n.binary(BinaryKind::Add, gate, x)
            },
            want: &[
                "avg_pool2d",
                "global_avg_pool2d",
                "conv2d",
                "sigmoid",
                "max_pool2d",
                "resize2d",
                "max_pool2d",
                "add",
            ],
            why: "sides without a common factor",
        },
        Case {
            build: |n| {
                let x = n.x(&[2, 3, 4, 4]);
                let column = n.x(&[2, 1, 4, 4]);
                n.binary(BinaryKind::Mul, x, column)
            },
            want: &["multiply"],
            why: "one value for all channels is no value per channel",
        },
        Case {
            build: |n| {
                let (x, y) = (n.x(&[2, 3, 4, 1]), n.x(&[2, 3, 1, 4]));
                n.binary(BinaryKind::Mul, x, y)
            },
            want: &["multiply"],
            why: "neither operand is the whole map",
        },
    ];
    check(&cases);
}

/// All of a block like MobileNetV3's, for maps of many shapes.
#[test]
fn squeeze_and_excitation_runs_on_a_dla() {
    for map in [
        [1, 1],
        [7, 7],
        [56, 56],
        [112, 112],
        [3, 96],
        [2, 96],
        [6, 80],
        [5, 3],
    ] {
        let mut net = Net::new();
        let (x, gate) = excited(&mut net, &[1, 8, map[0], map[1]]);
        let y = net.binary(BinaryKind::Mul, x, gate);
        let graph = canonicalise(net.finish(&[y]), &HashSet::new()).unwrap().graph;
        on_dla(&graph, &format!("{map:?}"));
    }
}
