//! Constants beside maps, and what goes into weights.

use super::{Case, Net, check, one};
use crate::graph::{BinaryKind, ConvNd, Op, PaddingNd, TensorId, UnaryKind};

const MEAN: [f32; 3] = [1.2, 1.3, -0.9];
const STD: [f32; 3] = [0.5, 0.25, 2.0];

#[test]
fn arithmetic_has_one_spelling() {
    let cases = [
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let c = n.w(&[3, 1, 1], &STD);
                n.binary(BinaryKind::Div, x, c)
            },
            want: &["multiply"],
            why: "division by a constant",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let (a, c) = (n.op(Op::Unary(UnaryKind::Abs), &[x]), n.c(2.0));
                let a = n.binary(BinaryKind::Add, a, c);
                n.binary(BinaryKind::Div, c, a)
            },
            want: &["abs", "add", "divide"],
            why: "a constant that is divided",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let c = n.w(&[3, 1, 1], &[1.0, 0.0, 1e-45]);
                let a = n.op(Op::Unary(UnaryKind::Abs), &[x]);
                n.binary(BinaryKind::Div, a, c)
            },
            want: &["abs", "divide"],
            why: "a reciprocal beyond float32",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let c = n.w(&[3, 1, 1], &MEAN);
                n.binary(BinaryKind::Sub, c, x)
            },
            want: &["multiply", "add"],
            why: "subtraction from a constant",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let (two, three) = (n.c(2.0), n.c(3.0));
                let square = n.binary(BinaryKind::Pow, x, two);
                let cube = n.binary(BinaryKind::Pow, x, three);
                n.binary(BinaryKind::Max, square, cube)
            },
            want: &["multiply", "multiply", "multiply", "maximum"],
            why: "whole powers",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let (mean, std) = (n.w(&[3, 1, 1], &MEAN), n.w(&[1, 3, 1, 1], &STD));
                let c = n.c(0.5);
                let a = n.binary(BinaryKind::Mul, c, x);
                let a = n.binary(BinaryKind::Sub, a, mean);
                let a = n.binary(BinaryKind::Div, a, std);
                let a = n.binary(BinaryKind::Mul, a, c);
                n.binary(BinaryKind::Add, a, mean)
            },
            want: &["multiply", "add"],
            why: "any number of scales and shifts",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let (a, b, c) = (n.w(&[3], &MEAN), n.w(&[3], &STD), n.w(&[3, 1, 1], &STD));
                let x = n.conv(x, 1, 1, 0);
                let x = n.op(Op::BiasAdd { axis: 1 }, &[x, a]);
                let x = n.op(Op::BiasAdd { axis: 1 }, &[x, b]);
                n.binary(BinaryKind::Add, x, c)
            },
            want: &["conv2d", "bias_add"],
            why: "biases in a row",
        },
    ];
    check(&cases);
}

/// `(x - MEAN) / STD`
fn normalised(n: &mut Net, x: TensorId) -> TensorId {
    let (mean, std) = (n.w(&[3, 1, 1], &MEAN), n.w(&[3, 1, 1], &STD));
    let centred = n.binary(BinaryKind::Sub, x, mean);
    n.binary(BinaryKind::Div, centred, std)
}

#[test]
fn preprocessing_goes_into_the_weights_behind_it() {
    let cases = [
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let c = n.c(255.0);
                let d = n.binary(BinaryKind::Div, x, c);
                n.conv(d, 3, 1, 1)
            },
            want: &["conv2d"],
            why: "a scale moves past padding",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let d = normalised(n, x);
                n.conv(d, 3, 2, 0)
            },
            want: &["conv2d", "bias_add"],
            why: "a shift becomes a bias where nothing is padded",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let d = normalised(n, x);
                n.conv(d, 3, 2, 1)
            },
            want: &["multiply", "add", "conv2d"],
            why: "a shift does not move past padding",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 6, 8]);
                let c = n.noise(&[6, 1]);
                let d = n.binary(BinaryKind::Mul, x, c);
                let w = n.noise(&[4, 3, 3]);
                let conv = ConvNd {
                    stride: [1],
                    padding: PaddingNd::uniform(1),
                    dilation: [1],
                    groups: 2,
                };
                n.op(Op::Conv1d(conv), &[d, w])
            },
            want: &["conv1d"],
            why: "each group has its own channels",
        },
        Case {
            build: |n| {
                let x = n.x(&[2, 5]);
                let (a, b, w) = (n.noise(&[5]), n.noise(&[1, 5]), n.noise(&[3, 5]));
                let d = n.binary(BinaryKind::Mul, x, a);
                let d = n.binary(BinaryKind::Add, d, b);
                n.op(Op::Dense, &[d, w])
            },
            want: &["dense", "bias_add"],
            why: "a dense layer",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let c = n.noise(&[4, 4]);
                let d = n.binary(BinaryKind::Mul, x, c);
                n.conv(d, 1, 1, 0)
            },
            want: &["multiply", "conv2d"],
            why: "a constant along the map is in no weight",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let c = n.c(2.0);
                let d = n.binary(BinaryKind::Mul, x, c);
                let y = n.conv(d, 1, 1, 0);
                n.binary(BinaryKind::Add, d, y)
            },
            want: &["multiply", "conv2d", "add"],
            why: "something else reads it",
        },
    ];
    check(&cases);
}

#[test]
fn division_and_its_reciprocal_are_one_network() {
    one(&[
        (
            |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let c = n.c(255.0);
                let d = n.binary(BinaryKind::Div, x, c);
                n.conv(d, 3, 1, 1)
            },
            "x / 255",
        ),
        (
            |n| {
                let x = n.x(&[1, 3, 8, 8]);
                let c = n.c(1.0 / 255.0);
                let d = n.binary(BinaryKind::Mul, c, x);
                n.conv(d, 3, 1, 1)
            },
            "1/255 * x",
        ),
    ]);
}
