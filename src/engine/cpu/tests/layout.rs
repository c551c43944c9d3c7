//! A network computes the same when its transposes have moved: written with channels last, and in canonical form, through
//! the engine, with inputs and outputs in the order that the form says.

use std::collections::HashSet;

use super::*;
use crate::bundle::Port;
use crate::canon::{Form, canonicalise};
use crate::graph::cases::Last;
use crate::graph::{Activation, BinaryKind, Op, Pad, PoolKind, ReduceKind, TensorId};
use proptest::prelude::*;

fn ported(axes: &Option<Vec<usize>>) -> Port {
    Port {
        integer: None,
        axes: axes.clone(),
    }
}

/// The outputs of the form, for inputs and with outputs as the network before has them.
fn outputs(form: &Form, inputs: &[Array]) -> Vec<Array> {
    let inputs = inputs.iter().zip(&form.inputs).map(|(x, axes)| {
        let (shape, data) = ported(axes).into_network(&x.shape, &x.data);
        array(&shape, data)
    });
    let inputs: Vec<Rows> = inputs.map(|x| Rows::from(&x)).collect();
    let mut engine = engine(&form.graph);
    engine.enqueue(inputs).unwrap();
    let outputs = engine.wait().unwrap();
    let outputs = outputs.iter().zip(&form.graph.outputs).zip(&form.outputs);
    let one = |((data, id), axes): ((&Vec<f32>, &TensorId), &Option<Vec<usize>>)| {
        let shape = &form.graph.tensor(*id).shape;
        let (shape, data) = ported(axes).into_model(shape, data);
        array(&shape, data)
    };
    outputs.map(one).collect()
}

/// One step of a network: which operator, and which of the maps so far it reads.
fn step(net: &mut Last, maps: &mut Vec<TensorId>, kind: u8, at: usize) {
    let x = maps[at % maps.len()];
    let shape = net.0.shape(x).to_vec();
    let reduce = |keepdims| Op::Reduce {
        kind: ReduceKind::Mean,
        axes: vec![1, 2],
        keepdims,
    };
    let same = |id: &&TensorId| net.0.shape(**id) == shape;
    let other = *maps.iter().rev().find(same).unwrap();
    let y = match kind {
        0 => net.conv(x, shape[3]),
        1 => net.conv1(x, 3),
        2 => net.node(Op::Activation(Activation::LeakyRelu { alpha: 0.25 }), &[x]),
        3 => net.node(Op::Binary(BinaryKind::Add), &[x, other]),
        4 => net.node(Op::Concat { axis: 3 }, &[x, other]),
        5 => {
            let mean = net.node(reduce(true), &[x]);
            net.node(Op::Binary(BinaryKind::Mul), &[x, mean])
        }
        6 => {
            let mean = net.node(reduce(false), &[x]);
            let dims = vec![0, 1, 1, shape[3] as i64];
            let mean = net.node(Op::Reshape { dims }, &[mean]);
            net.node(Op::Binary(BinaryKind::Sub), &[mean, x])
        }
        7 => {
            let w = net.weight(&[shape[3]]);
            net.node(Op::Binary(BinaryKind::Mul), &[w, x])
        }
        8 => {
            let w = net.weight(&[shape[1], 1, shape[3]]);
            net.node(Op::Binary(BinaryKind::Add), &[x, w])
        }
        9 => {
            let (before, after) = (vec![0, 1, 0, 1], vec![0, 0, 1, 0]);
            let value = 0.5;
            let pad = Op::Pad(Pad { before, after, value });
            net.node(pad, &[x])
        }
        10 => net.node(Op::Softmax { axis: 3 }, &[x]),
        11 => {
            let dims = vec![0, (shape[1] * shape[2]) as i64, shape[3] as i64];
            let flat = net.node(Op::Reshape { dims }, &[x]);
            let (gamma, beta) = (net.weight(&[shape[3]]), net.weight(&[shape[3]]));
            let norm = Op::LayerNorm {
                epsilon: 1e-3,
                axis: 2,
            };
            let normal = net.node(norm, &[flat, gamma, beta]);
            let w = net.weight(&[shape[3], shape[3]]);
            let y = net.node(Op::Dense, &[normal, w]);
            let y = net.node(Op::Binary(BinaryKind::Add), &[y, flat]);
            let dims = shape.iter().map(|d| *d as i64);
            let dims = std::iter::once(0).chain(dims.skip(1)).collect();
            net.node(Op::Reshape { dims }, &[y])
        }
        12 => {
            // As a box head does: places and channels in one axis, and back.
            let dims = vec![0, (shape[1] * shape[2] * shape[3]) as i64, 1];
            let y = net.node(Op::Reshape { dims }, &[x]);
            let dims = vec![0, shape[1] as i64, shape[2] as i64, shape[3] as i64];
            net.node(Op::Reshape { dims }, &[y])
        }
        13 => net.slice(x, 3, 0, shape[3].div_ceil(2)),
        14 => net.node(
            Op::Transpose {
                axes: vec![0, 2, 1, 3],
            },
            &[x],
        ),
        15 => net.ordered(Op::GlobalPool(PoolKind::Max), x, &[]),
        16 => {
            let w = net.weight(&[shape[3]]);
            net.node(Op::BiasAdd { axis: 3 }, &[x, w])
        }
        17 => {
            let w = net.weight(&[shape[3]]);
            net.ordered(Op::PRelu, x, &[w])
        }
        _ => {
            let flat = net.node(Op::Flatten, &[x]);
            let w = net.weight(&[5, shape[1] * shape[2] * shape[3]]);
            let y = net.node(Op::Dense, &[flat, w]);
            net.node(
                Op::Reshape {
                    dims: vec![0, 1, 1, 5],
                },
                &[y],
            )
        }
    };
    maps.push(y);
}

fn network(steps: &[(u8, usize)], ends: &[usize]) -> Graph {
    let mut net = Last::new();
    let mut maps = vec![net.0.input("x", &[2, 4, 5, 3]), net.0.input("z", &[2, 4, 5, 3])];
    for (kind, at) in steps {
        step(&mut net, &mut maps, *kind, *at);
    }
    let last = maps.len() - 1;
    let mut outputs: Vec<TensorId> = ends.iter().map(|at| maps[2 + at % (last - 1)]).collect();
    outputs.push(maps[last]);
    outputs.sort_unstable();
    outputs.dedup();
    outputs.into_iter().for_each(|id| net.0.output(id));
    net.0.finish().unwrap()
}

fn transposes(graph: &Graph) -> usize {
    let nodes = graph.nodes.iter();
    nodes
        .filter(|node| matches!(node.op, Op::Transpose { .. }))
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_canonical_form_computes_the_same_with_no_more_transposes(
        steps in prop::collection::vec((0..19u8, 0..8usize), 1..14),
        ends in prop::collection::vec(0..8usize, 0..3),
    ) {
        let graph = network(&steps, &ends);
        let inputs: Vec<Array> = (1..).zip(&graph.inputs).map(|(seed, id)| {
            let shape = &graph.tensor(*id).shape;
            array(shape, noise(shape.iter().product(), seed))
        }).collect();
        let form = canonicalise(graph.clone(), &HashSet::new()).unwrap();
        prop_assert!(transposes(&form.graph) <= transposes(&graph));
        let want = evaluate(&graph, &inputs);
        for (got, want) in outputs(&form, &inputs).iter().zip(&want) {
            prop_assert_eq!(&got.shape, &want.shape);
            for (a, b) in got.data.iter().zip(want.data.iter()) {
                prop_assert!((a - b).abs() <= 1e-3 * b.abs().max(1.0), "{} is not {}", a, b);
            }
        }
    }
}
