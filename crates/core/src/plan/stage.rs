//! The parts of a cut network.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which part of the network an engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageKind {
    /// The network uncut.
    Whole,
    Prefix,
    Suffix,
}

impl fmt::Display for StageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            StageKind::Whole => "whole",
            StageKind::Prefix => "prefix",
            StageKind::Suffix => "suffix",
        })
    }
}
