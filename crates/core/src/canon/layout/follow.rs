//! Operators over tensors whose axes lie in another order: one exhaustive match, so that a new operator has to be
//! learned here.

use super::order::{Order, composed, inverse, is_plain, ordered, place, places};
use super::reshape;
use crate::graph::{DType, Graph, Node, Op, Pad, Range, TensorId};

/// How a node minds the order of its operands.
pub(super) enum Minds {
    /// Every operand as the network says it, and so is the result.
    Every,
    /// All operands in one order, which [`follow`] says more of.
    Common,
    /// A product of matrices: each operand as it is or with its last two axes swapped.
    Each,
    /// It only says another order.
    Nothing,
}

pub(super) fn minds(graph: &Graph, node: &Node) -> Minds {
    let rank = |id: &TensorId| graph.tensor(*id).shape.len();
    let is_real = |id: &TensorId| graph.tensor(*id).dtype == DType::F32;
    match &node.op {
        Op::Transpose { .. } => Minds::Nothing,
        Op::BatchMatmul { .. } => Minds::Each,
        Op::Binary(_) => {
            let out = rank(&node.output);
            let (constants, computed) = parted(graph, node);
            let common = computed.iter().all(|id| rank(id) == out)
                && constants.iter().all(|id| rank(id) <= out && is_real(id));
            if common { Minds::Common } else { Minds::Every }
        }
        Op::Concat { .. } if !parted(graph, node).0.iter().all(is_real) => Minds::Every,
        // Along an axis lie weights, or something computed.
        Op::BiasAdd { .. } | Op::BatchNorm { .. } | Op::LayerNorm { .. } | Op::PRelu | Op::Dense
            if parted(graph, node).1 != node.inputs[..1] =>
        {
            Minds::Every
        }
        Op::BiasAdd { .. }
        | Op::BatchNorm { .. }
        | Op::LayerNorm { .. }
        | Op::PRelu
        | Op::Dense
        | Op::Activation(_)
        | Op::Unary(_)
        | Op::Concat { .. }
        | Op::Pad(_)
        | Op::Reduce { .. }
        | Op::Flatten
        | Op::Reshape { .. }
        | Op::Squeeze { .. }
        | Op::ExpandDims { .. }
        | Op::Slice { .. }
        | Op::Softmax { .. } => Minds::Common,
        Op::Conv1d(_)
        | Op::Conv2d(_)
        | Op::Conv3d(_)
        | Op::Deconv2d(_)
        | Op::Deconv3d(_)
        | Op::Pool2d(_)
        | Op::Pool3d(_)
        | Op::Resize2d(_)
        | Op::GlobalPool(_)
        | Op::AdaptivePool { .. }
        | Op::Lrn(_) => Minds::Every,
    }
}

/// The weights among a node's operands, and the others.
pub(super) fn parted(graph: &Graph, node: &Node) -> (Vec<TensorId>, Vec<TensorId>) {
    let constant = |id: &TensorId| graph.tensor(*id).weight.is_some();
    node.inputs.iter().copied().partition(constant)
}

/// The order of the result when a node that minds a common order has its operands in `order`; `None` when it cannot be
/// computed so. `wish` decides where the order says nothing: axes of one element that a reshape makes.
pub(super) fn follow(graph: &Graph, node: &Node, order: &[usize], wish: Option<&Order>) -> Option<Order> {
    let shape = |id: TensorId| graph.tensor(id).shape.as_slice();
    let same = || Some(order.to_vec());
    match &node.op {
        Op::PRelu => same().filter(|order| order.get(1) == Some(&1)),
        Op::Dense => same().filter(|order| order.last() == Some(&(order.len() - 1))),
        Op::Reduce {
            axes,
            keepdims: false,
            ..
        } => {
            let kept: Vec<usize> = (0..order.len()).filter(|a| !axes.contains(a)).collect();
            let left = order
                .iter()
                .filter_map(|axis| kept.iter().position(|k| k == axis));
            Some(left.collect())
        }
        Op::Flatten | Op::Reshape { .. } | Op::Squeeze { .. } | Op::ExpandDims { .. } => {
            reshape::follow(shape(node.inputs[0]), shape(node.output), order, wish)
        }
        Op::Transpose { axes } => Some(composed(&inverse(axes), order)),
        // What minds a common order and is not above has its operands' axes.
        _ => same(),
    }
}

/// The order of the operands that gives the result `order`, if only one does.
pub(super) fn wanted(graph: &Graph, node: &Node, order: &Order) -> Option<Order> {
    let shape = |id: TensorId| graph.tensor(id).shape.as_slice();
    match &node.op {
        Op::Transpose { axes } => Some(composed(axes, order)),
        Op::Reduce { keepdims: false, .. } => None,
        Op::Flatten | Op::Reshape { .. } | Op::Squeeze { .. } | Op::ExpandDims { .. } => {
            reshape::follow(shape(node.output), shape(node.inputs[0]), order, None)
        }
        _ => follow(graph, node, order, None),
    }
}

/// The operator over operands that lie in `order`, which gives its result in the order `result`, of shape `shape`.
pub(super) fn rewritten(op: &Op, order: &[usize], result: &[usize], shape: &[usize]) -> Op {
    let at = |axis: &usize| place(order, *axis);
    match op {
        _ if is_plain(order) && is_plain(result) => op.clone(),
        Op::BiasAdd { axis } => Op::BiasAdd { axis: at(axis) },
        Op::BatchNorm { epsilon, axis } => Op::BatchNorm {
            epsilon: *epsilon,
            axis: at(axis),
        },
        Op::LayerNorm { epsilon, axis } => Op::LayerNorm {
            epsilon: *epsilon,
            axis: at(axis),
        },
        Op::Concat { axis } => Op::Concat { axis: at(axis) },
        Op::Softmax { axis } => Op::Softmax { axis: at(axis) },
        Op::Pad(pad) => Op::Pad(Pad {
            before: ordered(&pad.before, order),
            after: ordered(&pad.after, order),
            value: pad.value,
        }),
        Op::Reduce { kind, axes, keepdims } => Op::Reduce {
            kind: *kind,
            axes: places(order, axes),
            keepdims: *keepdims,
        },
        Op::Slice { ranges } => {
            let moved = |range: &Range| Range {
                axis: at(&range.axis),
                ..*range
            };
            let mut ranges: Vec<Range> = ranges.iter().map(moved).collect();
            ranges.sort_unstable_by_key(|range| range.axis);
            Op::Slice { ranges }
        }
        Op::Squeeze { axes } if squeezes(axes, order, result) => Op::Squeeze {
            axes: places(order, axes),
        },
        Op::Flatten if shape.len() == 2 => Op::Flatten,
        Op::Flatten | Op::Reshape { .. } | Op::Squeeze { .. } | Op::ExpandDims { .. } => {
            let mut dims: Vec<i64> = ordered(shape, result).iter().map(|d| *d as i64).collect();
            dims[0] = 0;
            Op::Reshape { dims }
        }
        other => other.clone(),
    }
}

/// Whether what is left lies as before.
fn squeezes(axes: &[usize], order: &[usize], result: &[usize]) -> bool {
    let kept: Vec<usize> = (0..order.len()).filter(|a| !axes.contains(a)).collect();
    let left = order
        .iter()
        .filter_map(|axis| kept.iter().position(|k| k == axis));
    left.eq(result.iter().copied())
}

/// Whether an operand of a product of matrices that lies in this order is swapped, if it can be read so.
pub(super) fn swapped(order: &[usize]) -> Option<bool> {
    match order {
        _ if is_plain(order) => Some(false),
        [0, 2, 1] => Some(true),
        _ => None,
    }
}

/// A constant operand's shape with axes of one element in front, as many as `rank` asks for.
pub(super) fn full(shape: &[usize], rank: usize) -> Vec<usize> {
    let missing = rank.saturating_sub(shape.len());
    [&vec![1; missing][..], shape].concat()
}
