//! Functions across the channels of a map, which a DLA has as convolutions and as element-wise layers.

use super::{Build, Net, canonical, conv, on_dla, operators};
use crate::graph::{BinaryKind, Op, Padding2d, ReduceKind, TensorId, UnaryKind};

fn reduce(n: &mut Net, x: TensorId, kind: ReduceKind, axes: &[usize], keepdims: bool) -> TensorId {
    let axes = axes.to_vec();
    n.op(Op::Reduce { kind, axes, keepdims }, &[x])
}

/// Mean and maximum over channels, joined, make a gate for all channels.
fn spatial_attention(n: &mut Net, keepdims: bool) -> TensorId {
    let x = n.x(&[1, 8, 9, 7]);
    let x = n.conv(x, 3, 1, 1);
    let pooled = [ReduceKind::Mean, ReduceKind::Max].map(|kind| {
        let y = reduce(n, x, kind, &[1], keepdims);
        if keepdims {
            y
        } else {
            n.op(Op::ExpandDims { axis: 1, count: 1 }, &[y])
        }
    });
    let both = n.op(Op::Concat { axis: 1 }, &pooled);
    let w = n.noise(&[1, 2, 3, 3]);
    let gate = n.op(conv(1, Padding2d::uniform(1)), &[both, w]);
    n.binary(BinaryKind::Mul, x, gate)
}

#[test]
fn attention_over_places_runs_on_a_dla() {
    let cases: [(Build, &str); 2] = [
        (|n| spatial_attention(n, true), "with the reduced axis"),
        (|n| spatial_attention(n, false), "without it"),
    ];
    for (build, why) in cases {
        let mut net = Net::new();
        let y = build(&mut net);
        let after = canonical(&net.finish(&[y]), why);
        on_dla(&after, why);
    }
}

#[test]
fn reductions_over_channels_are_layers_of_a_dla() {
    for channels in [1, 2, 3, 5, 8, 13] {
        for kind in [
            ReduceKind::Mean,
            ReduceKind::Sum,
            ReduceKind::Max,
            ReduceKind::Min,
        ] {
            let why = format!("{kind:?} of {channels}");
            let mut net = Net::new();
            let x = net.x(&[2, channels, 4, 5]);
            let x = net.conv(x, 3, 1, 1);
            let y = reduce(&mut net, x, kind, &[1], true);
            let after = canonical(&net.finish(&[y]), &why);
            on_dla(&after, &why);
        }
    }
}

#[test]
fn least_elements_of_a_map_are_layers_of_a_dla() {
    for axes in [&[2, 3][..], &[2], &[3]] {
        let why = format!("over {axes:?}");
        let mut net = Net::new();
        let x = net.x(&[2, 3, 4, 6]);
        let x = net.conv(x, 3, 1, 1);
        let y = reduce(&mut net, x, ReduceKind::Min, axes, true);
        let after = canonical(&net.finish(&[y]), &why);
        on_dla(&after, &why);
    }
}

/// A mean that a normalisation takes off, and the square whose root divides, stay means: a convolution would gain nothing.
#[test]
fn means_of_a_normalisation_over_channels_stay() {
    let mut n = Net::new();
    let x = n.x(&[1, 6, 4, 4]);
    let x = n.conv(x, 3, 1, 1);
    let mean = reduce(&mut n, x, ReduceKind::Mean, &[1], true);
    let centred = n.binary(BinaryKind::Sub, x, mean);
    let square = n.binary(BinaryKind::Mul, centred, centred);
    let variance = reduce(&mut n, square, ReduceKind::Mean, &[1], true);
    let epsilon = n.c(1e-5);
    let variance = n.binary(BinaryKind::Add, variance, epsilon);
    let deviation = n.op(Op::Unary(UnaryKind::Sqrt), &[variance]);
    let y = n.binary(BinaryKind::Div, centred, deviation);
    let after = canonical(&n.finish(&[y]), "layer normalisation over channels");
    let means = operators(&after).into_iter().filter(|op| *op == "mean");
    assert_eq!(means.count(), 2, "{}", after.text());
}
