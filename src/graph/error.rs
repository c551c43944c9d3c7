//! Ways in which a network can be wrong.

/// Names the node or tensor, what is wrong with it, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    #[error("`{node}` ({op}): {reason}")]
    Node {
        node: String,
        op: &'static str,
        reason: String,
    },
    #[error("tensor `{tensor}`: {reason}")]
    Tensor { tensor: String, reason: String },
    #[error("node `{node}` reads tensor {id}, which no earlier node, input or weight provides")]
    Order { node: String, id: u32 },
    #[error("tensor id {id} is outside the {count} tensors of the network")]
    Id { id: u32, count: usize },
    #[error("the network has no {0}")]
    Empty(&'static str),
    #[error("`{node}` ({op}) mixes the rows of a batch, so the network runs only at the batch it was compiled for: {reason}")]
    NotRowIndependent {
        node: String,
        op: &'static str,
        reason: String,
    },
    #[error("its inputs and outputs do not all have the same number of rows, so the network runs only at the shapes it was compiled for")]
    Ragged,
}
