//! Why a piece of Relay is not converted.

use crate::graph::GraphError;
use crate::tvm::TvmError;

/// A Relay expression that stays with TVM, or that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// The operator is known, but not in this form.
    #[error("{op}: {reason}")]
    NotTaken { op: String, reason: String },
    #[error("operator {0} is not one that tvm-dla takes")]
    UnknownOp(String),
    #[error("Relay expression {0} cannot be part of a region: use calls, tuples, variables and constants")]
    Expression(String),
    #[error("the JSON graph cannot be read: {0}")]
    Json(String),
    #[error(transparent)]
    Tvm(#[from] TvmError),
    #[error(transparent)]
    Graph(#[from] GraphError),
}
