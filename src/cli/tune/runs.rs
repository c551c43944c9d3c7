//! Runs of plans that race, and what is known of each plan in the end.

use std::error::Error;

use super::found::MeasuredPlan;
use crate::cli::helped;
use crate::plan::Plan;
use crate::tune::measure::Race;
use crate::tune::search::{Goal, Space};

/// Half the width of a median's interval that is small enough, and runs of a plan at most.
const TARGET: f64 = 0.015;
const MOST_RUNS: usize = 15;

/// The plans race by joules where these are metered, else by seconds.
pub struct Runs {
    pub race: Race,
    seconds: Race,
    metered: bool,
}

impl Runs {
    pub fn new(plans: usize, metered: bool) -> Runs {
        let race = Race::new(plans, TARGET, MOST_RUNS);
        Runs {
            seconds: race.clone(),
            race,
            metered,
        }
    }

    /// A run without joules does not count where these are metered.
    pub fn record(&mut self, at: usize, seconds: f64, joules: Option<f64>) {
        let counts = if self.metered { joules } else { Some(seconds) };
        if let Some(cost) = counts {
            self.race.record(at, cost);
            self.seconds.record(at, seconds);
        }
    }

    /// The plans that ran, best first; those beyond a latency bound are left out. Energy that was not metered is the
    /// model's.
    pub fn ranked(
        &self,
        space: &Space<'_>,
        plans: &[Plan],
        goal: &Goal,
    ) -> Result<Vec<MeasuredPlan>, Box<dyn Error>> {
        let (seconds, costs) = (self.seconds.standings(), self.race.standings());
        let mut all = Vec::new();
        for (at, plan) in plans.iter().enumerate().filter(|(at, _)| seconds[*at].runs > 0) {
            let rows = plan.total() as f64;
            let modelled = match goal {
                Goal::Energy(power) => space.figures(plan, Some(*power))?.joules_per_row,
                Goal::Throughput | Goal::Latency { .. } => None,
            };
            all.push(MeasuredPlan {
                plan: plan.clone(),
                text: plan.to_string(),
                rows_per_second: rows / seconds[at].median,
                low: rows / seconds[at].high,
                high: rows / seconds[at].low,
                worst_ms: seconds[at].worst * 1e3,
                joules_per_row: if self.metered {
                    Some(costs[at].median / rows)
                } else {
                    modelled
                },
                runs: seconds[at].runs,
            });
        }
        let cost = |measured: &MeasuredPlan| match goal {
            Goal::Energy(_) => measured.joules_per_row.unwrap_or(f64::INFINITY),
            Goal::Throughput | Goal::Latency { .. } => 1.0 / measured.rows_per_second,
        };
        all.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
        match goal {
            Goal::Latency { p99_ms } => within(all, *p99_ms),
            Goal::Throughput | Goal::Energy(_) => Ok(all),
        }
    }
}

fn within(mut all: Vec<MeasuredPlan>, bound: f64) -> Result<Vec<MeasuredPlan>, Box<dyn Error>> {
    let worst = all.iter().map(|measured| measured.worst_ms);
    let fastest = worst.fold(f64::INFINITY, f64::min);
    all.retain(|measured| measured.worst_ms <= bound);
    if all.is_empty() {
        Err(helped(
            format!(
                "no measured plan answers every batch within {bound} ms: the fastest took up to {fastest:.1} ms"
            ),
            format!("ask for {:.0} ms or more, or for fewer rows", fastest.ceil()),
        ))
    } else {
        Ok(all)
    }
}
