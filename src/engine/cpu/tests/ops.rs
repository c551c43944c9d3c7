//! Every operator alone, at the places where conventions differ.

use super::{compare, noise};
use crate::graph::{
    Activation, BinaryKind, Conv2d, GraphBuilder, Lrn, Op, Pad, Padding2d, Pool2d, PoolKind,
};
use PoolKind::{Average, Max};

/// An operand: an activation, a constant, or a constant of positive values.
enum Operand {
    X(&'static [usize]),
    W(&'static [usize]),
    Positive(&'static [usize]),
}
use Operand::{Positive, W, X};

struct Case {
    op: Op,
    operands: Vec<Operand>,
    why: &'static str,
}

fn check(cases: Vec<Case>) {
    for case in cases {
        let mut b = GraphBuilder::new("case");
        let mut ids = Vec::new();
        for (seed, operand) in case.operands.iter().enumerate() {
            let name = format!("operand{seed}");
            let values = |shape: &[usize]| noise(shape.iter().product(), seed as u32 + 1);
            ids.push(match operand {
                X(shape) => b.input(&name, shape),
                W(shape) => b.weight(&name, shape, values(shape)),
                Positive(shape) => {
                    let positive = values(shape).iter().map(|v| v.abs() + 0.1).collect();
                    b.weight(&name, shape, positive)
                }
            });
        }
        let y = b.node("y", case.op, &ids).expect(case.why);
        b.output(y);
        compare(&b.finish().expect(case.why), case.why);
    }
}

fn pads(top: usize, left: usize, bottom: usize, right: usize) -> Padding2d {
    Padding2d {
        top,
        left,
        bottom,
        right,
    }
}

#[test]
fn convolutions() {
    let case = |stride, padding, dilation, groups, x, w, why| Case {
        op: Op::Conv2d(Conv2d {
            stride,
            padding,
            dilation,
            groups,
        }),
        operands: vec![X(x), W(w)],
        why,
    };
    let none = Padding2d::default();
    check(vec![
        case(
            [1, 1],
            none,
            [1, 1],
            1,
            &[2, 3, 5, 6],
            &[4, 3, 1, 1],
            "pointwise",
        ),
        case(
            [1, 1],
            pads(1, 1, 1, 1),
            [1, 1],
            1,
            &[1, 3, 7, 7],
            &[4, 3, 3, 3],
            "3x3 same",
        ),
        case(
            [2, 2],
            pads(0, 0, 1, 1),
            [1, 1],
            1,
            &[1, 3, 8, 8],
            &[4, 3, 3, 3],
            "TensorFlow's SAME at stride 2 pads one side",
        ),
        case(
            [2, 1],
            pads(2, 1, 0, 3),
            [1, 1],
            1,
            &[2, 2, 9, 7],
            &[3, 2, 3, 5],
            "axes differ in everything",
        ),
        case(
            [1, 1],
            pads(2, 2, 2, 2),
            [2, 2],
            1,
            &[1, 2, 7, 7],
            &[3, 2, 3, 3],
            "dilation",
        ),
        case(
            [1, 1],
            pads(1, 1, 1, 1),
            [1, 1],
            4,
            &[2, 4, 6, 6],
            &[4, 1, 3, 3],
            "depthwise",
        ),
        case(
            [1, 1],
            none,
            [1, 1],
            2,
            &[1, 4, 5, 5],
            &[6, 2, 3, 3],
            "groups",
        ),
        case(
            [1, 1],
            none,
            [1, 1],
            3,
            &[1, 3, 5, 5],
            &[6, 1, 3, 3],
            "depthwise with two outputs per channel",
        ),
        case(
            [3, 3],
            none,
            [1, 1],
            1,
            &[1, 2, 8, 8],
            &[2, 2, 8, 8],
            "the kernel is the whole map",
        ),
    ]);
}

fn pool(kind: PoolKind, window: [usize; 2], stride: [usize; 2], padding: Padding2d) -> Pool2d {
    Pool2d {
        kind,
        window,
        stride,
        padding,
        dilation: [1, 1],
        ceil_mode: false,
        count_include_pad: false,
    }
}

fn pool_case(pool: Pool2d, x: &'static [usize], why: &'static str) -> Case {
    Case {
        op: Op::Pool2d(pool),
        operands: vec![X(x)],
        why,
    }
}

#[test]
fn pooling() {
    let none = Padding2d::default();
    let ceil = |p: Pool2d| Pool2d {
        ceil_mode: true,
        ..p
    };
    let include = |p: Pool2d| Pool2d {
        count_include_pad: true,
        ..p
    };
    let dilated = |p: Pool2d| Pool2d {
        dilation: [2, 2],
        ..p
    };
    let pad1 = pads(1, 1, 1, 1);
    let side = pads(0, 0, 1, 1);
    let map: &[usize] = &[2, 3, 7, 8];
    for kind in [Max, Average] {
        check(vec![
            pool_case(
                pool(kind, [2, 2], [2, 2], none),
                map,
                "floor drops the last row",
            ),
            pool_case(
                ceil(pool(kind, [2, 2], [2, 2], none)),
                map,
                "ceil keeps a partial window",
            ),
            pool_case(
                ceil(pool(kind, [3, 3], [2, 2], none)),
                &[1, 2, 8, 8],
                "GoogLeNet's ceil pool",
            ),
            pool_case(
                ceil(pool(kind, [3, 3], [2, 2], pad1)),
                &[1, 2, 8, 8],
                "ceil beside padding",
            ),
            pool_case(pool(kind, [3, 3], [2, 2], pad1), map, "padding"),
            pool_case(pool(kind, [3, 3], [2, 2], side), map, "padding on one side"),
            pool_case(
                include(pool(kind, [3, 3], [1, 1], pad1)),
                map,
                "Inception's average counts padding",
            ),
            pool_case(
                include(ceil(pool(kind, [3, 3], [2, 2], none))),
                &[1, 2, 8, 8],
                "overhang never counts",
            ),
            pool_case(
                include(ceil(pool(kind, [3, 3], [2, 2], pad1))),
                &[1, 2, 8, 8],
                "padding counts, overhang does not",
            ),
            pool_case(
                include(ceil(pool(kind, [2, 3], [2, 2], side))),
                &[1, 2, 8, 7],
                "the same on one side only",
            ),
            pool_case(dilated(pool(kind, [2, 2], [1, 1], none)), map, "dilation"),
            pool_case(
                dilated(include(pool(kind, [2, 2], [2, 2], pad1))),
                map,
                "dilation, padding counts",
            ),
            pool_case(
                dilated(pool(kind, [2, 3], [1, 2], pads(1, 0, 1, 2))),
                map,
                "dilation, padding does not count",
            ),
            pool_case(
                ceil(pool(kind, [1, 1], [3, 3], none)),
                &[1, 2, 6, 6],
                "the last window is beyond the map: TVM keeps it",
            ),
            pool_case(
                pool(kind, [2, 2], [1, 1], pads(2, 2, 3, 2)),
                &[1, 2, 4, 4],
                "padding wider than the window",
            ),
            pool_case(pool(kind, [7, 8], [1, 1], none), map, "the whole map"),
        ]);
        for include in [false, true] {
            for (window, stride) in [(1, 1), (1, 2), (2, 1), (2, 3), (3, 2), (3, 3), (5, 3)] {
                for size in 5..9 {
                    let mut p = pool(kind, [window; 2], [stride; 2], none);
                    p.ceil_mode = true;
                    p.count_include_pad = include;
                    p.padding = pads(window / 2, 0, window / 2, window / 2);
                    check(vec![pool_case(
                        p,
                        SQUARES[size - 5],
                        "every remainder of size by stride",
                    )]);
                }
            }
        }
    }
}

const SQUARES: [&[usize]; 4] = [&[1, 2, 5, 5], &[1, 2, 6, 6], &[1, 2, 7, 7], &[1, 2, 8, 8]];

#[test]
fn global_and_adaptive_pooling() {
    let case = |kind, output, x, why| Case {
        op: Op::AdaptivePool { kind, output },
        operands: vec![X(x)],
        why,
    };
    for kind in [Max, Average] {
        check(vec![
            Case {
                op: Op::GlobalPool(kind),
                operands: vec![X(&[2, 5, 7, 3])],
                why: "global",
            },
            case(kind, [1, 1], &[2, 3, 5, 4], "one window is global"),
            case(kind, [7, 7], &[1, 3, 7, 7], "every element alone"),
            case(kind, [2, 3], &[2, 3, 6, 6], "equal windows"),
            case(kind, [6, 6], &[1, 2, 7, 7], "overlapping windows of two"),
            case(
                kind,
                [3, 5],
                &[2, 2, 8, 13],
                "windows of different lengths on both axes",
            ),
            case(
                kind,
                [1, 3],
                &[1, 2, 6, 7],
                "one axis divides, the other does not",
            ),
        ]);
    }
}

#[test]
fn elements() {
    let one = |function, why| Case {
        op: Op::Activation(function),
        operands: vec![X(&[2, 3, 4, 5])],
        why,
    };
    check(vec![
        one(Activation::Relu, "relu"),
        one(Activation::Clip { min: 0.0, max: 0.5 }, "relu6 in small"),
        one(
            Activation::Clip {
                min: -0.25,
                max: 0.25,
            },
            "clip below zero",
        ),
        one(
            Activation::Clip {
                min: f32::MIN,
                max: 0.1,
            },
            "clip on one side",
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
    ]);
}

#[test]
fn per_channel_constants() {
    let bias = |axis, x, w, why| Case {
        op: Op::BiasAdd { axis },
        operands: vec![X(x), W(w)],
        why,
    };
    let norm = |epsilon, x, c, why| Case {
        op: Op::BatchNorm { epsilon },
        operands: vec![X(x), W(c), W(c), W(c), Positive(c)],
        why,
    };
    check(vec![
        bias(1, &[2, 3, 4, 5], &[3], "channels of a map"),
        bias(3, &[2, 3, 4, 5], &[5], "the last axis of a map"),
        bias(1, &[2, 7], &[7], "a vector"),
        bias(2, &[2, 4, 3], &[3], "three dimensions"),
        norm(1e-5, &[2, 3, 4, 5], &[3], "a map"),
        norm(0.1, &[2, 3, 4], &[3], "a sequence, large epsilon"),
        norm(1e-3, &[4, 6], &[6], "a vector"),
    ]);
}

#[test]
fn binary_operators_broadcast() {
    use BinaryKind::{Add, Max, Min, Mul, Sub};
    for kind in [Add, Sub, Mul, Max, Min] {
        let case = |operands, why| Case {
            op: Op::Binary(kind),
            operands,
            why,
        };
        check(vec![
            case(vec![X(&[2, 3, 4, 4]), X(&[2, 3, 4, 4])], "two maps"),
            case(
                vec![X(&[2, 3, 4, 4]), X(&[2, 3, 1, 1])],
                "a gate per channel",
            ),
            case(
                vec![X(&[2, 1, 4, 4]), X(&[2, 3, 1, 1])],
                "both are repeated",
            ),
            case(
                vec![X(&[2, 3, 4, 4]), W(&[3, 1, 1])],
                "a constant per channel, short",
            ),
            case(
                vec![X(&[2, 3, 4, 4]), W(&[1, 3, 1, 1])],
                "a constant per channel",
            ),
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
        ]);
    }
}

#[test]
fn shapes() {
    let case = |op, x, why| Case {
        op,
        operands: vec![X(x)],
        why,
    };
    let pad = |before: &[usize], after: &[usize], value| {
        Op::Pad(Pad {
            before: before.to_vec(),
            after: after.to_vec(),
            value,
        })
    };
    let reshape = |dims: &[i64]| Op::Reshape {
        dims: dims.to_vec(),
    };
    check(vec![
        case(Op::Flatten, &[2, 3, 4, 5], "flatten"),
        case(reshape(&[0, -1]), &[2, 3, 4], "reshape keeps rows"),
        case(reshape(&[0, 4, 3, 1]), &[2, 3, 4], "reshape to more axes"),
        case(Op::Squeeze { axes: vec![2, 3] }, &[2, 3, 1, 1], "squeeze"),
        case(Op::ExpandDims { axis: 1, count: 2 }, &[2, 3], "expand"),
        case(
            Op::ExpandDims { axis: 2, count: 0 },
            &[2, 3],
            "expand by nothing",
        ),
        case(
            Op::Transpose {
                axes: vec![0, 2, 3, 1],
            },
            &[2, 3, 4, 5],
            "to NHWC",
        ),
        case(Op::Transpose { axes: vec![0, 1] }, &[2, 3], "no change"),
        case(
            pad(&[0, 0, 1, 2], &[0, 0, 3, 0], 0.0),
            &[2, 3, 4, 5],
            "zeros around a map",
        ),
        case(
            pad(&[0, 1, 0, 0], &[0, 2, 0, 0], 0.0),
            &[2, 3, 4, 5],
            "channels (ResNet option A)",
        ),
        case(
            pad(&[0, 0, 1, 1], &[0, 0, 1, 1], -1.5),
            &[1, 2, 3, 3],
            "another value",
        ),
        Case {
            op: Op::Concat { axis: 1 },
            operands: vec![X(&[2, 3, 4, 4]), X(&[2, 1, 4, 4])],
            why: "channels",
        },
        Case {
            op: Op::Concat { axis: 2 },
            operands: vec![X(&[2, 3, 4]), X(&[2, 3, 2]), W(&[2, 3, 1])],
            why: "three, one constant",
        },
        Case {
            op: Op::Concat { axis: 1 },
            operands: vec![X(&[2, 3])],
            why: "one operand",
        },
    ]);
}

#[test]
fn reductions() {
    let case = |op, x, why| Case {
        op,
        operands: vec![X(x)],
        why,
    };
    let mean = |axes: &[usize], keepdims| Op::Mean {
        axes: axes.to_vec(),
        keepdims,
    };
    let lrn = |size, beta| {
        Op::Lrn(Lrn {
            size,
            alpha: 0.3,
            beta,
            bias: 1.5,
        })
    };
    check(vec![
        case(mean(&[2, 3], true), &[2, 3, 4, 5], "the whole map"),
        case(
            mean(&[2, 3], false),
            &[2, 3, 4, 5],
            "the whole map, axes dropped",
        ),
        case(mean(&[1], false), &[2, 3, 4, 5], "channels"),
        case(mean(&[1, 3], true), &[2, 3, 4, 5], "axes apart"),
        case(mean(&[2], false), &[2, 3, 4], "three dimensions"),
        case(mean(&[], true), &[2, 3], "over nothing"),
        case(lrn(5, 0.75), &[2, 7, 3, 3], "AlexNet's"),
        case(lrn(1, 0.5), &[1, 3, 2, 2], "one channel"),
        case(lrn(9, 0.75), &[1, 4, 2, 2], "wider than the channels"),
        case(Op::Softmax { axis: 1 }, &[3, 10], "classes"),
        case(Op::Softmax { axis: 1 }, &[2, 5, 3, 3], "channels of a map"),
        case(Op::Softmax { axis: 3 }, &[2, 5, 3, 3], "the last axis"),
    ]);
}

#[test]
fn dense_layers() {
    let case = |x, w: Operand, why| Case {
        op: Op::Dense,
        operands: vec![X(x), w],
        why,
    };
    check(vec![
        case(&[3, 8], W(&[5, 8]), "a matrix"),
        case(&[1, 8], W(&[1, 8]), "one by one"),
        case(&[2, 3, 8], W(&[5, 8]), "three dimensions"),
        case(&[3, 8], X(&[5, 8]), "the kernel is computed"),
    ]);
}
