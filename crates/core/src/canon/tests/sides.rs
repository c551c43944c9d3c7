//! Activations by their slopes, and others in several spellings.

use super::{Build, Case, Net, check, one, operators};
use crate::graph::{Activation, BinaryKind, Op, TensorId, UnaryKind};

fn start(n: &mut Net) -> TensorId {
    let x = n.x(&[1, 3, 4, 4]);
    n.conv(x, 1, 1, 0)
}

/// One slope per channel, or one for all.
fn slopes(n: &mut Net, one: bool) -> TensorId {
    if one {
        n.c(0.25)
    } else {
        n.w(&[3, 1, 1], &[0.25, 0.5, -0.5])
    }
}

fn minus_relu(n: &mut Net, x: TensorId) -> TensorId {
    let minus = n.op(Op::Unary(UnaryKind::Neg), &[x]);
    n.relu(minus)
}

fn with_min(n: &mut Net, one: bool) -> TensorId {
    let (x, zero) = (start(n), n.c(0.0));
    let (positive, negative) = (n.relu(x), n.binary(BinaryKind::Min, zero, x));
    let slopes = slopes(n, one);
    let negative = n.binary(BinaryKind::Mul, slopes, negative);
    n.binary(BinaryKind::Add, negative, positive)
}

fn with_two_relus(n: &mut Net, one: bool) -> TensorId {
    let x = start(n);
    let (positive, negative) = (n.relu(x), minus_relu(n, x));
    let slopes = slopes(n, one);
    let negative = n.binary(BinaryKind::Mul, negative, slopes);
    n.binary(BinaryKind::Sub, positive, negative)
}

fn with_abs(n: &mut Net, one: bool) -> TensorId {
    let (x, half) = (start(n), n.c(0.5));
    let (positive, abs) = (n.relu(x), n.op(Op::Unary(UnaryKind::Abs), &[x]));
    let negative = n.binary(BinaryKind::Sub, x, abs);
    let slopes = slopes(n, one);
    let negative = n.binary(BinaryKind::Mul, negative, slopes);
    let negative = n.binary(BinaryKind::Mul, negative, half);
    n.binary(BinaryKind::Add, positive, negative)
}

fn with_rest(n: &mut Net, one: bool) -> TensorId {
    let x = start(n);
    let positive = n.relu(x);
    let negative = n.binary(BinaryKind::Sub, x, positive);
    let slopes = slopes(n, one);
    let negative = n.binary(BinaryKind::Mul, negative, slopes);
    n.binary(BinaryKind::Add, negative, positive)
}

fn with_max(n: &mut Net) -> TensorId {
    let (x, slope) = (start(n), n.c(0.25));
    let gentle = n.binary(BinaryKind::Mul, x, slope);
    n.binary(BinaryKind::Max, gentle, x)
}

#[test]
fn every_leaky_relu_is_one() {
    let leaky: Build = |n| {
        let x = start(n);
        n.op(Op::Activation(Activation::LeakyRelu { alpha: 0.25 }), &[x])
    };
    let form = one(&[
        (leaky, "a leaky ReLU"),
        (|n| with_min(n, true), "relu(x) + a * min(x, 0)"),
        (|n| with_two_relus(n, true), "relu(x) - a * relu(-x)"),
        (|n| with_abs(n, true), "relu(x) + a * (x - |x|) / 2"),
        (|n| with_rest(n, true), "relu(x) + a * (x - relu(x))"),
        (with_max, "max(x, a * x)"),
        (
            |n| {
                let x = start(n);
                let slopes = n.w(&[3], &[0.25; 3]);
                n.op(Op::PRelu, &[x, slopes])
            },
            "equal slopes",
        ),
    ]);
    assert_eq!(operators(&form), ["conv2d", "leaky_relu"]);
}

#[test]
fn every_parametric_relu_is_one() {
    let prelu: Build = |n| {
        let x = start(n);
        let slopes = n.w(&[3], &[0.25, 0.5, -0.5]);
        n.op(Op::PRelu, &[x, slopes])
    };
    let form = one(&[
        (prelu, "a parametric ReLU"),
        (|n| with_min(n, false), "relu(x) + a * min(x, 0)"),
        (|n| with_two_relus(n, false), "relu(x) - a * relu(-x)"),
        (|n| with_abs(n, false), "relu(x) + a * (x - |x|) / 2"),
        (|n| with_rest(n, false), "relu(x) + a * (x - relu(x))"),
    ]);
    assert_eq!(operators(&form), ["conv2d", "prelu"]);
}

#[test]
fn other_functions_of_two_slopes() {
    let cases = [
        Case {
            build: |n| {
                let x = start(n);
                let minus = n.op(Op::Unary(UnaryKind::Neg), &[x]);
                n.binary(BinaryKind::Max, x, minus)
            },
            want: &["conv2d", "abs"],
            why: "an absolute value",
        },
        Case {
            build: |n| {
                let (x, half) = (start(n), n.c(0.5));
                let abs = n.op(Op::Unary(UnaryKind::Abs), &[x]);
                let sum = n.binary(BinaryKind::Mul, x, half);
                let abs = n.binary(BinaryKind::Mul, abs, half);
                n.binary(BinaryKind::Add, sum, abs)
            },
            want: &["conv2d", "relu"],
            why: "a ReLU",
        },
        Case {
            build: |n| {
                let (x, two) = (start(n), n.c(2.0));
                let steep = n.binary(BinaryKind::Mul, x, two);
                n.binary(BinaryKind::Max, x, steep)
            },
            want: &["conv2d", "multiply", "maximum"],
            why: "steeper for positive numbers",
        },
        Case {
            build: |n| {
                let x = start(n);
                let r = n.relu(x);
                n.binary(BinaryKind::Add, x, r)
            },
            want: &["conv2d", "relu", "add"],
            why: "a residual",
        },
        Case {
            build: |n| {
                let x = start(n);
                let y = n.conv(x, 1, 1, 0);
                let r = n.relu(x);
                n.binary(BinaryKind::Add, r, y)
            },
            want: &["conv2d", "conv2d", "relu", "add"],
            why: "of two tensors",
        },
    ];
    check(&cases);
}

#[test]
fn a_limit_below_zero_moves_behind_the_shift() {
    let cases = [
        Case {
            build: |n| {
                let (x, three, six) = (start(n), n.c(3.0), n.c(6.0));
                let clip = n.clip(x, -3.0, 3.0);
                let k = n.binary(BinaryKind::Add, clip, three);
                let m = n.binary(BinaryKind::Mul, x, k);
                n.binary(BinaryKind::Div, m, six)
            },
            want: &["conv2d", "multiply", "add", "clip", "multiply"],
            why: "hard swish",
        },
        Case {
            build: |n| {
                let (x, half, sixth) = (start(n), n.c(0.5), n.c(1.0 / 6.0));
                let clip = n.clip(x, -3.0, 3.0);
                let k = n.binary(BinaryKind::Mul, clip, sixth);
                let k = n.binary(BinaryKind::Add, k, half);
                n.binary(BinaryKind::Mul, x, k)
            },
            want: &["conv2d", "multiply", "add", "clip", "multiply"],
            why: "hard swish with its sixth inside",
        },
        Case {
            build: |n| {
                let (x, two) = (start(n), n.c(2.0));
                let clip = n.clip(x, -3.0, 3.0);
                n.binary(BinaryKind::Add, clip, two)
            },
            want: &["conv2d", "multiply", "clip", "multiply", "clip", "add", "add"],
            why: "a shift to another limit: both sides of zero by themselves",
        },
    ];
    check(&cases);
}

#[test]
fn mish_needs_no_exponential() {
    let cases = [Case {
        build: |n| {
            let (x, one) = (start(n), n.c(1.0));
            let e = n.op(Op::Unary(UnaryKind::Exp), &[x]);
            let sum = n.binary(BinaryKind::Add, one, e);
            let log = n.op(Op::Unary(UnaryKind::Log), &[sum]);
            let tanh = n.op(Op::Activation(Activation::Tanh), &[log]);
            n.binary(BinaryKind::Mul, x, tanh)
        },
        want: &[
            "conv2d", "sigmoid", "multiply", "add", "multiply", "add", "multiply", "add", "divide",
            "multiply",
        ],
        why: "x * tanh(log(1 + exp(x)))",
    }];
    check(&cases);
}
