//! Which tensors a device writes to memory: what it rounds, and what needs a range.

use super::fold::only_reader;
use crate::graph::{Activation, Graph, Node, Op};

/// Per node, whether its output is stored. An activation after a convolution, dense layer, sum or scale is part of
/// that layer, so its operand is not. `graph` is folded.
pub fn stored(graph: &Graph) -> Vec<bool> {
    let next = |node: &Node| only_reader(graph, node.output).map(|at| &graph.nodes[at]);
    graph
        .nodes
        .iter()
        .map(|node| {
            let inside = joins(graph, node, next(node));
            !inside
        })
        .collect()
}

/// The node whose layer also computes `node`: the one before it when its output is not stored.
pub fn head(graph: &Graph, stored: &[bool], index: usize) -> usize {
    let operand = graph.nodes[index].inputs[0];
    let before = graph.nodes.iter().position(|node| node.output == operand);
    match before {
        Some(before) if !stored[before] => head(graph, stored, before),
        _ => index,
    }
}

fn joins(graph: &Graph, node: &Node, next: Option<&Node>) -> bool {
    let Some(next) = next else { return false };
    let bias = matches!(next.op, Op::BiasAdd { axis: 1 });
    let activates = matches!(next.op, Op::PRelu)
        || matches!(&next.op, Op::Activation(function) if is_piecewise(*function));
    let computes = matches!(node.op, Op::BiasAdd { .. } | Op::BatchNorm { .. } | Op::Binary(_));
    let kernel = has_kernel(graph, node);
    next.inputs[0] == node.output && (kernel && bias || (kernel || computes) && activates)
}

/// Whether a node is one layer with a constant kernel, whose output channels are axis 1.
pub fn has_kernel(graph: &Graph, node: &Node) -> bool {
    let layer = match node.op {
        Op::Conv2d(_) => true,
        Op::Deconv2d(ref deconv) => deconv.overhang() == [0; 2],
        Op::Dense => graph.tensor(node.output).shape.len() == 2,
        _ => false,
    };
    layer && graph.tensor(node.inputs[1]).weight.is_some()
}

/// Functions that the layer before them computes on its way to memory.
pub(super) fn is_piecewise(function: Activation) -> bool {
    matches!(
        function,
        Activation::Relu | Activation::Clip { .. } | Activation::LeakyRelu { .. }
    )
}
