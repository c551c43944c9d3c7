//! TVM's execution graph: which functions run, on what, in which order.

use std::path::Path;

use serde::Deserialize;

use super::error::ArtifactError;
use crate::bundle::Integer;

/// The parts of the graph executor's JSON that say who computes what.
#[derive(Deserialize)]
pub struct GraphJson {
    nodes: Vec<Node>,
    arg_nodes: Vec<usize>,
    heads: Vec<(usize, usize, usize)>,
    #[serde(default)]
    node_row_ptr: Vec<usize>,
    #[serde(default)]
    attrs: Results,
    #[serde(skip)]
    text: String,
    /// Inputs that the model brings itself.
    #[serde(skip)]
    params: Vec<String>,
}

/// TVM writes `["list_shape", [[1, 3, 224, 224], ...]]`, one shape per result, and types likewise.
#[derive(Deserialize, Default)]
struct Results {
    #[serde(default)]
    shape: (String, Vec<Vec<usize>>),
    #[serde(default)]
    dltype: (String, Vec<String>),
}

/// An input that the user gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    pub name: String,
    /// Empty where the graph does not say.
    pub shape: Vec<usize>,
    /// Its 8-bit type when it is one.
    pub integer: Option<Integer>,
}

#[derive(Deserialize)]
struct Node {
    op: String,
    name: String,
    #[serde(default)]
    inputs: Vec<(usize, usize, usize)>,
    #[serde(default)]
    attrs: Attrs,
}

#[derive(Deserialize, Default)]
struct Attrs {
    #[serde(default)]
    func_name: String,
}

impl GraphJson {
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<GraphJson, ArtifactError> {
        let wrong = |reason: String| ArtifactError::Foreign {
            path: path.to_path_buf(),
            reason: format!("its execution graph cannot be read: {reason}"),
        };
        let text = String::from_utf8(bytes.to_vec()).map_err(|e| wrong(e.to_string()))?;
        let mut graph: GraphJson = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        let count = graph.nodes.len();
        let inputs = graph.nodes.iter().flat_map(|node| &node.inputs);
        let entries = inputs.chain(&graph.heads).map(|entry| entry.0);
        if let Some(node) = entries
            .chain(graph.arg_nodes.iter().copied())
            .find(|node| *node >= count)
        {
            return Err(wrong(format!("node {node} is outside the {count} nodes")));
        }
        graph.text = text;
        Ok(graph)
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the whole graph is one call of `function` over the graph's inputs, in its order of outputs.
    pub fn is_only(&self, function: &str) -> bool {
        let mut calls = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, n)| n.op != "null");
        let (Some((index, node)), None) = (calls.next(), calls.next()) else {
            return false;
        };
        let mut outputs = (0..).zip(&self.heads);
        node.attrs.func_name == function
            && node
                .inputs
                .iter()
                .all(|entry| self.nodes[entry.0].op == "null")
            && outputs.all(|(i, head)| *head == (index, i, head.2))
    }

    /// Functions that TVM compiled itself.
    pub fn own_functions(&self) -> usize {
        let own = |node: &&Node| node.op != "null" && !node.attrs.func_name.contains("_dla_");
        self.nodes.iter().filter(own).count()
    }

    /// The same graph, knowing which inputs are parameters.
    pub fn with_params(mut self, params: Vec<String>) -> GraphJson {
        self.params = params;
        self
    }

    /// What the user gives: in the order of the one call when there is one, else in the graph's own.
    pub fn inputs(&self) -> Vec<Declared> {
        let mut calls = self.nodes.iter().filter(|node| node.op != "null");
        let order: Vec<usize> = match (calls.next(), calls.next()) {
            (Some(only), None) => only.inputs.iter().map(|entry| entry.0).collect(),
            _ => self.arg_nodes.clone(),
        };
        order
            .iter()
            .map(|i| self.declared(*i))
            .filter(|input| !self.params.contains(&input.name))
            .collect()
    }

    fn declared(&self, node: usize) -> Declared {
        let entry = self.node_row_ptr.get(node);
        let shape = entry.and_then(|entry| self.attrs.shape.1.get(*entry));
        let dtype = entry.and_then(|entry| self.attrs.dltype.1.get(*entry));
        Declared {
            name: self.nodes[node].name.clone(),
            shape: shape.cloned().unwrap_or_default(),
            integer: dtype.and_then(|dtype| Integer::named(dtype)),
        }
    }
}
