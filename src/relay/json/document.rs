//! The document as it is written: fields and their order as TVM's own code generator has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::relay::error::RelayError;

/// A graph of nodes; entry `i` of a node is its `i`-th tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub(super) nodes: Vec<Node>,
    /// The nodes without inputs: parameters and constants.
    pub(super) arg_nodes: Vec<usize>,
    /// Outputs: node, entry, version.
    pub(super) heads: Vec<Entry>,
    /// Entries before each node, and in all.
    pub(super) node_row_ptr: Vec<usize>,
}

/// Node, entry, version; the version is always 0.
pub(super) type Entry = [usize; 3];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Node {
    pub op: NodeKind,
    pub name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Entry>,
    #[serde(default)]
    pub attrs: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NodeKind {
    Input,
    Const,
    Kernel,
}

impl Document {
    /// # Errors
    /// [`RelayError::Json`] says where the text is not such a document.
    pub fn parse(text: &str) -> Result<Document, RelayError> {
        serde_json::from_str(text).map_err(|error| RelayError::Json(error.to_string()))
    }

    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a document is plain data")
    }

    /// Whether a dimension of a parameter is known only at run time.
    pub fn is_dynamic(&self) -> bool {
        let parameters = self.nodes.iter().filter(|n| n.op == NodeKind::Input);
        let mut shapes = parameters.filter_map(|node| node.attrs.get("shape"));
        shapes.any(|shape| shape.to_string().contains("-1"))
    }

    /// The options that the graph was compiled with: attributes of every operator that hold one text.
    pub fn options(&self) -> BTreeMap<String, String> {
        let kernel = self.nodes.iter().find(|node| node.op == NodeKind::Kernel);
        let attrs = kernel.iter().flat_map(|node| &node.attrs);
        let single = attrs.filter_map(|(name, value)| {
            let [[text]]: [[String; 1]; 1] = serde_json::from_value(value.clone()).ok()?;
            Some((name.clone(), text))
        });
        single.collect()
    }
}
