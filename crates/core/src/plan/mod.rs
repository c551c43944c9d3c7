//! Which device runs how many rows in which batches. The paper's notation: total = 2·N_D·r_D + N_G·r_G.
//!
//! A plan is three things at once: a value that is validated against a batch and the devices at hand, a line of text
//! (`gpu=16x12,dla0=16x10,dla1=16x10,suffix=512`) for people, and a versioned JSON object for files.

mod check;
mod count;
mod deal;
mod device;
mod error;
mod file;
mod json;
mod stage;
#[cfg(test)]
mod tests;
mod text;

pub use count::counted;
pub use device::{Device, name};
pub use error::PlanError;
pub use file::{PlanFile, TunedPlans};
pub use stage::StageKind;

use serde::{Deserialize, Serialize};

/// One device's part of the prefix: `rounds` executions of an engine of `batch` rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    #[serde(with = "device::name")]
    pub device: Device,
    /// Rows per execution.
    pub batch: usize,
    /// Executions.
    pub rounds: usize,
}

impl Share {
    /// Rows of all rounds; saturates instead of overflowing.
    pub fn rows(&self) -> usize {
        self.batch.saturating_mul(self.rounds)
    }
}

/// How one batch is dealt to the devices, and in which batch the merged suffix runs on the GPU.
///
/// Rows are dealt in the order of the shares; with a pipelined suffix, round by round, as they are expected to end. A
/// device may have several shares if their batches differ: that is how
/// rows that do not divide evenly are dealt without padding. A plan that names only the GPU runs the network uncut,
/// so its `suffix_batch` has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "json::PlanObject", into = "json::PlanObject")]
pub struct Plan {
    pub prefix: Vec<Share>,
    /// Rows per execution of the suffix; divides [`Plan::total`].
    pub suffix_batch: usize,
    pub cut: Cut,
    pub mode: Mode,
    /// Engines of a kind per device, 1 or 2: with two, a device is given its next execution while it computes one.
    pub engines: usize,
}

/// Where the network is cut.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Cut {
    /// After everything that a DLA may run.
    #[default]
    Longest,
    /// After this node, in the network's order.
    After(String),
}

/// When the suffix runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// When the prefix of all rows is done, as in the paper.
    #[default]
    Merged,
    /// Suffix batch by suffix batch, while the prefix of later rows runs.
    Pipelined,
}
