//! Limits that a DLA has no clip for, and what they leave of infinities.

use std::collections::HashSet;

use super::{Net, canonical, canonicalise, on_dla};
use crate::graph::reference::{array, evaluate};
use crate::graph::{Activation, BinaryKind, Graph, Op, TensorId};

const INF: f32 = f32::INFINITY;

/// A function between two convolutions.
fn between(function: impl Fn(&mut Net, TensorId) -> TensorId) -> Graph {
    let mut net = Net::new();
    let x = net.x(&[1, 2, 4, 4]);
    let x = net.conv(x, 3, 1, 1);
    let y = function(&mut net, x);
    let y = net.conv(y, 3, 1, 1);
    net.finish(&[y])
}

#[test]
fn clips_around_zero_run_on_a_dla() {
    for (min, max) in [
        (-1.0, 1.0),
        (-2.0, 3.0),
        (-0.3, 0.7),
        (-300.0, 0.001),
        (-INF, 6.0),
        (-1.0, INF),
        (-INF, 0.0),
        (-4.0, 0.0),
        (0.0, 0.5),
        (0.0, 200.0),
    ] {
        let why = format!("between {min} and {max}");
        let after = canonical(&between(|n, x| n.clip(x, min, max)), &why);
        on_dla(&after, &why);
    }
}

#[test]
fn a_clip_of_what_is_never_negative_needs_no_other_side() {
    let after = canonical(
        &between(|n, x| {
            let x = n.relu(x);
            n.clip(x, -1.0, 1.0)
        }),
        "behind a ReLU",
    );
    let ops = super::operators(&after);
    assert_eq!(ops, ["conv2d", "clip", "conv2d"], "{}", after.text());
}

/// Every spelling of a limit and of slopes, over what is not finite: the same elements before and after.
#[test]
fn what_is_infinite_stays_infinite() {
    type Function = fn(&mut Net, TensorId) -> TensorId;
    let functions: [(Function, &str); 9] = [
        (
            |n, x| {
                let c = n.c(6.0);
                n.binary(BinaryKind::Min, x, c)
            },
            "a minimum",
        ),
        (
            |n, x| {
                let c = n.c(-1.0);
                n.binary(BinaryKind::Max, c, x)
            },
            "a maximum",
        ),
        (
            |n, x| {
                let c = n.c(0.0);
                n.binary(BinaryKind::Max, x, c)
            },
            "a maximum with zero",
        ),
        (
            |n, x| {
                let c = n.c(0.0);
                n.binary(BinaryKind::Min, x, c)
            },
            "a minimum with zero",
        ),
        (|n, x| n.clip(x, -INF, 6.0), "no limit below"),
        (|n, x| n.clip(x, 0.0, INF), "no limit above"),
        (|n, x| n.clip(x, -1.0, 1.0), "two limits"),
        (
            |n, x| n.op(Op::Activation(Activation::LeakyRelu { alpha: 0.1 }), &[x]),
            "one slope",
        ),
        (
            |n, x| {
                let flat = n.reshape(x, &[12]);
                let slopes: Vec<f32> = (1..=12).map(|i| i as f32 * 0.3 - 2.0).collect();
                let slopes = n.w(&[12], &slopes);
                let y = n.op(Op::PRelu, &[flat, slopes]);
                n.reshape(y, &[1, 3, 2, 2])
            },
            "a slope per element",
        ),
    ];
    let values = [INF, -INF, 1e-40, -1e-40, f32::MAX, f32::MIN, -0.0, 2.0];
    for (function, why) in functions {
        let mut net = Net::new();
        let x = net.x(&[1, 3, 2, 2]);
        let y = function(&mut net, x);
        let before = net.finish(&[y]);
        let after = canonicalise(before.clone(), &HashSet::new()).unwrap().graph;
        for shift in 0..values.len() {
            let x = (0..12).map(|i| values[(i + shift) % values.len()]).collect();
            let x = array(&[1, 3, 2, 2], x);
            let [got, want] = [&after, &before].map(|g| evaluate(g, std::slice::from_ref(&x)).remove(0));
            assert_eq!(got.data, want.data, "{why}\n{}", after.text());
        }
    }
}

/// Constants of one value make no axis where there is none, as in dynamic quantisation.
#[test]
fn a_single_number_stays_one() {
    let mut n = Net::new();
    let x = n.x(&[2, 3]);
    let axes = vec![0, 1];
    let least = Op::Reduce {
        kind: crate::graph::ReduceKind::Min,
        axes,
        keepdims: false,
    };
    let least = n.op(least, &[x]);
    let (zero, scale) = (n.c(0.0), n.c(3.0));
    let least = n.binary(BinaryKind::Min, least, zero);
    let least = n.clip(least, -1.0, 0.5);
    let scaled = n.binary(BinaryKind::Div, least, scale);
    let y = n.binary(BinaryKind::Sub, zero, scaled);
    canonical(&n.finish(&[y]), "a scalar");
}
