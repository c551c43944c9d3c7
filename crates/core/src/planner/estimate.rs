//! Plans with their predicted times, and the best of many.

use super::terms::Terms;
use crate::plan::{Device, Plan, Share};

/// Plans that are kept of each way to share, for whoever looks closer.
const KEPT: usize = 4;

/// A plan with its predicted time.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    pub plan: Plan,
    pub us: f64,
    /// Parts of `us`: what the GPU does beside the DLAs, the slowest DLA, and what the GPU does after them.
    pub(super) gpu_us: f64,
    pub(super) dla_us: f64,
    pub(super) after_us: f64,
}

impl Estimate {
    /// Nothing is known of its time.
    pub(super) fn unknown(plan: Plan) -> Estimate {
        estimate(plan, 0.0, f64::INFINITY, 0.0, 0.0)
    }

    /// The time when the GPU takes `gpu` and the DLAs `dla` times as long as predicted.
    pub fn scaled(&self, gpu: f64, dla: f64) -> f64 {
        let rest = self.us - self.gpu_us.max(self.dla_us) - self.after_us;
        rest + (self.gpu_us * gpu).max(self.dla_us * dla) + self.after_us * gpu
    }
}

/// The best plans so far, best first.
#[derive(Default)]
pub(super) struct Best(pub Vec<Estimate>);

impl Best {
    pub fn add(&mut self, terms: &Terms, new: Option<Estimate>) {
        let Some(new) = new else { return };
        let full = self.0.len() >= KEPT;
        let late = full && self.0.last().is_some_and(|worst| new.us >= worst.us);
        let known = || self.0.iter().any(|e| e.plan == new.plan);
        if late || known() || !terms.has_room(&new.plan) {
            return;
        }
        let at = self.0.partition_point(|e| e.us <= new.us);
        self.0.insert(at, new);
        self.0.truncate(KEPT);
    }
}

pub(super) fn estimate(plan: Plan, host: f64, gpu_us: f64, dla_us: f64, after_us: f64) -> Estimate {
    Estimate {
        plan,
        us: host + gpu_us.max(dla_us) + after_us,
        gpu_us,
        dla_us,
        after_us,
    }
}

/// Equal rounds, and one of what is left.
pub(super) fn shares(device: Device, batch: usize, rows: usize) -> Vec<Share> {
    let full = (rows / batch > 0).then_some((batch, rows / batch));
    let rest = (!rows.is_multiple_of(batch)).then_some((rows % batch, 1));
    let both = full.into_iter().chain(rest);
    both.map(|(batch, rounds)| Share {
        device,
        batch,
        rounds,
    })
    .collect()
}
