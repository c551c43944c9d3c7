//! What TVM kept of a model, so that a compiled model can say it.

use serde::{Deserialize, Serialize};

/// `count` calls of one operator that stayed with TVM for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptCalls {
    pub op: String,
    pub count: usize,
    pub reason: String,
}
