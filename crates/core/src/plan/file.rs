//! Plans in a file: what a tuning found, and for what.

use serde::{Deserialize, Serialize};

use super::{Plan, PlanError};

const VERSION: u32 = 1;

/// Plans of one network on one board, one per batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    version: u32,
    /// Digest of the network.
    pub artifact: String,
    /// What they were tuned for: a board with its power mode, or a backend.
    pub board: String,
    pub goal: String,
    pub plans: Vec<Plan>,
}

/// Plans for the batches they add up to, and the file they are from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TunedPlans {
    pub plans: Vec<Plan>,
    pub from: String,
}

impl PlanFile {
    pub fn new(artifact: String, board: String, goal: String, plans: Vec<Plan>) -> PlanFile {
        PlanFile {
            version: VERSION,
            artifact,
            board,
            goal,
            plans,
        }
    }

    /// Whether the file's plans are for this network on this board.
    ///
    /// # Errors
    /// [`PlanError::OtherNetwork`], [`PlanError::OtherBoard`], [`PlanError::Version`].
    pub fn check(&self, artifact: &str, board: &str) -> Result<(), PlanError> {
        self.check_network(artifact)?;
        if self.board == board {
            Ok(())
        } else {
            Err(PlanError::OtherBoard {
                theirs: self.board.clone(),
                ours: board.to_string(),
            })
        }
    }

    /// Whether the file's plans are for this network, on whatever board.
    ///
    /// # Errors
    /// [`PlanError::OtherNetwork`], [`PlanError::Version`].
    pub fn check_network(&self, artifact: &str) -> Result<(), PlanError> {
        if self.version != VERSION {
            return Err(PlanError::Version(self.version));
        }
        if self.artifact == artifact {
            Ok(())
        } else {
            Err(PlanError::OtherNetwork {
                theirs: self.artifact.clone(),
                ours: artifact.to_string(),
            })
        }
    }
}
