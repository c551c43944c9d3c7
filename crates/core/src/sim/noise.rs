//! Seeded variation of times.

use super::SimError;
use crate::schedule::{TaskId, mixed};

/// How far execution times vary. The same seed gives the same times, whatever the order of executions.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Noise {
    /// Largest relative deviation, 0 to 0.9.
    jitter: f64,
    seed: u64,
}

impl Noise {
    /// Every execution takes exactly its predicted time.
    pub const NONE: Noise = Noise { jitter: 0.0, seed: 0 };

    /// Times vary evenly within `1 - jitter` to `1 + jitter`.
    ///
    /// # Errors
    /// [`SimError::Jitter`] outside 0 to 0.9.
    pub fn new(jitter: f64, seed: u64) -> Result<Noise, SimError> {
        if (0.0..=0.9).contains(&jitter) {
            Ok(Noise { jitter, seed })
        } else {
            Err(SimError::Jitter(jitter))
        }
    }

    pub(super) fn factor(&self, task: TaskId) -> f64 {
        let bits = mixed(self.seed ^ mixed(task.0.wrapping_add(1)));
        let unit = (bits >> 11) as f64 / (1u64 << 53) as f64;
        1.0 + self.jitter * (2.0 * unit - 1.0)
    }
}
