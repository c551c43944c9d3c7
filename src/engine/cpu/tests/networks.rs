//! Small networks in which nodes become part of each other's layers, and must not when someone looks.

use super::{compare, noise};
use crate::graph::{
    Activation, BinaryKind, Conv2d, Graph, GraphBuilder, Op, Pad, Padding2d, Pool2d, PoolKind, ReduceKind,
    TensorId,
};

pub(super) fn conv(b: &mut GraphBuilder, x: TensorId, out: usize, kernel: usize, pad: usize) -> TensorId {
    let channels = b.shape(x)[1];
    let len = out * channels * kernel * kernel;
    let w = b.weight("w", &[out, channels, kernel, kernel], noise(len, len as u32));
    let op = Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding: Padding2d::uniform(pad),
        dilation: [1, 1],
        groups: 1,
    });
    b.node("conv", op, &[x, w]).unwrap()
}

pub(super) fn constant(b: &mut GraphBuilder, shape: &[usize]) -> TensorId {
    b.weight("c", shape, noise(shape.iter().product(), 77))
}

pub(super) fn binary(b: &mut GraphBuilder, kind: BinaryKind, x: TensorId, y: TensorId) -> TensorId {
    b.node("binary", Op::Binary(kind), &[x, y]).unwrap()
}

pub(super) fn relu(b: &mut GraphBuilder, x: TensorId) -> TensorId {
    b.node("relu", Op::Activation(Activation::Relu), &[x]).unwrap()
}

pub(super) fn zeros(b: &mut GraphBuilder, x: TensorId, value: f32) -> TensorId {
    let op = Op::Pad(Pad {
        before: vec![0, 0, 0, 2],
        after: vec![0, 0, 1, 1],
        value,
    });
    b.node("pad", op, &[x]).unwrap()
}

fn pool(b: &mut GraphBuilder, x: TensorId, kind: PoolKind) -> TensorId {
    let op = Op::Pool2d(Pool2d {
        kind,
        window: [3, 3],
        stride: [2, 2],
        padding: Padding2d::uniform(1),
        dilation: [1, 1],
        ceil_mode: false,
        count_include_pad: true,
    });
    b.node("pool", op, &[x]).unwrap()
}

pub(super) type Build = fn(&mut GraphBuilder, TensorId) -> Vec<TensorId>;

pub(super) fn network(build: Build) -> Graph {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[2, 3, 6, 6]);
    for output in build(&mut b, x) {
        b.output(output);
    }
    b.finish().unwrap()
}

#[test]
fn rewritten_networks_compute_the_same() {
    let cases: &[(&str, Build)] = &[
        ("convolution and a bias per channel", |b, x| {
            let (y, c) = (conv(b, x, 4, 3, 1), constant(b, &[4, 1, 1]));
            let y = binary(b, BinaryKind::Add, y, c);
            vec![relu(b, y)]
        }),
        ("the bias comes first", |b, x| {
            let (y, c) = (conv(b, x, 4, 3, 1), constant(b, &[1, 4, 1, 1]));
            vec![binary(b, BinaryKind::Add, c, y)]
        }),
        ("zeros that are more than what a maximum is taken of", |b, x| {
            let y = conv(b, x, 4, 3, 1);
            let y = zeros(b, y, 0.0);
            vec![pool(b, y, PoolKind::Max)]
        }),
        ("as many zeros before a mean as its window is wide", |b, x| {
            let y = conv(b, x, 4, 3, 1);
            let y = zeros(b, y, 0.0);
            vec![pool(b, y, PoolKind::Average)]
        }),
        ("convolution and a scalar", |b, x| {
            let (y, c) = (conv(b, x, 4, 3, 0), constant(b, &[]));
            vec![binary(b, BinaryKind::Add, y, c)]
        }),
        ("convolution and bias_add", |b, x| {
            let (y, c) = (conv(b, x, 4, 1, 0), constant(b, &[4]));
            vec![b.node("bias", Op::BiasAdd { axis: 1 }, &[y, c]).unwrap()]
        }),
        ("a second bias stays a layer", |b, x| {
            let (y, c) = (conv(b, x, 4, 1, 0), constant(b, &[4, 1, 1]));
            let y = binary(b, BinaryKind::Add, y, c);
            vec![binary(b, BinaryKind::Add, y, c)]
        }),
        ("the sum before the bias is an output too", |b, x| {
            let (y, c) = (conv(b, x, 4, 1, 0), constant(b, &[4, 1, 1]));
            vec![y, binary(b, BinaryKind::Add, y, c)]
        }),
        ("the sum before the bias is read twice", |b, x| {
            let (y, c) = (conv(b, x, 4, 1, 0), constant(b, &[4, 1, 1]));
            let z = binary(b, BinaryKind::Add, y, c);
            vec![binary(b, BinaryKind::Mul, z, y)]
        }),
        ("a row of constants is no bias per channel", |b, x| {
            let (y, c) = (conv(b, x, 6, 1, 0), constant(b, &[6]));
            vec![binary(b, BinaryKind::Add, y, c)]
        }),
        ("two convolutions added", |b, x| {
            let (y, z) = (conv(b, x, 3, 1, 0), conv(b, x, 3, 3, 1));
            let sum = binary(b, BinaryKind::Add, y, z);
            vec![relu(b, sum)]
        }),
        ("a value doubled", |b, x| {
            let y = conv(b, x, 3, 1, 0);
            vec![binary(b, BinaryKind::Add, y, y)]
        }),
        ("scale and shift", |b, x| {
            let (s, c) = (constant(b, &[3, 1, 1]), constant(b, &[1, 3, 1, 1]));
            let y = binary(b, BinaryKind::Mul, x, s);
            vec![binary(b, BinaryKind::Add, y, c)]
        }),
        ("convolution, scale, shift", |b, x| {
            let (y, s) = (conv(b, x, 4, 3, 1), constant(b, &[4, 1, 1]));
            let y = binary(b, BinaryKind::Mul, y, s);
            let y = binary(b, BinaryKind::Add, y, s);
            vec![relu(b, y)]
        }),
        ("zero padding before a convolution", |b, x| {
            let y = zeros(b, x, 0.0);
            vec![conv(b, y, 4, 3, 1)]
        }),
        ("other padding stays", |b, x| {
            let y = zeros(b, x, 1.0);
            vec![conv(b, y, 4, 3, 1)]
        }),
        ("padding that two read stays", |b, x| {
            let y = zeros(b, x, 0.0);
            vec![conv(b, y, 4, 3, 1), conv(b, y, 2, 1, 0)]
        }),
        ("padded twice", |b, x| {
            let y = zeros(b, x, 0.0);
            let y = zeros(b, y, 0.0);
            let (y, c) = (conv(b, y, 4, 3, 0), constant(b, &[4, 1, 1]));
            vec![binary(b, BinaryKind::Add, y, c)]
        }),
        ("dense and a bias", |b, x| {
            let (w, c) = (constant(b, &[5, 108]), constant(b, &[5]));
            let y = b.node("flat", Op::Flatten, &[x]).unwrap();
            let y = b.node("dense", Op::Dense, &[y, w]).unwrap();
            let y = b.node("bias", Op::BiasAdd { axis: 1 }, &[y, c]).unwrap();
            vec![b.node("softmax", Op::Softmax { axis: 1 }, &[y]).unwrap()]
        }),
        ("dense over maps and a bias on the last axis", |b, x| {
            let (w, c) = (constant(b, &[5, 6]), constant(b, &[5]));
            let y = b.node("dense", Op::Dense, &[x, w]).unwrap();
            vec![b.node("bias", Op::BiasAdd { axis: 3 }, &[y, c]).unwrap()]
        }),
        ("an input is an output", |b, x| vec![x, relu(b, x)]),
        ("an output twice", |b, x| {
            let y = relu(b, x);
            vec![y, y]
        }),
        ("a constant is an output", |b, x| {
            vec![constant(b, &[2, 2]), relu(b, x)]
        }),
        ("an input that nothing reads", |b, _| {
            let other = b.input("other", &[2, 4]);
            vec![relu(b, other)]
        }),
        ("names that collide", |b, _| {
            let a = b.input("relu", &[2, 3]);
            let c = b.input("relu_2", &[2, 3]);
            let (a, c) = (relu(b, a), relu(b, c));
            vec![binary(b, BinaryKind::Sub, a, c)]
        }),
        ("names that are empty", |b, x| {
            let op = Op::Activation(Activation::Tanh);
            let y = b.node("", op.clone(), &[x]).unwrap();
            vec![b.node("", op, &[y]).unwrap()]
        }),
        ("one constant in two shapes", |b, x| {
            let c = constant(b, &[6]);
            let y = binary(b, BinaryKind::Max, x, c);
            let z = b
                .node(
                    "mean",
                    Op::Reduce {
                        kind: ReduceKind::Mean,
                        axes: vec![1, 2],
                        keepdims: false,
                    },
                    &[x],
                )
                .unwrap();
            vec![y, binary(b, BinaryKind::Min, z, c)]
        }),
        ("an inception block", |b, x| {
            let (y, z) = (conv(b, x, 4, 1, 0), conv(b, x, 5, 3, 1));
            let average = Op::Pool2d(Pool2d {
                kind: PoolKind::Average,
                window: [3, 3],
                stride: [1, 1],
                padding: Padding2d::uniform(1),
                dilation: [1, 1],
                ceil_mode: false,
                count_include_pad: true,
            });
            let pooled = b.node("pool", average, &[x]).unwrap();
            vec![b.node("concat", Op::Concat { axis: 1 }, &[y, pooled, z]).unwrap()]
        }),
    ];
    for (why, build) in cases {
        compare(&network(*build), why);
    }
}
