//! Ways in which a bundle can be wrong.

use crate::graph::GraphError;

/// Why bytes are not a bundle this version can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error(
        "the bundle has no room for this plan: it is {needed} bytes too long; compile the model again with this version, or use a plan file"
    )]
    NoRoom { needed: usize },
    #[error(
        "this is not a tvm-dla bundle: it does not start with the magic bytes; compile the model for the target `dla`"
    )]
    Foreign,
    #[error(
        "bundle format {found} is not format {known}, the one this version reads: compile the model again, or use the tvm-dla that wrote it"
    )]
    Version { found: u32, known: u32 },
    #[error("the bundle is truncated: {needed} bytes are needed, {size} are there; copy or compile it again")]
    Truncated { needed: usize, size: usize },
    #[error("the bundle is damaged: its SHA-256 digest does not match its content; copy or compile it again")]
    Digest,
    #[error("the bundle's header cannot be read: {0}")]
    Header(String),
    #[error("{extra} bytes follow the last weight of the bundle: it was not written by tvm-dla")]
    Trailing { extra: usize },
    #[error("the bundle's network is not valid: {0}")]
    Graph(#[from] GraphError),
    #[error("the bundle says what its network was made from, and that does not fit the network: {0}")]
    Origin(String),
}
