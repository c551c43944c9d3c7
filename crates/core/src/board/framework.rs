//! What the program around the engines adds.

use serde::{Deserialize, Serialize};

use super::constants::{Constants, Key};
use crate::sim::HostCosts;

/// Whose program runs the engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Framework {
    /// This program.
    Native,
    /// The paper's: TVM 0.9 with its TensorRT integration, changed by its authors. Two constants, fitted to two of the
    /// nine points of its figure.
    Ksc2022,
}

impl Framework {
    /// Per run, with (`shared`) or without a merge of several devices' rows.
    pub fn host(self, constants: &Constants, shared: bool) -> HostCosts {
        let costs = |run_us, merge_us| HostCosts { run_us, merge_us };
        match (self, shared) {
            (Framework::Native, false) => costs(constants.get(Key::HostRun), 0.0),
            (Framework::Native, true) => costs(constants.get(Key::HostRun), constants.get(Key::HostMerge)),
            (Framework::Ksc2022, false) => costs(constants.get(Key::KscCall), 0.0),
            // Three prefixes are called before anything runs, the suffix after the merge.
            (Framework::Ksc2022, true) => {
                costs(3.0 * constants.get(Key::KscCall), constants.get(Key::KscCall))
            }
        }
    }

    /// Microseconds per row of `bytes` that go in and out of a DLA's engine.
    pub fn dla_row(self, constants: &Constants, bytes: f64) -> f64 {
        match self {
            Framework::Native => 0.0,
            Framework::Ksc2022 => bytes / constants.get(Key::KscCopy),
        }
    }
}
