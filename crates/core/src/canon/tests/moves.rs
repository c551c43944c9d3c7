//! No-ops, moves in a row, constants.

use super::{Case, Net, canonical, check, operators, pool};
use crate::graph::{Activation, BinaryKind, Op, PoolKind, UnaryKind};

#[test]
fn what_does_nothing_is_nothing() {
    let cases = [
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let same = n.reshape(x, &[0, 0, 0, 0]);
                n.relu(same)
            },
            want: &["relu"],
            why: "a reshape to the same shape",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                n.reshape(x, &[0, 0, 0, 0])
            },
            want: &["reshape"],
            why: "an output stays computed by a node",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let r = n.relu(x);
                let one = n.op(Op::Concat { axis: 1 }, &[r]);
                let whole = n.slice(one, &[(2, 0, 4, 1)]);
                let padded = n.pad(whole, [0; 4], 1.0);
                let axes = vec![0, 1, 2, 3];
                let t = n.op(Op::Transpose { axes }, &[padded]);
                n.op(Op::Pool2d(pool(PoolKind::Max, 1, 1, 0)), &[t])
            },
            want: &["relu"],
            why: "concat of one, a full slice, no padding, no change of axes, windows of one",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let (zero, one) = (n.c(0.0), n.w(&[3, 1, 1], &[1.0; 3]));
                let r = n.relu(x);
                let a = n.binary(BinaryKind::Add, zero, r);
                let a = n.binary(BinaryKind::Sub, a, zero);
                let a = n.binary(BinaryKind::Mul, one, a);
                let a = n.binary(BinaryKind::Div, a, one);
                let bias = n.w(&[3], &[0.0; 3]);
                n.op(Op::BiasAdd { axis: 1 }, &[a, bias])
            },
            want: &["relu"],
            why: "neutral constants on either side",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 1, 1]);
                let zeros = n.w(&[1, 2, 3], &[0.0; 6]);
                let wide = n.binary(BinaryKind::Add, x, zeros);
                n.relu(wide)
            },
            want: &["add", "relu"],
            why: "zeros that broadcast do something",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let r = n.relu(x);
                let p = n.op(Op::Pool2d(pool(PoolKind::Max, 2, 2, 0)), &[r]);
                let r = n.relu(p);
                n.op(Op::Unary(UnaryKind::Abs), &[r])
            },
            want: &["relu", "max_pool2d"],
            why: "ReLU of what is never negative, and its magnitude",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let s = n.op(Op::Activation(Activation::Sigmoid), &[x]);
                n.clip(s, 0.0, 6.0)
            },
            want: &["sigmoid"],
            why: "a clip that cannot clip",
        },
    ];
    check(&cases);
}

#[test]
fn limits_in_a_row_are_one() {
    let cases = [
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let r = n.relu(x);
                n.clip(r, -1.0, 6.0)
            },
            want: &["clip"],
            why: "ReLU goes into the clip",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let (zero, six) = (n.c(0.0), n.c(6.0));
                let low = n.binary(BinaryKind::Max, zero, x);
                n.binary(BinaryKind::Min, low, six)
            },
            want: &["clip"],
            why: "max and min with constants",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let r = n.clip(x, 0.0, f32::MAX);
                n.clip(r, f32::MIN, f32::MAX)
            },
            want: &["relu"],
            why: "the largest number is no limit",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 3, 4, 4]);
                let r = n.relu(x);
                let c = n.clip(r, 0.0, 1.0);
                n.binary(BinaryKind::Add, r, c)
            },
            want: &["relu", "clip", "add"],
            why: "another node reads the first",
        },
    ];
    check(&cases);
}

#[test]
fn moves_in_a_row_are_one() {
    let cases = [
        Case {
            build: |n| {
                let x = n.x(&[2, 3, 4, 4]);
                let r = n.relu(x);
                let flat = n.op(Op::Flatten, &[r]);
                let deep = n.reshape(flat, &[0, 3, 16]);
                let wide = n.op(Op::ExpandDims { axis: 1, count: 1 }, &[deep]);
                n.relu(wide)
            },
            want: &["relu", "reshape"],
            why: "three reshapes, and the second ReLU",
        },
        Case {
            build: |n| {
                let x = n.x(&[2, 3, 1, 1]);
                let flat = n.op(Op::Squeeze { axes: vec![2, 3] }, &[x]);
                let back = n.reshape(flat, &[0, 3, 1, 1]);
                n.relu(back)
            },
            want: &["relu"],
            why: "there and back",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 2, 8, 8]);
                let rows = n.slice(x, &[(2, 1, 3, 2)]);
                let part = n.slice(rows, &[(2, 1, 2, 1), (3, 0, 4, 2)]);
                n.relu(part)
            },
            want: &["strided_slice", "max_pool2d", "relu"],
            why: "a slice of a slice",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 2, 8, 8]);
                let r = n.pad(x, [1, 0, 0, 0], 2.0);
                let r = n.pad(r, [0, 3, 1, 0], 2.0);
                n.op(Op::Softmax { axis: 1 }, &[r])
            },
            want: &["pad", "softmax"],
            why: "paddings of one value",
        },
        Case {
            build: |n| {
                let x = n.x(&[1, 2, 8, 8]);
                let (a, b) = (n.noise(&[4, 2]), n.noise(&[4, 2]));
                let sum = n.binary(BinaryKind::Add, a, b);
                let swapped = n.op(Op::Transpose { axes: vec![1, 0] }, &[sum]);
                let joined = n.op(Op::Concat { axis: 1 }, &[swapped, swapped]);
                let part = n.slice(joined, &[(1, 3, 2, 2)]);
                let deep = n.reshape(part, &[1, 2, 2, 1]);
                let wide = n.pad(deep, [3, 4, 3, 3], 0.5);
                n.binary(BinaryKind::Mul, x, wide)
            },
            want: &["multiply"],
            why: "arithmetic and moves of constants",
        },
    ];
    check(&cases);
}

#[test]
fn a_constant_output_stays_computed() {
    let mut net = Net::new();
    let x = net.x(&[1, 3]);
    let y = net.relu(x);
    let w = net.noise(&[1, 4, 2]);
    let c = net.op(Op::Unary(UnaryKind::Exp), &[w]);
    let c = net.reshape(c, &[1, 8]);
    let after = canonical(&net.finish(&[y, c]), "a constant output");
    assert_eq!(operators(&after), ["relu", "reshape"]);
}

#[test]
fn a_constant_that_would_grow_stays_what_it_is() {
    let mut net = Net::new();
    let x = net.x(&[1, 2048, 1024]);
    let (a, b) = (net.noise(&[2048, 1]), net.noise(&[1, 1024]));
    let grown = net.binary(BinaryKind::Mul, a, b);
    let y = net.binary(BinaryKind::Max, x, grown);
    let before = net.finish(&[y]);
    let after = super::canonicalise(before, &Default::default()).unwrap();
    assert_eq!(operators(&after.graph), ["multiply", "maximum"]);
}
