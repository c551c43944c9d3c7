//! The JSON header: everything of a bundle but the weights' bytes.

use serde::{Deserialize, Serialize};

use super::{Bundle, KeptCalls, Options, Origin};
use crate::graph::{DType, Graph, Node, Op, Tensor, TensorId};
use crate::plan::Plan;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    name: String,
    tensors: Vec<TensorEntry>,
    nodes: Vec<NodeEntry>,
    inputs: Vec<TensorId>,
    outputs: Vec<TensorId>,
    options: Options,
    plan: Option<Plan>,
    origin: Option<Origin>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kept: Vec<KeptCalls>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TensorEntry {
    name: String,
    shape: Vec<usize>,
    dtype: DType,
    /// Whether its bytes follow the header; shape and type give their length.
    weight: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeEntry {
    name: String,
    op: Op,
    inputs: Vec<TensorId>,
    output: TensorId,
}

impl Header {
    pub(super) fn of(bundle: &Bundle) -> Header {
        let graph = &bundle.graph;
        Header {
            name: graph.name.clone(),
            tensors: graph.tensors.iter().map(TensorEntry::of).collect(),
            nodes: graph.nodes.iter().map(NodeEntry::of).collect(),
            inputs: graph.inputs.clone(),
            outputs: graph.outputs.clone(),
            options: bundle.options.clone(),
            plan: bundle.plan.clone(),
            origin: bundle.origin.clone(),
            kept: bundle.kept.clone(),
        }
    }

    /// The bundle without weights, and which tensors want theirs, in file order.
    pub(super) fn into_parts(self) -> (Bundle, Vec<TensorId>) {
        let weights = (0u32..)
            .zip(&self.tensors)
            .filter(|(_, tensor)| tensor.weight)
            .map(|(id, _)| TensorId(id))
            .collect();
        let graph = Graph {
            name: self.name,
            tensors: self.tensors.into_iter().map(Tensor::from).collect(),
            nodes: self.nodes.into_iter().map(Node::from).collect(),
            inputs: self.inputs,
            outputs: self.outputs,
        };
        let bundle = Bundle {
            graph,
            options: self.options,
            plan: self.plan,
            origin: self.origin,
            kept: self.kept,
        };
        (bundle, weights)
    }
}

impl TensorEntry {
    fn of(tensor: &Tensor) -> TensorEntry {
        TensorEntry {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            dtype: tensor.dtype,
            weight: tensor.weight.is_some(),
        }
    }
}

impl NodeEntry {
    fn of(node: &Node) -> NodeEntry {
        NodeEntry {
            name: node.name.clone(),
            op: node.op.clone(),
            inputs: node.inputs.clone(),
            output: node.output,
        }
    }
}

impl From<TensorEntry> for Tensor {
    fn from(entry: TensorEntry) -> Tensor {
        Tensor {
            name: entry.name,
            shape: entry.shape,
            dtype: entry.dtype,
            weight: None,
        }
    }
}

impl From<NodeEntry> for Node {
    fn from(entry: NodeEntry) -> Node {
        Node {
            name: entry.name,
            op: entry.op,
            inputs: entry.inputs,
            output: entry.output,
        }
    }
}
