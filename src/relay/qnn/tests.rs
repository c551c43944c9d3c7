//! What quantised places say about a network: cuts, ranges of neighbours, integers at the ends.

use super::spread::{never_negative, spread};
use super::track::Track;
use crate::bundle::{Affine, Integer, Port};
use crate::canon::canonicalise;
use crate::graph::{Activation, BinaryKind, Conv2d, GraphBuilder, Op, Pad, PoolKind, TensorId};
use crate::split::{DlaTarget, Verdict, verdict};
use std::collections::{HashMap, HashSet};

const RELU: Op = Op::Activation(Activation::Relu);

fn u8(scale: f32, zero_point: i32) -> Affine {
    Affine {
        dtype: Integer::U8,
        scale,
        zero_point,
    }
}

fn one(op: Op) -> (GraphBuilder, TensorId) {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 2, 4, 4]);
    let y = b.node("y", op, &[x]).unwrap();
    (b, y)
}

fn conv() -> Op {
    Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding: Default::default(),
        dilation: [1, 1],
        groups: 1,
    })
}

#[test]
fn quantising_cuts_where_a_rectifier_was_folded_into_it() {
    let clip = |max| Some(Op::Activation(Activation::Clip { min: 0.0, max }));
    let softmax = Op::Softmax { axis: 1 };
    let pool = Op::GlobalPool(PoolKind::Max);
    let cases = [
        (
            pool.clone(),
            u8(6.0 / 255.0, 0),
            clip(255.0 * (6.0 / 255.0)),
            "ReLU6 by its range",
        ),
        (
            pool.clone(),
            u8(0.001, 0),
            Some(RELU),
            "no DLA clips at 0.255: the range saturates there",
        ),
        (pool.clone(), u8(1.0, 0), Some(RELU), "nor at 255"),
        (
            pool,
            u8(0.02, 1),
            None,
            "a zero point above the least integer: an ordinary tensor",
        ),
        (RELU, u8(0.02, 0), None, "a rectifier is there"),
        (
            softmax,
            u8(1.0 / 256.0, 0),
            None,
            "probabilities have no negatives",
        ),
    ];
    for (op, affine, want, why) in cases {
        let (b, y) = one(op);
        assert_eq!(Track::cut(b.graph(), y, affine), want, "{why}");
    }
}

#[test]
fn a_cut_runs_on_every_dla() {
    for steps in [0.2f32, 1.0, 6.0, 127.0, 128.0, 1000.0] {
        let (mut b, x) = one(Op::GlobalPool(PoolKind::Max));
        let op = Track::cut(b.graph(), x, u8(steps / 255.0, 0));
        let y = b.node("cut", op.unwrap(), &[x]).unwrap();
        b.output(y);
        let graph = b.finish().unwrap();
        let found = verdict(&graph, &graph.nodes[1], &DlaTarget::default());
        assert_eq!(found, Verdict::Dla, "up to {steps}");
    }
}

#[test]
fn neighbours_without_a_range_get_the_one_that_follows() {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 2, 4, 4]);
    let w = b.weight("w", &[2, 2, 1, 1], vec![1.0; 4]);
    let bias = b.weight("b", &[2], vec![1.0; 2]);
    let c = b.node("c", conv(), &[x, w]).unwrap();
    let biased = b.node("biased", Op::BiasAdd { axis: 1 }, &[c, bias]).unwrap();
    let r = b.node("r", RELU, &[biased]).unwrap();
    let joined = b.node("joined", Op::Concat { axis: 1 }, &[r, x]).unwrap();
    let flat = b.node("flat", Op::Flatten, &[joined]).unwrap();
    let soft = b.node("soft", Op::Softmax { axis: 1 }, &[flat]).unwrap();
    b.output(soft);
    let mut ranges = HashMap::from([(x, 1.0), (r, 4.0)]);
    spread(&b.finish().unwrap(), &mut ranges);
    let cases = [
        (biased, Some(4.0), "goes into a rectifier only"),
        (
            c,
            Some(4.0),
            "is never stored: the bias is added inside the layer",
        ),
        (joined, Some(4.0), "the wider of its parts"),
        (flat, Some(4.0), "moves elements"),
        (soft, None, "computes something else"),
        (x, Some(1.0), "keeps its own"),
    ];
    for (tensor, want, why) in cases {
        assert_eq!(ranges.get(&tensor).copied(), want, "{why}");
    }
}

fn pad(value: f32) -> Op {
    Op::Pad(Pad {
        before: vec![0, 0, 1, 1],
        after: vec![0, 0, 1, 1],
        value,
    })
}

fn add() -> Op {
    Op::Binary(BinaryKind::Add)
}

fn relu(b: &mut GraphBuilder, x: TensorId) -> TensorId {
    b.node("r", RELU, &[x]).unwrap()
}

fn shifted(b: &mut GraphBuilder, shape: &[usize], x: TensorId) -> TensorId {
    let bias = b.weight("b", shape, vec![0.5, -3.0]);
    b.node("a", add(), &[x, bias]).unwrap()
}

/// A convolution of `x`, whose result has no range.
fn layer(b: &mut GraphBuilder, x: TensorId) -> TensorId {
    let w = b.weight("w", &[2, 2, 1, 1], vec![1.0; 4]);
    b.node("c", conv(), &[x, w]).unwrap()
}

#[test]
fn a_range_reaches_the_layer_before_what_has_it() {
    type Tail = dyn Fn(&mut GraphBuilder, TensorId, TensorId) -> TensorId;
    let cases: &[(&Tail, Option<f32>, &str)] = &[
        (
            &|b, c, _| {
                let a = shifted(b, &[1, 2, 1, 1], c);
                relu(b, a)
            },
            Some(4.0),
            "a bias that is added is part of the layer",
        ),
        (
            &|b, c, _| {
                let s = b.weight("s", &[2, 1, 1], vec![2.0, 3.0]);
                let m = b.node("m", Op::Binary(BinaryKind::Mul), &[c, s]).unwrap();
                let a = shifted(b, &[2, 1, 1], m);
                relu(b, a)
            },
            Some(4.0),
            "a batch norm in two steps",
        ),
        (
            &|b, c, _| b.node("f", Op::Flatten, &[c]).unwrap(),
            Some(4.0),
            "what is moved before it is quantised",
        ),
        (
            &|b, c, _| b.node("p", pad(-3e38), &[c]).unwrap(),
            Some(4.0),
            "padding enters no range",
        ),
        (
            &|b, c, _| b.node("m", Op::GlobalPool(PoolKind::Max), &[c]).unwrap(),
            Some(4.0),
            "the largest of some",
        ),
        (
            &|b, c, x| {
                let sum = b.node("s", add(), &[c, x]).unwrap();
                relu(b, sum)
            },
            Some(5.0),
            "a term of a sum: the ranges of the sum and of the other term",
        ),
        (
            &|b, c, _| b.node("m", Op::GlobalPool(PoolKind::Average), &[c]).unwrap(),
            None,
            "an average says nothing of what it averages",
        ),
        (
            &|b, c, _| b.node("s", add(), &[c, c]).unwrap(),
            None,
            "a sum of two that nobody knows",
        ),
    ];
    for (tail, want, why) in cases {
        let mut b = GraphBuilder::new("net");
        let x = b.input("x", &[1, 2, 4, 4]);
        let c = layer(&mut b, x);
        let last = tail(&mut b, c, x);
        b.output(last);
        let mut ranges = HashMap::from([(x, 1.0), (last, 4.0)]);
        spread(&b.finish().unwrap(), &mut ranges);
        assert_eq!(ranges.get(&c).copied(), *want, "{why}");
    }
}

#[test]
fn a_tensor_that_someone_else_computes_with_needs_a_range_of_its_own() {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 2, 4, 4]);
    let c = layer(&mut b, x);
    let r = b.node("r", RELU, &[c]).unwrap();
    let soft = b.node("t", Op::Activation(Activation::Tanh), &[c]).unwrap();
    b.output(r);
    b.output(soft);
    let mut ranges = HashMap::from([(x, 1.0), (r, 4.0)]);
    spread(&b.finish().unwrap(), &mut ranges);
    assert_eq!(ranges.get(&c), None);
    assert_eq!(ranges.get(&soft), Some(&1.0), "a tanh ends at one");
}

#[test]
fn a_range_reaches_through_a_hard_swish() {
    let cases = [
        (6.0, 6.0, "as far as the result reaches"),
        (1.0, 3.0, "as far as the gate takes to close"),
    ];
    for (known, want, why) in cases {
        let mut b = GraphBuilder::new("net");
        let x = b.input("x", &[1, 2, 4, 4]);
        let x = layer(&mut b, x);
        let constant = |b: &mut GraphBuilder, v: f32| b.weight("c", &[1], vec![v]);
        let (sixth, half) = (constant(&mut b, 1.0 / 6.0), constant(&mut b, 0.5));
        let m = b.node("m", Op::Binary(BinaryKind::Mul), &[x, sixth]).unwrap();
        let a = b.node("a", add(), &[m, half]).unwrap();
        let clip = Op::Activation(Activation::Clip { min: 0.0, max: 1.0 });
        let k = b.node("k", clip, &[a]).unwrap();
        let y = b.node("y", Op::Binary(BinaryKind::Mul), &[x, k]).unwrap();
        b.output(y);
        let graph = b.finish().unwrap();
        let mut ranges = HashMap::from([(y, known)]);
        spread(&graph, &mut ranges);
        let near = |id, want: f32| (ranges[&id] - want).abs() < 1e-5;
        assert!(near(x, want) && near(k, 1.0), "{why}: {ranges:?}");
        assert!(ranges.contains_key(&a) && ranges.contains_key(&m), "{ranges:?}");
    }
}

#[test]
fn an_average_and_its_operand_share_a_range() {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 2, 4, 4]);
    let m = b.node("m", Op::GlobalPool(PoolKind::Average), &[x]).unwrap();
    b.output(m);
    let graph = b.finish().unwrap();
    for (own, want) in [(None, 3.0), (Some(0.5), 0.5)] {
        let mut ranges = HashMap::from([(x, 3.0)]);
        ranges.extend(own.map(|range| (m, range)));
        spread(&graph, &mut ranges);
        assert_eq!(ranges[&m], want, "its own comes first");
    }
}

#[test]
fn an_average_of_what_is_never_negative_is_neither() {
    let (mut b, r) = one(RELU);
    let mean = b.node("m", Op::GlobalPool(PoolKind::Average), &[r]).unwrap();
    let x = b.graph().inputs[0];
    assert!(never_negative(b.graph(), mean));
    assert!(!never_negative(b.graph(), x));
}

#[test]
fn integers_read_one_way_and_come_out_as_they_went_in() {
    let (b, y) = one(Op::Transpose {
        axes: vec![0, 2, 3, 1],
    });
    let x = b.graph().inputs[0];
    let mut track = Track::default();
    track.integer_input(x);
    assert!(
        track
            .output(b.graph(), y, None)
            .unwrap_err()
            .contains("nothing reads")
    );
    track.read(b.graph(), y, None, u8(0.5, 3)).unwrap();
    let error = track.read(b.graph(), x, None, u8(0.5, 4)).unwrap_err();
    assert!(
        error.contains("zero point 4") && error.contains("zero point 3"),
        "{error}"
    );
    track.output(b.graph(), y, None).unwrap();
    let mut graph = b.graph().clone();
    graph.outputs = vec![y];
    let form = canonicalise(graph, &HashSet::new()).unwrap();
    let origin = track.finish(&form).unwrap();
    assert_eq!(origin.outputs[0].integer, Some(u8(0.5, 3)));
    let mut none = Track::default();
    let error = none.read(b.graph(), y, None, u8(0.5, 3)).unwrap_err();
    assert!(error.contains("nothing quantised"), "{error}");
}

#[test]
fn ports_say_the_order_of_axes() {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 4, 6, 2]);
    let last = Op::Transpose {
        axes: vec![0, 3, 1, 2],
    };
    let first = b.node("t", last, &[x]).unwrap();
    let pool = Op::GlobalPool(PoolKind::Average);
    let y = b.node("y", pool, &[first]).unwrap();
    b.output(y);
    let form = canonicalise(b.finish().unwrap(), &HashSet::new()).unwrap();
    let origin = Track::default().finish(&form);
    let port = Port {
        integer: None,
        axes: Some(vec![0, 3, 1, 2]),
    };
    assert_eq!(origin.unwrap().inputs, [port]);
}

/// Functions that are bounded by themselves do not make a network one that was quantised.
#[test]
fn a_network_in_floating_point_has_no_ranges() {
    for activation in [
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Clip { min: 0.0, max: 6.0 },
    ] {
        let (mut b, y) = one(Op::Activation(activation));
        b.output(y);
        let form = canonicalise(b.finish().unwrap(), &HashSet::new()).unwrap();
        assert_eq!(Track::default().finish(&form), None);
    }
}
