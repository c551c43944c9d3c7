//! Plans that show what nothing tells.

use super::choose::prefix;
use super::course::Course;
use super::estimate::{Estimate, shares};
use super::learn::Planner;
use super::rates::Kind;
use super::sizes;
use crate::plan::{Device, Plan, Share};

/// Part of a batch that a DLA of unknown speed is tried with.
const TRIAL: usize = 16;

/// Rows of a round that are not halved any further to see whether that is faster.
const LEAST_HALF: usize = 16;

impl Planner {
    /// A plan that lets DLAs of unknown speed run a little.
    pub(super) fn trial(&self, rows: usize, course: &Course) -> Option<Estimate> {
        let unknown = |d: &&Device| self.rates.us(prefix(0, **d), 1).is_none();
        let dlas: Vec<Device> = self.terms.dlas.iter().filter(unknown).copied().collect();
        let each = (rows / TRIAL).clamp(1, self.terms.dla_rows);
        let rest = rows.checked_sub(each * dlas.len()).filter(|rest| *rest > 0)?;
        if dlas.is_empty() || !course.plan.gpu_alone() {
            return None;
        }
        let largest = course.plan.prefix.iter().map(|share| share.batch).max()?;
        let mut prefix = shares(Device::Gpu, largest.min(rest), rest);
        prefix.extend(dlas.into_iter().map(|device| Share {
            device,
            batch: each,
            rounds: 1,
        }));
        let suffix = sizes::divisors(rows, 64).into_iter().find(|n| *n <= 512);
        let plan = Plan::new(prefix, suffix.unwrap_or(1));
        self.terms.has_room(&plan).then(|| Estimate::unknown(plan))
    }

    /// The GPU alone in rounds of half as many rows, where no model says what they take and none of about that size was seen.
    /// Larger ones are hoped to be faster and need no trial.
    pub(super) fn halved(&self, rows: usize, course: &Course) -> Option<Estimate> {
        let largest = course.plan.prefix.iter().map(|share| share.batch).max()?;
        let half = largest.div_ceil(2);
        let about = half - half / 4..=half + half / 4;
        let seen = |n: usize| self.rates.at(Kind::whole(), n).is_some();
        let told = self.rates.forecast().is_some() || about.clone().any(seen);
        let wanted = course.plan.gpu_alone() && half >= LEAST_HALF && !told;
        let plan = Plan::new(shares(Device::Gpu, half, rows), rows);
        (wanted && self.terms.has_room(&plan)).then(|| Estimate::unknown(plan))
    }
}
