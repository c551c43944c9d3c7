//! Ways in which a network cannot be expressed in layers.

use super::BuildError;
use crate::graph::GraphError;

/// Names the node, what is wrong and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("node `{node}`: weight `{tensor}` {reason}")]
    Weight {
        node: String,
        tensor: String,
        reason: String,
    },
    #[error("node `{node}` ({op}): {reason}")]
    Unsupported {
        node: String,
        op: &'static str,
        reason: String,
    },
    /// The builder refused a layer of this node.
    #[error("node `{node}`: {reason}")]
    Builder { node: String, reason: String },
}

impl BuildError {
    pub(super) fn at(self, node: &str) -> LowerError {
        LowerError::Builder {
            node: node.to_string(),
            reason: self.0,
        }
    }
}
