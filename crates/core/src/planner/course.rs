//! The plans of one batch size, from batch to batch.

use std::collections::HashMap;

use super::estimate::Estimate;
use super::frame::Frame;
use super::seen::SeenTimes;
use crate::plan::Plan;

/// How often plans are compared as soon as may be; later only now and then, or when a speed has changed.
const EARLY: u64 = 8;

/// Microseconds of batches between two comparisons: one takes a few hundred, and shorter batches show more of the machine's
/// other work than of their own.
const APART_US: f64 = 5_000.0;

/// What was learned of one batch size.
#[derive(Debug, Clone)]
pub(super) struct Course {
    pub plan: Plan,
    pub frame: Frame,
    /// New engines may be built for it.
    pub grows: bool,
    /// It is not the plan that the course began with.
    pub learned: bool,
    pub batches: u64,
    /// What whole batches took, by plan.
    pub ran: HashMap<Plan, SeenTimes>,
    /// A better plan whose engines are not all there, and what a batch loses without it.
    pub wanted: Option<Estimate>,
    pub lost_us: f64,
    /// What batches have lost so far for want of its engines.
    pub missed_us: f64,
    /// Microseconds of all batches.
    pub total_us: f64,
    /// Something has changed since plans were compared.
    pub stale: bool,
    /// Microseconds of batches since then.
    pub since_us: f64,
    /// How often plans were compared, and how often that led to another.
    pub compared: u64,
    pub turns: u32,
    /// How many times longer than alone the GPU's and the DLAs' prefixes take in the plan, as far as a model says; until
    /// plans are compared.
    pub beside: Option<[f64; 2]>,
}

impl Course {
    pub fn new(plan: Plan, frame: Frame, grows: bool) -> Course {
        Course {
            plan,
            frame,
            grows,
            learned: false,
            batches: 0,
            ran: HashMap::new(),
            wanted: None,
            lost_us: 0.0,
            missed_us: 0.0,
            total_us: 0.0,
            stale: false,
            since_us: 0.0,
            compared: 0,
            turns: 0,
            beside: None,
        }
    }

    /// Takes in the time of a batch with the current plan.
    pub fn add(&mut self, us: f64) {
        let Some(new) = SeenTimes::of(&[us]) else { return };
        self.batches += 1;
        self.missed_us += self.lost_us;
        self.since_us += us;
        self.total_us += us;
        match self.ran.get_mut(&self.plan) {
            None => drop(self.ran.insert(self.plan.clone(), new)),
            Some(seen) => self.stale |= seen.add(new).is_some(),
        }
    }

    /// Whether it is time to compare plans.
    pub fn is_due(&self) -> bool {
        let now = self.stale || self.compared < EARLY || self.batches.is_power_of_two();
        now && self.since_us >= APART_US
    }

    /// Goes on with another plan.
    pub fn turn(&mut self, plan: Plan, frame: Frame) {
        self.plan = plan;
        self.frame = frame;
        self.beside = None;
        self.learned = true;
        self.turns += 1;
        // What the new plan takes is to be seen, and may be worse.
        self.stale = true;
        self.since_us = APART_US;
        self.want(None, 0.0);
    }

    pub fn want(&mut self, wanted: Option<Estimate>, lost_us: f64) {
        match (&wanted, &self.wanted) {
            (None, _) => self.missed_us = 0.0,
            // The batch that has just run would have had it, too.
            (Some(_), None) => self.missed_us = lost_us,
            (Some(_), Some(_)) => {}
        }
        self.wanted = wanted;
        self.lost_us = lost_us;
    }

    /// Times of before are no longer those of now.
    pub fn outdate(&mut self) {
        let plan = self.plan.clone();
        self.ran.retain(|other, _| *other == plan);
        self.stale = true;
        self.turns = 0;
        self.compared = 0;
    }
}
