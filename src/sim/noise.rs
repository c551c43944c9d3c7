//! Seeded variation of times.

use super::SimError;
use crate::schedule::TaskId;

/// How far execution times vary. The same seed gives the same times, whatever the order of executions.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Noise {
    /// Largest relative deviation, 0 to 0.9.
    jitter: f64,
    seed: u64,
}

impl Noise {
    /// Every execution takes exactly its predicted time.
    pub const NONE: Noise = Noise {
        jitter: 0.0,
        seed: 0,
    };

    /// Times vary evenly within `1 - jitter` to `1 + jitter`.
    ///
    /// # Errors
    /// [`SimError::Jitter`] outside 0 to 0.9.
    pub fn new(jitter: f64, seed: u64) -> Result<Noise, SimError> {
        match (0.0..=0.9).contains(&jitter) {
            true => Ok(Noise { jitter, seed }),
            false => Err(SimError::Jitter(jitter)),
        }
    }

    pub(super) fn factor(&self, task: TaskId) -> f64 {
        let bits = mixed(self.seed ^ mixed(task.0.wrapping_add(1)));
        let unit = (bits >> 11) as f64 / (1u64 << 53) as f64;
        1.0 + self.jitter * (2.0 * unit - 1.0)
    }
}

/// SplitMix64's output function (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
