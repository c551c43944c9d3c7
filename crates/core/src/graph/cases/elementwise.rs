//! Functions of single elements, and constants per channel.

use super::Case;
use super::Operand::{AboveOne, AbsX, Positive, W, X};
use crate::graph::{Activation, BinaryKind, Op, UnaryKind};

pub(super) fn elements() -> Vec<Case> {
    let one = |function, why| Case {
        op: Op::Activation(function),
        operands: vec![X(&[2, 3, 4, 5])],
        why,
    };
    let mut cases = vec![
        one(Activation::Relu, "relu"),
        one(Activation::Clip { min: 0.0, max: 0.5 }, "relu6 in small"),
        one(
            Activation::Clip { min: 0.0, max: 1.0 },
            "the least that a DLA clips at",
        ),
        one(
            Activation::Clip {
                min: -0.25,
                max: 0.25,
            },
            "clip below zero",
        ),
        one(
            Activation::Clip {
                min: f32::NEG_INFINITY,
                max: 0.1,
            },
            "no limit below",
        ),
        one(
            Activation::Clip {
                min: -0.1,
                max: f32::INFINITY,
            },
            "no limit above",
        ),
        one(Activation::LeakyRelu { alpha: 0.1 }, "leaky"),
        one(
            Activation::LeakyRelu { alpha: 0.0 },
            "an attribute of zero is still written",
        ),
        one(Activation::Sigmoid, "sigmoid"),
        one(Activation::Tanh, "tanh"),
        Case {
            op: Op::PRelu,
            operands: vec![X(&[2, 3, 4, 4]), W(&[3])],
            why: "slopes per channel",
        },
        Case {
            op: Op::PRelu,
            operands: vec![X(&[2, 3]), W(&[3])],
            why: "slopes of a vector",
        },
        Case {
            op: Op::PRelu,
            operands: vec![X(&[4]), W(&[4])],
            why: "one dimension",
        },
    ];
    cases.extend(UnaryKind::ALL.map(|kind| Case {
        op: Op::Unary(kind),
        operands: vec![match kind {
            UnaryKind::Log | UnaryKind::Sqrt => AbsX(&[2, 3, 4, 5]),
            UnaryKind::Acosh => AboveOne(&[2, 3, 4, 5]),
            _ => X(&[2, 3, 4, 5]),
        }],
        why: "each element",
    }));
    cases.extend(
        [(&[4][..], "one dimension"), (&[1, 2, 3, 2, 2], "five")].map(|(x, why)| Case {
            op: Op::Unary(UnaryKind::Exp),
            operands: vec![X(x)],
            why,
        }),
    );
    cases
}

pub(super) fn per_channel_constants() -> Vec<Case> {
    let bias = |axis, x, w, why| Case {
        op: Op::BiasAdd { axis },
        operands: vec![X(x), W(w)],
        why,
    };
    let norm = |epsilon, axis, x, c, why| Case {
        op: Op::BatchNorm { epsilon, axis },
        operands: vec![X(x), W(c), W(c), W(c), Positive(c)],
        why,
    };
    let layer = |epsilon, axis, x, c, why| Case {
        op: Op::LayerNorm { epsilon, axis },
        operands: vec![X(x), W(c), W(c)],
        why,
    };
    vec![
        bias(1, &[2, 3, 4, 5], &[3], "channels of a map"),
        bias(3, &[2, 3, 4, 5], &[5], "the last axis of a map"),
        bias(1, &[2, 7], &[7], "a vector"),
        bias(2, &[2, 4, 3], &[3], "three dimensions"),
        bias(4, &[1, 2, 2, 3, 4], &[4], "five dimensions"),
        Case {
            op: Op::BiasAdd { axis: 1 },
            operands: vec![X(&[1, 3, 2, 2]), X(&[3])],
            why: "a bias that is computed",
        },
        norm(1e-5, 1, &[2, 3, 4, 5], &[3], "a map"),
        norm(0.1, 1, &[2, 3, 4], &[3], "a sequence, large epsilon"),
        norm(1e-3, 1, &[4, 6], &[6], "a vector"),
        norm(1e-5, 3, &[2, 3, 4, 5], &[5], "the last axis of a map"),
        norm(1e-5, 1, &[1, 3, 2, 4, 5], &[3], "five dimensions"),
        norm(1e-5, 4, &[1, 3, 2, 4, 5], &[5], "the last of five"),
        layer(1e-5, 2, &[2, 3, 8], &[8], "a sequence"),
        layer(1e-3, 1, &[2, 6, 3, 3], &[6], "channels of a map"),
        layer(0.1, 1, &[2, 6], &[6], "a vector, large epsilon"),
    ]
}

pub(super) fn binary_operators_broadcast() -> Vec<Case> {
    let mut cases = Vec::new();
    use BinaryKind::{Add, Max, Min, Mul, Sub};
    for kind in [Add, Sub, Mul, Max, Min] {
        let case = |operands, why| Case {
            op: Op::Binary(kind),
            operands,
            why,
        };
        cases.extend([
            case(vec![X(&[2, 3, 4, 4]), X(&[2, 3, 4, 4])], "two maps"),
            case(vec![X(&[2, 3, 4, 4]), X(&[2, 3, 1, 1])], "a gate per channel"),
            case(vec![X(&[2, 1, 4, 4]), X(&[2, 3, 1, 1])], "both are repeated"),
            case(
                vec![X(&[2, 3, 4, 4]), W(&[3, 1, 1])],
                "a constant per channel, short",
            ),
            case(vec![X(&[2, 3, 4, 4]), W(&[1, 3, 1, 1])], "a constant per channel"),
            case(vec![W(&[3, 1, 1]), X(&[2, 3, 4, 4])], "a constant in front"),
            case(vec![X(&[2, 3, 4, 4]), W(&[])], "a scalar"),
            case(vec![W(&[1]), X(&[2, 3, 4, 4])], "a scalar in front"),
            case(
                vec![X(&[2, 3, 4, 4]), W(&[4])],
                "along the last axis, not the channels",
            ),
            case(
                vec![X(&[2, 4, 4, 4]), W(&[4])],
                "along the last axis, though it fits the channels",
            ),
            case(
                vec![X(&[2, 4, 4, 4]), W(&[1, 1, 4])],
                "as many as channels, but along the last axis",
            ),
            case(vec![X(&[2, 4, 4, 4]), W(&[4, 4])], "along two axes"),
            case(vec![X(&[2, 3, 4, 4]), W(&[3, 4, 4])], "a whole map"),
            case(
                vec![X(&[2, 1, 4, 4]), W(&[3, 1, 1])],
                "the constant widens the map",
            ),
            case(vec![X(&[2, 5]), W(&[5])], "a vector"),
            case(vec![X(&[2, 5]), W(&[1, 5])], "a vector with its batch axis"),
            case(vec![X(&[4]), W(&[4])], "one dimension"),
            case(vec![X(&[1, 2, 3, 2, 2]), W(&[2, 1, 1, 1])], "five dimensions"),
        ]);
    }
    for kind in [BinaryKind::Div, BinaryKind::Pow] {
        let case = |operands, why| Case {
            op: Op::Binary(kind),
            operands,
            why,
        };
        cases.extend([
            case(
                vec![AbsX(&[2, 3, 4, 4]), Positive(&[3, 1, 1])],
                "a constant per channel",
            ),
            case(
                vec![Positive(&[3, 1, 1]), AbsX(&[2, 3, 4, 4])],
                "a constant in front",
            ),
            case(vec![AbsX(&[2, 3]), Positive(&[])], "a scalar"),
        ]);
    }
    let map: &[usize] = &[2, 3, 4, 4];
    cases.extend([
        Case {
            op: Op::Binary(BinaryKind::Div),
            operands: vec![X(map), AboveOne(map)],
            why: "two maps",
        },
        Case {
            op: Op::Binary(BinaryKind::Pow),
            operands: vec![AbsX(map), X(map)],
            why: "two maps",
        },
    ]);
    cases
}
