//! INT8 as a model was quantised before TVM.

use super::{RangeError, Ranges};
use crate::bundle::Bundle;
use crate::graph::{Graph, Node};

/// The ranges that come with a bundle, and by name the nodes that its model left in floating point, to be kept in FP16.
/// `None` when it brings no ranges.
///
/// # Errors
/// [`RangeError`] for a range that no scale can be made of.
pub fn quantised(bundle: &Bundle) -> Result<Option<(Ranges, Vec<String>)>, RangeError> {
    let known = bundle.origin.iter().flat_map(|origin| &origin.ranges);
    let mut ranges = Ranges::default();
    for (tensor, max) in known {
        ranges.insert(tensor, *max)?;
    }
    if ranges.is_empty() {
        return Ok(None);
    }
    let graph = &bundle.graph;
    let floats = graph.nodes.iter().filter(|n| !is_ranged(graph, n, &ranges));
    let floats = floats.map(|node| node.name.clone()).collect();
    Ok(Some((ranges, floats)))
}

fn is_ranged(graph: &Graph, node: &Node, ranges: &Ranges) -> bool {
    let tensors = node.inputs.iter().chain([&node.output]);
    let mut activations = tensors
        .map(|id| graph.tensor(*id))
        .filter(|tensor| tensor.weight.is_none());
    activations.all(|tensor| ranges.get(&tensor.name).is_some())
}
