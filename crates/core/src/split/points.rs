//! Cuts before the end of the prefix: the rules allow any that leaves every node with its ancestors.

use super::cut::{Side, SplitError, Stages, is_conv_or_pool, judged, stages};
use super::target::DlaTarget;
use super::verdict::is_fused;
use crate::graph::{Graph, Node, TensorId};

/// [`cut`](super::cut()), but with nothing in the prefix that comes after the node `last` in the network's order.
///
/// # Errors
/// As [`cut`](super::cut()); and [`SplitError::NoCut`] when `last` is not in the prefix, or nothing up to it is worth a
/// hand-over.
pub fn cut_after(
    graph: &Graph,
    target: &DlaTarget,
    gpu_only: &[String],
    last: &str,
) -> Result<Stages, SplitError> {
    let (verdicts, mut side) = judged(graph, target, gpu_only)?;
    let at = graph.nodes.iter().position(|node| node.name == last);
    let refuse = |reason| {
        let prefix = graph.nodes.iter().zip(&side);
        let prefix = prefix.filter(|(_, s)| **s == Side::Prefix);
        let names = prefix.map(|(node, _)| node.name.as_str());
        let nearest = names.min_by_key(|name| strsim::levenshtein(name, last));
        Err(SplitError::NoCut {
            name: last.to_string(),
            reason,
            nearest: nearest.unwrap_or_default().to_string(),
        })
    };
    let Some(at) = at else {
        return refuse("it has no such node");
    };
    if side[at] == Side::Suffix {
        return refuse("that node is not in the prefix");
    }
    let before = graph.nodes[..=at].iter().zip(&side);
    if !before
        .clone()
        .any(|(node, s)| *s == Side::Prefix && is_conv_or_pool(&node.op))
    {
        return refuse("nothing before it is worth a hand-over");
    }
    side[at + 1..].fill(Side::Suffix);
    stages(graph, verdicts, side)
}

/// A place where the network can be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutPoint {
    /// The last node of the prefix, in the network's order.
    pub node: String,
    /// Tensors that cross.
    pub tensors: usize,
    /// Elements per row that cross.
    pub elements: usize,
}

/// The places before the end of the prefix, in the network's order; `side` is that of [`cut`](super::cut()). What is
/// fused with the node before it is not cut off.
pub fn cuts(graph: &Graph, side: &[Side]) -> Vec<CutPoint> {
    let last = side.iter().rposition(|s| *s == Side::Prefix).unwrap_or(0);
    let mut worth = false;
    let mut found = Vec::new();
    for (at, node) in graph.nodes.iter().enumerate().take(last) {
        if side[at] == Side::Suffix {
            continue;
        }
        worth |= is_conv_or_pool(&node.op);
        let mut readers = graph.nodes.iter().filter(|n| n.inputs.contains(&node.output));
        if worth && !readers.any(|reader| is_fused(graph, reader)) {
            found.push(crossing(graph, &side[..=at], node));
        }
    }
    found
}

/// What crosses when nothing after `node` is in the prefix.
fn crossing(graph: &Graph, side: &[Side], node: &Node) -> CutPoint {
    let made = graph.nodes.iter().zip(side);
    let made = made.filter(|(_, s)| **s == Side::Prefix).map(|(n, _)| n.output);
    let read = |id: &TensorId| {
        let sides = side.iter().copied().chain(std::iter::repeat(Side::Suffix));
        let mut rest = graph.nodes.iter().zip(sides);
        rest.any(|(n, s)| s == Side::Suffix && n.inputs.contains(id))
    };
    let crossing: Vec<TensorId> = made.filter(read).collect();
    let elements = |id: &TensorId| graph.tensor(*id).shape[1..].iter().product::<usize>();
    CutPoint {
        node: node.name.clone(),
        tensors: crossing.len(),
        elements: crossing.iter().map(elements).sum(),
    }
}
