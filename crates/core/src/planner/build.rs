//! Engines that are worth building.

use std::collections::HashSet;

use super::learn::Planner;
use super::offer::Engine;
use crate::plan::{Device, Plan, StageKind};

/// Engines that learning builds at most.
const MOST_ENGINES: usize = 48;

impl Planner {
    /// The engines of a wanted plan that are not there, if building them pays: when batches have lost as much for want of
    /// them as building takes.
    pub(super) fn worth_building(&mut self, rows: usize, engines: &HashSet<Engine>) -> Vec<Engine> {
        let Some(course) = self.courses.get(&rows) else {
            return Vec::new();
        };
        let Some(wanted) = &course.wanted else {
            return Vec::new();
        };
        let missing = self.lacking(&wanted.plan, engines);
        let costs = self.build_us * missing.len() as f64;
        // What a trial would gain is not known: it may cost as much as all batches so far.
        let saved = if wanted.us.is_finite() {
            course.missed_us
        } else {
            course.total_us
        };
        let pays = saved >= costs;
        if !pays || self.stopped.is_some() || self.asked + missing.len() > MOST_ENGINES {
            return Vec::new();
        }
        self.asked += missing.len();
        missing
    }

    /// The engines that `plan` needs and are not in `engines`.
    pub(super) fn lacking(&self, plan: &Plan, engines: &HashSet<Engine>) -> Vec<Engine> {
        let alone = plan.gpu_alone();
        let stage = if alone {
            StageKind::Whole
        } else {
            StageKind::Prefix
        };
        let mut needed: Vec<Engine> = plan
            .prefix
            .iter()
            .map(|share| Engine {
                device: share.device,
                stage,
                rows: share.batch,
                way: 0,
                copy: 0,
            })
            .collect();
        if self.terms.suffix && !alone {
            needed.push(Engine {
                device: Device::Gpu,
                stage: StageKind::Suffix,
                rows: plan.suffix_batch,
                way: 0,
                copy: 0,
            });
        }
        needed.retain(|engine| !engines.contains(engine));
        needed
    }
}
