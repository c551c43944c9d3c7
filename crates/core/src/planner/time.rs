//! What a plan takes, from what executions take.

use super::deal::Deal;
use super::estimate::{Estimate, estimate};
use super::lane::Lane;
use crate::plan::{Device, Mode, Plan};

impl Deal<'_> {
    /// The time of a plan of this frame, or of the GPU alone.
    pub fn estimate(&self, plan: Plan) -> Option<Estimate> {
        if plan.gpu_alone() {
            let us = busy(&plan, &self.whole)?;
            return Some(estimate(plan, self.rates.host_us(false), us, 0.0, 0.0));
        }
        let after = if self.has_suffix() {
            let one = self.suffix.time(plan.suffix_batch)?;
            one * plan.total().div_ceil(plan.suffix_batch) as f64
        } else {
            0.0
        };
        let [gpu, dla] = beside(self.apart(&plan)?, self.slow(&plan));
        let host = self.rates.host_us(true);
        Some(match self.frame.mode {
            Mode::Merged => estimate(plan, host, gpu, dla, after),
            Mode::Pipelined => {
                let last = after * tail(&plan);
                estimate(plan, host, gpu + after - last, dla, last)
            }
        })
    }

    /// How many times longer than alone the GPU's and the DLAs' prefixes take in `plan`.
    pub fn beside(&self, plan: &Plan) -> Option<[f64; 2]> {
        let alone = self.apart(plan)?;
        let together = beside(alone, self.slow(plan));
        let over = |at: usize| {
            if alone[at] > 0.0 {
                together[at] / alone[at]
            } else {
                1.0
            }
        };
        Some([over(0), over(1)])
    }

    /// How many times longer the GPU and a DLA take while all devices of `plan` run, where a model says so. What was seen of
    /// other cuts than the longest prefix was not alone to begin with.
    pub(super) fn slow(&self, plan: &Plan) -> [f64; 2] {
        let Some(forecast) = self.rates.forecast().filter(|_| self.frame.way == 0) else {
            return [1.0, 1.0];
        };
        let most = |lane: &Lane<'_>| {
            let mine = plan.prefix.iter().filter(|share| share.device == lane.device);
            let rows = mine.map(|share| share.batch).max()?;
            Some((lane.device, rows, lane.time(rows)?))
        };
        let lanes = std::iter::once(&self.gpu).chain(&self.dlas);
        let running: Vec<(Device, usize, f64)> = lanes.filter_map(most).collect();
        let mut slow = [1.0, 1.0];
        for ((device, ..), factor) in running.iter().zip(forecast.slow(&running)) {
            let own = &mut slow[usize::from(*device != Device::Gpu)];
            *own = factor.max(*own);
        }
        slow
    }

    /// Microseconds of the GPU's prefixes and of the slowest DLA's, if nothing ran beside them.
    fn apart(&self, plan: &Plan) -> Option<[f64; 2]> {
        let mut dla: f64 = 0.0;
        for device in plan.devices().into_iter().filter(|d| *d != Device::Gpu) {
            let lane = self.dlas.iter().find(|lane| lane.device == device)?;
            dla = dla.max(busy(plan, lane)?);
        }
        Some([busy(plan, &self.gpu)?, dla])
    }
}

/// Part of a pipelined plan's rows whose suffix comes after all prefixes: those that the DLAs end with, in whole executions.
pub(super) fn tail(plan: &Plan) -> f64 {
    let last = |device: Device| {
        let mine = plan.prefix.iter().filter(|s| s.device == device);
        mine.map(|share| share.batch).min().unwrap_or(0)
    };
    let dlas = plan.devices().into_iter().filter(|d| *d != Device::Gpu);
    let rows: usize = dlas.map(last).sum();
    let batch = plan.suffix_batch.max(1);
    let whole = rows.div_ceil(batch) * batch;
    (whole as f64 / plan.total().max(1) as f64).min(1.0)
}

/// Microseconds of a device's executions in `plan`, if nothing ran beside them.
fn busy(plan: &Plan, lane: &Lane<'_>) -> Option<f64> {
    let mine = plan.prefix.iter().filter(|s| s.device == lane.device);
    let times = mine.map(|s| Some(lane.time(s.batch)? * s.rounds as f64));
    times.sum()
}

/// What the GPU and the DLAs take beside each other, until the one ends and leaves the other alone.
fn beside(alone: [f64; 2], slow: [f64; 2]) -> [f64; 2] {
    let [gpu, dla] = [alone[0] * slow[0], alone[1] * slow[1]];
    if dla <= gpu {
        [dla + alone[0] - dla / slow[0], dla]
    } else {
        [gpu, gpu + alone[1] - gpu / slow[1]]
    }
}
