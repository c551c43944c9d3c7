//! Whether another plan is better by what batches took.

use std::collections::HashSet;

use super::choose::{LEAST_GAIN, prefix};
use super::course::Course;
use super::estimate::Estimate;
use super::frame::Frame;
use super::learn::Planner;
use super::offer::{Engine, Offer};
use super::rates::Kind;
use super::seen::SeenTimes;
use crate::plan::{Device, Plan};

/// Standard errors that a gain has to exceed.
const SURE: f64 = 0.2;

/// More gain that is asked for after every change of plan, until a device's speed changes: noise settles.
const DAMPING: f64 = 0.005;

/// More gain than that for a plan whose engines have to be built.
const BUILD_GAIN: f64 = 0.01;

/// Relative error of what is predicted of one plan, given another.
const PREDICTED: f64 = 0.03;

/// How a prediction may differ from what batches take, before it is taken for wrong.
const BIAS: std::ops::RangeInclusive<f64> = 0.8..=1.25;

impl Planner {
    /// Turns to a plan that is there and better; notes one that would be, with more engines.
    pub(super) fn compare(&mut self, rows: usize, engines: &HashSet<Engine>) {
        let Some(course) = self.courses.get(&rows) else {
            return;
        };
        let now = self.now(rows, course);
        let damping = DAMPING * f64::from(course.turns);
        let bar = 1.0 - LEAST_GAIN - damping - SURE * self.uncertainty(course);
        let own = self.frames(rows);
        let other = Some(&course.frame).filter(|frame| !own.contains(frame));
        let all: Vec<&Frame> = own.iter().chain(other).collect();
        let best = |offer: Offer<'_>, frames: &[&Frame]| {
            let found = frames
                .iter()
                .filter_map(|frame| Some((self.best(rows, offer, frame, course)?, (*frame).clone())));
            found.min_by(|a, b| a.0.us.total_cmp(&b.0.us))
        };
        let there = best(Offer::Built(engines), &all).filter(|(found, _)| found.us < now * bar);
        let reach = there.as_ref().map_or(now, |(found, _)| found.us);
        let any = best(Offer::Any, &all[..own.len()]).filter(|_| course.grows);
        // What nobody saw is worth a look however uncertain the rest is.
        let bar = |found: &Estimate| {
            if self.is_unseen(&found.plan) {
                1.0 - LEAST_GAIN - BUILD_GAIN
            } else {
                bar - BUILD_GAIN
            }
        };
        let any = any.filter(|(found, _)| found.us < reach * bar(found));
        let complete = |plan: &Plan| self.lacking(plan, engines).is_empty();
        let (there, any) = match any {
            Some((found, frame)) if complete(&found.plan) => (Some((found, frame)), None),
            any => (there, any),
        };
        let trial = || self.trial(rows, course).or_else(|| self.halved(rows, course));
        let trial = || trial().filter(|_| course.grows);
        let wanted = any.map(|(found, _)| found).or_else(trial);
        let Some(course) = self.courses.get_mut(&rows) else {
            return;
        };
        course.stale = false;
        course.beside = None;
        course.since_us = 0.0;
        course.compared += 1;
        if let Some((found, frame)) = there.filter(|(found, _)| found.plan != course.plan) {
            course.turn(found.plan, frame);
        }
        let lost = wanted.as_ref().map_or(0.0, |wanted| (reach - wanted.us).max(0.0));
        course.want(wanted, lost);
    }

    /// Microseconds of the current plan.
    fn now(&self, rows: usize, course: &Course) -> f64 {
        let Some(ran) = course.ran.get(&course.plan) else {
            return f64::INFINITY;
        };
        let deal = self.deal(rows, Offer::Any, &course.frame);
        let own = deal.estimate(course.plan.clone());
        own.map_or(ran.us, |own| blend(own.us, ran))
    }

    /// The best plan by what executions take and what batches took. How far the current plan is from its own prediction, others
    /// of its kind are taken to be, too.
    fn best(&self, rows: usize, offer: Offer<'_>, frame: &Frame, course: &Course) -> Option<Estimate> {
        let deal = self.deal(rows, offer, frame);
        let own = self.deal(rows, Offer::Any, &course.frame);
        let own = own.estimate(course.plan.clone());
        let bias = own.map_or(1.0, |own| {
            (self.now(rows, course) / own.us).clamp(*BIAS.start(), *BIAS.end())
        });
        let alike = course.plan.gpu_alone();
        let all = deal.alone().into_iter().chain(deal.shared());
        let judged = all.map(|mut found| {
            found.us = self.hoped(&found);
            if found.plan.gpu_alone() == alike && found.plan != course.plan {
                found.us *= bias;
            }
            if let Some(ran) = course.ran.get(&found.plan) {
                found.us = blend(found.us, ran);
            }
            found
        });
        judged.min_by(|a, b| a.us.total_cmp(&b.us))
    }

    /// The time if DLAs that nobody saw are as much faster as the model may be wrong: one batch with them shows it.
    fn hoped(&self, found: &Estimate) -> f64 {
        let unseen = self.is_unseen(&found.plan);
        match self.rates.forecast().filter(|_| unseen) {
            Some(forecast) => found.scaled(1.0, 1.0 - forecast.error_of(&found.plan)),
            None => found.us,
        }
    }

    /// Whether a DLA takes part that nobody saw.
    fn is_unseen(&self, plan: &Plan) -> bool {
        let devices = plan.devices();
        let mut dlas = devices.iter().filter(|device| **device != Device::Gpu);
        dlas.any(|device| !self.rates.saw(prefix(0, *device)))
    }

    /// Relative standard error of the slowest device's time in the current plan, at most.
    fn uncertainty(&self, course: &Course) -> f64 {
        let alone = course.plan.gpu_alone();
        let errors = course.plan.prefix.iter().filter_map(|share| {
            let kind = if alone {
                Kind::whole()
            } else {
                prefix(course.frame.way, share.device)
            };
            self.rates.error(kind, share.batch)
        });
        errors.fold(0.0, f64::max)
    }
}

/// A prediction and what batches took, by how sure either is.
fn blend(predicted_us: f64, ran: &SeenTimes) -> f64 {
    let (own, other) = (PREDICTED.powi(2), ran.error().powi(2));
    predicted_us * (ran.us / predicted_us).powf(own / (own + other))
}
