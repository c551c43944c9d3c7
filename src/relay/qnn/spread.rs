//! Ranges of the tensors between quantised ones, and what is known never to be negative.

use std::collections::HashMap;

use super::follow::Following;
use crate::graph::{Activation, BinaryKind, Graph, Op, PoolKind, TensorId};

/// Gives tensors without a range the one that follows from their neighbours: results of operators that only choose or
/// move elements have their operand's; what goes into nothing but these, or a rectifier, needs no more than what comes
/// out, and what goes into a bias or a batch norm is never stored, since they are part of the layer. What is left is
/// bounded by its neighbours where it can be: an average by its operand, the unknown term of a sum by sum and other term.
/// Without any range the network was not quantised, and gets none.
pub fn spread(graph: &Graph, ranges: &mut HashMap<TensorId, f32>) {
    if ranges.is_empty() {
        return;
    }
    Following::new(graph, ranges).spread();
}

/// Whether no element of `tensor` can be negative, as far as the operators before it tell.
pub fn never_negative(graph: &Graph, tensor: TensorId) -> bool {
    let producer = |id| graph.nodes.iter().rev().find(|node| node.output == id);
    graph.bounds(tensor, &producer).0 >= 0.0
}

/// Every element of the result is one of an operand.
pub(super) fn keeps_elements(op: &Op) -> bool {
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

pub(super) fn rectifies(op: &Op) -> bool {
    matches!(op, Op::Activation(Activation::Relu | Activation::Clip { .. }))
}
