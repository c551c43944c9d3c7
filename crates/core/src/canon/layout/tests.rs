//! Where the transposes of a model with channels last go. `engine::cpu` tests that the numbers stay.

use super::super::{Form, canonicalise};
use crate::graph::cases::Last;
use crate::graph::reference::{array, evaluate};
use crate::graph::{Activation, BinaryKind, Op, Pad, PoolKind, ReduceKind, TensorId};
use std::collections::HashSet;

const RELU: Op = Op::Activation(Activation::Relu);
const SIGMOID: Op = Op::Activation(Activation::Sigmoid);
const ADD: Op = Op::Binary(BinaryKind::Add);
const MUL: Op = Op::Binary(BinaryKind::Mul);
/// The network's axes among those of a caller with channels last.
const LAST: Option<&[usize]> = Some(&[0, 3, 1, 2]);

struct Case {
    /// Writes a network over an input of four channels, which come last, and gives its outputs.
    write: fn(&mut Last, TensorId) -> Vec<TensorId>,
    /// The transposes that are left.
    left: usize,
    input: Option<&'static [usize]>,
    outputs: &'static [Option<&'static [usize]>],
    why: &'static str,
}

fn form(write: fn(&mut Last, TensorId) -> Vec<TensorId>) -> Form {
    let mut net = Last::new();
    let x = net.0.input("x", &[1, 6, 8, 4]);
    let outputs = write(&mut net, x);
    outputs.into_iter().for_each(|id| net.0.output(id));
    canonicalise(net.0.finish().unwrap(), &HashSet::new()).unwrap()
}

fn transposes(form: &Form) -> usize {
    let nodes = form.graph.nodes.iter();
    nodes
        .filter(|node| matches!(node.op, Op::Transpose { .. }))
        .count()
}

fn reduce(axes: &[usize], keepdims: bool) -> Op {
    Op::Reduce {
        kind: ReduceKind::Mean,
        axes: axes.to_vec(),
        keepdims,
    }
}

#[test]
fn transposes_move_to_the_ends_and_vanish() {
    #[rustfmt::skip]
    let cases = [
        Case { why: "convolutions only", left: 0, input: LAST, outputs: &[LAST], write: |n, x| {
            let y = n.conv(x, 4);
            vec![n.conv(y, 6)]
        } },
        Case { why: "a leading pad, and one between", left: 0, input: LAST, outputs: &[LAST], write: |n, x| {
            let pad = || Op::Pad(Pad { before: vec![0, 1, 1, 0], after: vec![0, 0, 2, 0], value: 0.5 });
            let y = n.node(pad(), &[x]);
            let y = n.conv(y, 4);
            let y = n.node(pad(), &[y]);
            vec![n.conv(y, 4)]
        } },
        Case { why: "the mean and the deviation of an input, per channel", left: 0, input: LAST, outputs: &[LAST], write: |n, x| {
            let mean = n.weight(&[4]);
            let y = n.node(Op::Binary(BinaryKind::Sub), &[x, mean]);
            let deviation = n.weight(&[1, 1, 1, 4]);
            let y = n.node(MUL, &[y, deviation]);
            vec![n.conv(y, 4)]
        } },
        Case { why: "a residual sum across a block", left: 0, input: LAST, outputs: &[LAST], write: |n, x| {
            let a = n.conv(x, 4);
            let b = n.conv(a, 4);
            let sum = n.node(ADD, &[a, b]);
            let sum = n.node(ADD, &[sum, x]);
            let y = n.node(RELU, &[sum]);
            vec![n.conv(y, 4)]
        } },
        Case { why: "branches that are joined along the channels", left: 0, input: LAST, outputs: &[LAST], write: |n, x| {
            let (a, b) = (n.conv(x, 2), n.conv(x, 3));
            let joined = n.node(Op::Concat { axis: 3 }, &[a, b, x]);
            vec![n.conv(joined, 4)]
        } },
        Case { why: "squeeze and excite, with dimensions kept", left: 0, input: LAST, outputs: &[LAST], write: |n, x| {
            let y = n.conv(x, 4);
            let mean = n.node(reduce(&[1, 2], true), &[y]);
            let scale = n.conv1(mean, 4);
            let scale = n.node(SIGMOID, &[scale]);
            let scaled = n.node(MUL, &[y, scale]);
            vec![n.conv(scaled, 4)]
        } },
        Case { why: "squeeze and excite through a reshape", left: 0, input: LAST, outputs: &[LAST], write: |n, x| {
            let y = n.conv(x, 4);
            let mean = n.node(reduce(&[1, 2], false), &[y]);
            let mean = n.node(Op::Reshape { dims: vec![0, 1, 1, 4] }, &[mean]);
            let scale = n.conv1(mean, 4);
            let scaled = n.node(MUL, &[y, scale]);
            vec![n.conv(scaled, 4)]
        } },
        Case { why: "a classifier reads what was flattened: its weights change places", left: 0, input: LAST, outputs: &[None], write: |n, x| {
            let y = n.conv(x, 4);
            let flat = n.node(Op::Flatten, &[y]);
            let flat = n.node(RELU, &[flat]);
            let w = n.weight(&[5, 6 * 8 * 4]);
            vec![n.node(Op::Dense, &[flat, w])]
        } },
        Case { why: "slices, along the channels and of the map", left: 0, input: LAST, outputs: &[LAST], write: |n, x| {
            let y = n.conv(x, 4);
            let a = n.slice(y, 3, 0, 2);
            let b = n.slice(y, 3, 2, 2);
            let y = n.node(ADD, &[a, b]);
            let y = n.slice(y, 1, 1, 4);
            vec![n.conv(y, 4)]
        } },
        Case { why: "a softmax over the channels, a map of each pixel", left: 0, input: LAST, outputs: &[LAST], write: |n, x| {
            let y = n.conv(x, 4);
            vec![n.node(Op::Softmax { axis: 3 }, &[y])]
        } },
        Case { why: "height and width as one axis", left: 0, input: LAST, outputs: &[Some(&[0, 2, 1])], write: |n, x| {
            let y = n.conv(x, 4);
            let y = n.node(Op::Reshape { dims: vec![0, 48, 4] }, &[y]);
            vec![n.node(Op::Softmax { axis: 2 }, &[y])]
        } },
        Case { why: "a box head mixes places and channels in one axis: two heads, one transpose each, at the end", left: 2, input: LAST, outputs: &[None], write: |n, x| {
            let y = n.conv(x, 4);
            let (a, b) = (n.conv(y, 8), n.conv(y, 4));
            let a = n.node(Op::Reshape { dims: vec![0, 96, 4] }, &[a]);
            let b = n.node(Op::Reshape { dims: vec![0, 48, 4] }, &[b]);
            vec![n.node(Op::Concat { axis: 1 }, &[a, b])]
        } },
        Case { why: "two heads that read the same map share a transpose", left: 1, input: LAST, outputs: &[None, None], write: |n, x| {
            let y = n.conv(x, 4);
            let a = n.node(Op::Reshape { dims: vec![0, 96, 2] }, &[y]);
            let b = n.node(Op::Reshape { dims: vec![0, 24, 8] }, &[y]);
            vec![n.node(RELU, &[a]), n.node(RELU, &[b])]
        } },
        Case { why: "an input that is read as it is, and by a convolution", left: 0, input: LAST, outputs: &[LAST, LAST], write: |n, x| {
            vec![n.node(RELU, &[x]), n.conv(x, 4)]
        } },
        Case { why: "an output that is the input in another order stays a node", left: 1, input: LAST, outputs: &[Some(&[0, 2, 3, 1]), LAST], write: |n, x| {
            let other = n.node(Op::Transpose { axes: vec![0, 3, 1, 2] }, &[x]);
            vec![other, n.conv(x, 4)]
        } },
        Case { why: "two outputs that are one map in two orders are two arrays", left: 1, input: LAST, outputs: &[None, None], write: |n, x| {
            let y = n.conv(x, 4);
            vec![y, n.node(Op::Transpose { axes: vec![0, 3, 1, 2] }, &[y])]
        } },
        Case { why: "rows that go elsewhere stay inside", left: 1, input: LAST, outputs: &[None], write: |n, x| {
            let y = n.conv(x, 4);
            vec![n.node(Op::Transpose { axes: vec![1, 0, 2, 3] }, &[y])]
        } },
        Case { why: "a product of matrices reads a swapped operand itself", left: 0, input: LAST, outputs: &[None], write: |n, x| {
            let y = n.conv(x, 4);
            let y = n.node(Op::Reshape { dims: vec![0, 48, 4] }, &[y]);
            vec![n.node(Op::BatchMatmul { transpose_a: false, transpose_b: true }, &[y, y])]
        } },
        Case { why: "a block of attention: one transpose before the fork, not one per branch", left: 1, input: LAST, outputs: &[None], write: |n, x| {
            let y = n.conv(x, 4);
            let y = n.node(Op::Reshape { dims: vec![0, 48, 4] }, &[y]);
            let (gamma, beta) = (n.weight(&[4]), n.weight(&[4]));
            let normal = n.node(Op::LayerNorm { epsilon: 1e-5, axis: 2 }, &[y, gamma, beta]);
            let w = n.weight(&[4, 4]);
            let z = n.node(Op::Dense, &[normal, w]);
            let sum = n.node(ADD, &[z, y]);
            let w = n.weight(&[4, 4]);
            vec![n.node(Op::Dense, &[sum, w])]
        } },
        Case { why: "nothing wants another order", left: 0, input: None, outputs: &[None], write: |n, x| {
            vec![n.node(RELU, &[x])]
        } },
        Case { why: "a pool over the whole map", left: 0, input: LAST, outputs: &[None], write: |n, x| {
            let y = n.ordered(Op::GlobalPool(PoolKind::Average), x, &[]);
            let y = n.node(Op::Squeeze { axes: vec![1, 2] }, &[y]);
            let w = n.weight(&[5, 4]);
            vec![n.node(Op::Dense, &[y, w])]
        } },
    ];
    for Case {
        write,
        left,
        input,
        outputs,
        why,
    } in cases
    {
        let form = form(write);
        let said: Vec<Option<&[usize]>> = form.outputs.iter().map(|o| o.as_deref()).collect();
        assert_eq!(transposes(&form), left, "{why}: {}", form.graph.text());
        assert_eq!(form.inputs[0].as_deref(), input, "{why}");
        assert_eq!(said, outputs, "{why}");
    }
}

#[test]
fn the_form_is_the_one_of_the_network_with_channels_first() {
    let last = form(|n, x| {
        let y = n.conv(x, 4);
        let y = n.node(RELU, &[y]);
        let mean = n.node(reduce(&[1, 2], false), &[y]);
        let w = n.weight(&[5, 4]);
        vec![n.node(Op::Dense, &[mean, w])]
    });
    let ops: Vec<&str> = last.graph.nodes.iter().map(|node| node.op.name()).collect();
    let want = ["conv2d", "relu", "global_avg_pool2d", "batch_flatten", "dense"];
    assert_eq!(ops, want);
    assert_eq!(last.graph.tensor(last.graph.inputs[0]).shape, [1, 4, 6, 8]);
}

#[test]
fn every_tensor_is_found_again() {
    let mut net = Last::new();
    let x = net.0.input("x", &[1, 6, 8, 4]);
    let y = net.conv(x, 4);
    let flat = net.node(Op::Flatten, &[y]);
    let w = net.weight(&[5, 6 * 8 * 4]);
    let z = net.node(Op::Dense, &[flat, w]);
    net.0.output(z);
    let form = canonicalise(net.0.finish().unwrap(), &HashSet::new()).unwrap();
    let shape = |id| form.graph.tensor(form.tensors[&id]).shape.clone();
    assert_eq!(shape(x), [1, 4, 6, 8]);
    assert_eq!(shape(y), [1, 4, 6, 8]);
    assert_eq!(shape(flat), [1, 192]);
    assert_eq!(shape(z), [1, 5]);
}

/// A constant of one axis lies along the last, whichever that is in the end.
#[test]
fn a_constant_follows_the_first_axis_to_the_end() {
    for op in [ADD, MUL, Op::Binary(BinaryKind::Sub)] {
        let mut net = Last::new();
        let x = net.0.input("x", &[8, 1]);
        let y = net.node(RELU, &[x]);
        let y = net.node(Op::Transpose { axes: vec![1, 0] }, &[y]);
        let constant = net.weight(&[8]);
        let y = net.node(op.clone(), &[y, constant]);
        net.0.output(y);
        let before = net.0.finish().unwrap();
        let after = canonicalise(before.clone(), &HashSet::new()).unwrap().graph;
        let data = (0..8).map(|i| i as f32 - 3.5).collect();
        let input = array(&[8, 1], data);
        let [want, got] = [&before, &after].map(|graph| evaluate(graph, std::slice::from_ref(&input)));
        assert_eq!(got[0].data, want[0].data, "{op:?}");
    }
}
