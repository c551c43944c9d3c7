//! Ranges of the tensors between quantised ones, and what is known never to be negative.

use std::collections::HashMap;

use crate::graph::{Activation, BinaryKind, Graph, Op, PoolKind, TensorId};

/// Gives tensors without a range the one that follows from their neighbours: results of operators that only choose or
/// move elements have their operand's; what goes into nothing but a rectifier needs no more than what comes out, and
/// what goes into a bias or a batch norm is never stored, since they are part of the layer.
pub fn spread(graph: &Graph, ranges: &mut HashMap<TensorId, f32>) {
    for node in &graph.nodes {
        let operands = node
            .inputs
            .iter()
            .filter(|id| graph.tensor(**id).weight.is_none());
        let known: Option<Vec<f32>> = operands.map(|id| ranges.get(id).copied()).collect();
        if let Some(known) = known.filter(|_| keeps_elements(&node.op) || rectifies(&node.op)) {
            let largest = known.into_iter().fold(0.0, f32::max);
            ranges.entry(node.output).or_insert(largest);
        }
    }
    let last = |op: &Op| rectifies(op) || matches!(op, Op::BiasAdd { .. } | Op::BatchNorm { .. });
    for node in graph.nodes.iter().rev().filter(|node| last(&node.op)) {
        let x = node.inputs[0];
        let only = graph
            .nodes
            .iter()
            .filter(|other| other.inputs.contains(&x))
            .count()
            == 1;
        let known = ranges.get(&node.output).copied();
        if let Some(range) = known.filter(|_| only && !graph.outputs.contains(&x)) {
            ranges.entry(x).or_insert(range);
        }
    }
}

/// Whether no element of `tensor` can be negative, as far as the operators before it tell.
pub fn never_negative(graph: &Graph, tensor: TensorId) -> bool {
    let producer = |id| graph.nodes.iter().rev().find(|node| node.output == id);
    graph.bounds(tensor, &producer).0 >= 0.0
}

/// Every element of the result is one of an operand.
fn keeps_elements(op: &Op) -> bool {
    let chooses = matches!(
        op,
        Op::GlobalPool(PoolKind::Max)
            | Op::AdaptivePool {
                kind: PoolKind::Max,
                ..
            }
            | Op::Binary(BinaryKind::Max | BinaryKind::Min)
    ) || matches!(op, Op::Pool2d(pool) if pool.kind == PoolKind::Max);
    op.only_moves() || chooses
}

fn rectifies(op: &Op) -> bool {
    matches!(
        op,
        Op::Activation(Activation::Relu | Activation::Clip { .. })
    )
}
