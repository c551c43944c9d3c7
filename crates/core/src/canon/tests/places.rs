//! Chains of moves by what they do.

use std::collections::HashSet;

use super::{Build, Case, Net, canonicalise, check, one, operators};
use crate::graph::{
    BinaryKind, Coordinates, DeconvNd, Op, PaddingNd, Resize2d, ResizeMode, Rounding, TensorId,
};

fn transpose(n: &mut Net, x: TensorId, axes: &[usize]) -> TensorId {
    let axes = axes.to_vec();
    n.op(Op::Transpose { axes }, &[x])
}

fn concat(n: &mut Net, axis: usize, parts: &[TensorId]) -> TensorId {
    n.op(Op::Concat { axis }, parts)
}

/// A product with ones, which repeats axes of one element.
fn ones(n: &mut Net, x: TensorId, shape: &[usize]) -> TensorId {
    let ones = n.w(shape, &vec![1.0; shape.iter().product()]);
    n.binary(BinaryKind::Mul, x, ones)
}

/// Four channels of a convolution that is large enough for moves to be cheap beside it.
fn map(n: &mut Net) -> TensorId {
    let x = n.x(&[2, 4, 6, 4]);
    n.conv(x, 5, 1, 2)
}

#[test]
fn every_repetition_of_a_map_is_a_resize() {
    let spellings: [(Build, &str); 5] = [
        (
            |n| {
                let x = map(n);
                let resize = Resize2d {
                    output: [12, 8],
                    mode: ResizeMode::Nearest(Rounding::Floor),
                    coordinates: Coordinates::Asymmetric,
                };
                n.op(Op::Resize2d(resize), &[x])
            },
            "a resize",
        ),
        (
            |n| {
                let x = map(n);
                let apart = n.reshape(x, &[0, 4, 6, 1, 4, 1]);
                let wide = ones(n, apart, &[1, 1, 1, 2, 1, 2]);
                n.reshape(wide, &[0, 4, 12, 8])
            },
            "a product with ones",
        ),
        (
            |n| {
                let x = map(n);
                let apart = n.reshape(x, &[0, 4, 6, 4, 1]);
                let columns = ones(n, apart, &[1, 1, 1, 1, 2]);
                let apart = n.reshape(columns, &[0, 4, 6, 1, 8]);
                let rows = ones(n, apart, &[1, 1, 1, 2, 1]);
                n.reshape(rows, &[0, 4, 12, 8])
            },
            "columns, then rows",
        ),
        (
            |n| {
                let x = map(n);
                let apart = n.reshape(x, &[0, 4, 6, 4, 1]);
                let columns = concat(n, 4, &[apart, apart]);
                let wide = n.reshape(columns, &[0, 4, 6, 8]);
                let rows: Vec<TensorId> = (0..6)
                    .flat_map(|row| [n.slice(wide, &[(2, row, 1, 1)]); 2])
                    .collect();
                concat(n, 2, &rows)
            },
            "concatenations",
        ),
        (
            |n| {
                let x = map(n);
                let kernel = n.w(&[4, 1, 2, 2], &[1.0; 16]);
                let deconv = DeconvNd {
                    stride: [2; 2],
                    padding: PaddingNd::uniform(0),
                    output_padding: [0; 2],
                    groups: 4,
                };
                n.op(Op::Deconv2d(deconv), &[x, kernel])
            },
            "a deconvolution of ones",
        ),
    ];
    assert_eq!(operators(&one(&spellings)), ["conv2d", "resize2d"]);
}

/// Channels in two groups, alternately.
fn shuffled(n: &mut Net, x: TensorId) -> TensorId {
    let apart = n.reshape(x, &[0, 2, 2, 6, 4]);
    let turned = transpose(n, apart, &[0, 2, 1, 3, 4]);
    n.reshape(turned, &[0, 4, 6, 4])
}

#[test]
fn channels_in_another_order_are_the_next_weights() {
    let spellings: [(Build, &str); 4] = [
        (
            |n| {
                let x = map(n);
                let y = shuffled(n, x);
                n.conv(y, 3, 1, 1)
            },
            "a reshape, a transpose and a reshape",
        ),
        (
            |n| {
                let x = map(n);
                let line = n.reshape(x, &[0, 2, 2, 24]);
                let turned = transpose(n, line, &[0, 2, 1, 3]);
                let y = n.reshape(turned, &[0, 4, 6, 4]);
                n.conv(y, 3, 1, 1)
            },
            "over a line",
        ),
        (
            |n| {
                let x = map(n);
                let parts = [0, 2, 1, 3].map(|c| n.slice(x, &[(1, c, 1, 1)]));
                let y = concat(n, 1, &parts);
                n.conv(y, 3, 1, 1)
            },
            "one by one",
        ),
        (
            |n| {
                let x = map(n);
                let parts = [0, 1].map(|c| n.slice(x, &[(1, c, 2, 2)]));
                let y = concat(n, 1, &parts);
                n.conv(y, 3, 1, 1)
            },
            "even and odd ones",
        ),
    ];
    assert_eq!(operators(&one(&spellings)), ["conv2d", "conv2d"]);
}

#[test]
fn moves_that_a_layer_does_are_that_layer() {
    let cases = [
        Case {
            build: |n| {
                let x = map(n);
                let y = shuffled(n, x);
                n.relu(y)
            },
            want: &["conv2d", "conv2d", "relu"],
            why: "a shuffle that no convolution reads is one",
        },
        Case {
            build: |n| {
                let x = map(n);
                let y = shuffled(n, x);
                let [a, b] = [0, 2].map(|c| n.slice(y, &[(1, c, 2, 1)]));
                let a = n.conv(a, 1, 1, 0);
                concat(n, 1, &[a, b])
            },
            want: &["conv2d", "conv2d", "conv2d", "concatenate"],
            why: "a shuffle that is split: one part read by a convolution",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 4, 6, 4]);
                let y = n.conv(x, 1, 1, 0);
                let y = n.reshape(y, &[0, 2, 2, 6, 4]);
                let y = transpose(n, y, &[0, 2, 1, 3, 4]);
                let y = n.reshape(y, &[0, 4, 6, 4]);
                n.relu(y)
            },
            want: &["conv2d", "reshape", "transpose", "reshape", "relu"],
            why: "as dear as the network",
        },
        Case {
            build: |n| {
                let x = map(n);
                let y = n.slice(x, &[(2, 0, 3, 2), (3, 0, 2, 2)]);
                n.relu(y)
            },
            want: &["conv2d", "max_pool2d", "relu"],
            why: "every second row and column",
        },
        Case {
            build: |n| {
                let x = map(n);
                let rows = n.slice(x, &[(2, 1, 2, 3)]);
                let y = n.slice(rows, &[(3, 1, 2, 2)]);
                n.relu(y)
            },
            want: &["conv2d", "strided_slice", "max_pool2d", "relu"],
            why: "not from the first on",
        },
        Case {
            build: |n| {
                let x = map(n);
                let [a, b] = [(); 2].map(|()| n.conv(x, 1, 1, 0));
                let [a, b] = [a, b].map(|part| n.op(Op::ExpandDims { axis: 1, count: 1 }, &[part]));
                let both = concat(n, 1, &[a, b]);
                let y = n.reshape(both, &[0, 8, 6, 4]);
                n.relu(y)
            },
            want: &["conv2d", "conv2d", "conv2d", "concatenate", "relu"],
            why: "maps that are stacked and joined",
        },
        Case {
            build: |n| {
                let x = map(n);
                let apart = n.reshape(x, &[0, 1, 2, 2, 6, 4]);
                let turned = transpose(n, apart, &[0, 1, 4, 2, 5, 3]);
                let y = n.reshape(turned, &[0, 1, 12, 8]);
                n.relu(y)
            },
            want: &["conv2d", "conv2d_transpose", "relu"],
            why: "depth to space",
        },
        Case {
            build: |n| {
                let x = map(n);
                let apart = n.reshape(x, &[0, 4, 3, 2, 2, 2]);
                let turned = transpose(n, apart, &[0, 3, 5, 1, 2, 4]);
                let y = n.reshape(turned, &[0, 16, 3, 2]);
                n.relu(y)
            },
            want: &["conv2d", "conv2d", "relu"],
            why: "space to depth",
        },
        Case {
            build: |n| {
                let x = map(n);
                let line = n.reshape(x, &[0, 96]);
                let y = n.reshape(line, &[0, 6, 4, 4]);
                n.relu(y)
            },
            want: &["conv2d", "reshape", "relu"],
            why: "another map altogether",
        },
        Case {
            build: |n| {
                let x = map(n);
                let a = n.slice(x, &[(1, 0, 2, 1)]);
                let b = n.conv(x, 1, 1, 0);
                let y = concat(n, 1, &[b, a]);
                n.relu(y)
            },
            want: &["conv2d", "strided_slice", "conv2d", "concatenate", "relu"],
            why: "parts that a network joins",
        },
    ];
    check(&cases);
}

#[test]
fn moves_cost_at_most_a_quarter_of_the_network_in_all() {
    let mut net = Net::new();
    let mut y = net.x(&[2, 4, 6, 4]);
    for _ in 0..12 {
        y = net.conv(y, 1, 1, 0);
        y = shuffled(&mut net, y);
        y = net.relu(y);
    }
    let before = net.finish(&[y]);
    let after = canonicalise(before.clone(), &HashSet::new()).unwrap().graph;
    assert!(after.macs() > before.macs(), "some of them are convolutions");
    assert!(
        after.macs() * 4 <= before.macs() * 5,
        "{} and {}",
        after.macs(),
        before.macs()
    );
}
