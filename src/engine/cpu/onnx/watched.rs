//! A float32 model that shows its outputs to an operator of ours instead of giving them.

use prost::Message;

use super::builder::OnnxBuilder;
use super::proto::{Attribute, Graph, Node, OperatorSet, ValueInfo};
use crate::graph;
use crate::lower::{LowerError, lower};

/// The operator, its domain, and its attribute: which output it sees.
pub const WATCH: &str = "Watch";
pub const DOMAIN: &str = "tvm_dla";
pub const OUTPUT: &str = "output";

/// The serialised model of `graph`.
///
/// # Errors
/// [`LowerError`] names the node that has no form in ONNX.
pub fn watched_model(graph: &graph::Graph) -> Result<Vec<u8>, LowerError> {
    let mut builder = OnnxBuilder::default();
    lower(graph, &mut builder)?;
    let (mut model, _) = builder.finish(&graph.name);
    if let Some(network) = &mut model.graph {
        watch(network);
    }
    model.opset_import.push(OperatorSet {
        domain: DOMAIN.into(),
        version: 1,
    });
    Ok(model.encode_to_vec())
}

/// ONNX Runtime computes what the last of several ends of a graph needs first: with the first output watched by the last
/// node, each is watched as soon as it is computed, still in the caches, and its memory is used again.
fn watch(network: &mut Graph) {
    let outputs = std::mem::take(&mut network.output);
    for (index, output) in outputs.into_iter().enumerate().rev() {
        // A node without an output would be left out, so each has one element that nobody reads.
        let token = format!("{}/{DOMAIN}.watched", output.name);
        network.output.push(ValueInfo::float(&token, &[1]));
        network.node.push(Node {
            input: vec![output.name],
            output: vec![token.clone()],
            name: token,
            op_type: WATCH.into(),
            attribute: vec![Attribute::int(OUTPUT, index)],
            domain: DOMAIN.into(),
        });
    }
}
