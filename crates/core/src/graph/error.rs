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
    #[error(
        "`{node}` ({op}) mixes the rows of a batch, so the network is computed only in batches as compiled: {reason}"
    )]
    NotRowIndependent {
        node: String,
        op: &'static str,
        reason: String,
    },
    #[error(
        "the inputs have no batch dimension, so the network is one row as a whole: for `{node}` ({op}), {reason}"
    )]
    NoBatch {
        node: String,
        op: &'static str,
        reason: String,
    },
    #[error("its inputs do not all have the same number of rows, so the network is one row as a whole")]
    Ragged,
    #[error("output `{output}` {reason}, so the network is computed only in batches as compiled")]
    Output { output: String, reason: String },
}
