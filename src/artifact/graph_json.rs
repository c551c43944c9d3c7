//! TVM's execution graph: which functions run, on what, in which order.

use std::path::Path;

use serde::Deserialize;

use super::element::Element;
use super::error::ArtifactError;
use super::params::Params;
use crate::bundle::{Integer, Port};

/// A result: its node, which one of that node's, and a version.
pub(super) type Entry = (usize, usize, usize);

/// A node that only gives its operand another shape, in place.
const RESHAPE: &str = "__nop";

/// The parts of the graph executor's JSON that say who computes what.
#[derive(Deserialize)]
pub struct GraphJson {
    pub(super) nodes: Vec<Node>,
    arg_nodes: Vec<usize>,
    pub(super) heads: Vec<Entry>,
    #[serde(default)]
    node_row_ptr: Vec<usize>,
    #[serde(default)]
    attrs: Results,
    #[serde(skip)]
    text: String,
    /// What the model's file calls its outputs, where that is known.
    #[serde(skip)]
    pub(super) outputs: Vec<String>,
    /// Inputs that the model brings itself.
    #[serde(skip)]
    params: Params,
}

/// TVM writes `["list_shape", [[1, 3, 224, 224], ...]]`, one shape per result, and types likewise.
#[derive(Deserialize, Default)]
struct Results {
    #[serde(default)]
    shape: (String, Vec<Vec<usize>>),
    #[serde(default)]
    dltype: (String, Vec<String>),
}

/// A tensor as the model declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredTensor {
    pub name: String,
    /// Empty where the graph does not say.
    pub shape: Vec<usize>,
    /// As TVM prints it.
    pub dtype: String,
    /// Its 8-bit type when it is one.
    pub integer: Option<Integer>,
}

impl DeclaredTensor {
    /// The type of its elements; what is no type of numbers counts as float32, and TVM says so when it runs.
    pub fn element(&self) -> Element {
        Element::named(&self.dtype).unwrap_or(Element::F32)
    }

    /// The type in which callers pass it by `port`: real numbers for integers that stand for them.
    pub fn passed_as(&self, port: &Port) -> Element {
        if port.integer.is_some() {
            Element::F32
        } else {
            self.element()
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Node {
    op: String,
    pub name: String,
    #[serde(default)]
    pub inputs: Vec<Entry>,
    #[serde(default)]
    attrs: Attrs,
}

#[derive(Deserialize, Default)]
struct Attrs {
    #[serde(default)]
    func_name: String,
}

impl Node {
    /// Whether it is an input or a parameter.
    pub fn is_given(&self) -> bool {
        self.op == "null"
    }

    pub fn function(&self) -> &str {
        &self.attrs.func_name
    }

    pub fn is_reshape(&self) -> bool {
        self.function() == RESHAPE
    }
}

impl GraphJson {
    pub fn parse(path: &Path, bytes: &[u8], params: Params) -> Result<GraphJson, ArtifactError> {
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
        graph.params = params;
        Ok(graph)
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn params(&self) -> &Params {
        &self.params
    }

    /// The node that calls `function`, if exactly one does.
    pub(super) fn call(&self, function: &str) -> Option<usize> {
        let mut calls = (0..self.nodes.len()).filter(|i| self.nodes[*i].function() == function);
        match (calls.next(), calls.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    /// Functions that TVM compiled itself; those that only give another shape are none.
    pub fn own_functions(&self) -> usize {
        let own = |node: &&Node| !node.is_given() && !node.is_reshape() && !node.function().contains("_dla_");
        self.nodes.iter().filter(own).count()
    }

    /// What the user gives, as nodes in the graph's order.
    pub(super) fn given(&self) -> Vec<usize> {
        let own = |node: &usize| self.params.get(&self.nodes[*node].name).is_none();
        self.arg_nodes.iter().copied().filter(own).collect()
    }

    /// What the user gives.
    pub fn inputs(&self) -> Vec<DeclaredTensor> {
        let given = self.given().into_iter();
        given.map(|node| self.declared((node, 0, 0))).collect()
    }

    pub(super) fn declared(&self, entry: Entry) -> DeclaredTensor {
        let row = self.node_row_ptr.get(entry.0).map(|row| row + entry.1);
        let shape = row.and_then(|row| self.attrs.shape.1.get(row));
        let dtype = row.and_then(|row| self.attrs.dltype.1.get(row));
        let dtype = dtype.map_or("float32", String::as_str);
        DeclaredTensor {
            name: self.nodes[entry.0].name.clone(),
            shape: shape.cloned().unwrap_or_default(),
            dtype: dtype.to_string(),
            integer: Integer::named(dtype),
        }
    }

    /// Output number `at` of the model, named as its file does, else by its number. One that is an input keeps its name.
    pub(super) fn output(&self, at: usize) -> DeclaredTensor {
        let entry = self.heads[at];
        let own = self.declared(entry);
        let is_input = self.given().contains(&entry.0);
        let named = self.outputs.get(at).cloned();
        let numbered = || {
            if is_input {
                own.name.clone()
            } else {
                format!("output_{at}")
            }
        };
        DeclaredTensor {
            name: named.unwrap_or_else(numbered),
            ..own
        }
    }

    /// What the model gives.
    pub fn outputs(&self) -> Vec<DeclaredTensor> {
        (0..self.heads.len()).map(|at| self.output(at)).collect()
    }

    /// How many results a node has.
    pub(super) fn results(&self, node: usize) -> usize {
        let row = |node: usize| self.node_row_ptr.get(node);
        match (row(node), row(node + 1)) {
            (Some(first), Some(next)) => next.saturating_sub(*first),
            _ => 1,
        }
    }
}
