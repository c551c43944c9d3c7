//! Plans that race on the devices themselves, each run written down.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use super::found::{MeasuredPlan, Point};
use super::log_file::LogFile;
use super::power::Meter;
use super::runs::Runs;
use crate::cli::bench::noise;
use crate::cli::output::{Output, counted};
use crate::engine::Array;
use crate::pipeline::Stats;
use crate::plan::{Device, Plan};
use crate::session::{Session, SessionError};
use crate::tune::measure::{Entry, MeasuredCosts};
use crate::tune::search::{Goal, Space};

/// Least time in which power is sampled.
pub const LONG: Duration = Duration::from_millis(200);

/// A change of the machine while measuring that is worth a remark.
const DRIFT: f64 = 0.05;

/// Measures on a session and writes everything down.
pub struct Bench<'a> {
    pub session: &'a Session,
    pub log: LogFile,
    pub output: &'a Output,
    /// Where energy counts.
    pub meter: Option<Meter>,
}

impl Bench<'_> {
    /// What is known before race number `race` of plans for `rows` rows, whatever else the log has.
    pub fn costs(&self, rows: usize, race: usize) -> MeasuredCosts {
        let entries = self.log.entries.iter();
        MeasuredCosts::new(entries.filter(|entry| entry.before(rows, race)))
    }

    /// Lets plans for as many rows race; those that the log has runs of in this race start with these.
    fn race(
        &mut self,
        space: &Space<'_>,
        goal: &Goal,
        race: usize,
        plans: &[Plan],
    ) -> Result<Vec<MeasuredPlan>, Box<dyn Error>> {
        let rows = plans.first().map_or(0, Plan::total);
        let inputs = noise(self.session, rows);
        let mut runs = Runs::new(plans.len(), self.meter.is_some());
        for entry in &self.log.entries {
            if let Entry::Run {
                plan,
                race: number,
                seconds,
                joules,
                ..
            } = entry
            {
                let at = plans.iter().position(|p| p == plan && *number == race);
                at.into_iter().for_each(|at| runs.record(at, *seconds, *joules));
            }
        }
        for plan in plans {
            self.session.prepare(plan)?;
            // The first run after a build warms the engines up.
            self.session.run_with(plan, &inputs)?;
        }
        let left = runs.race.left();
        self.output.begin(&format!(
            "measuring {} in up to {}",
            counted(plans.len(), "plan"),
            counted(left, "run")
        ));
        let bar = self.output.progress(left, "measuring plans");
        while let Some(at) = runs.race.next() {
            let (stats, joules) = self.once(&plans[at], &inputs)?;
            let seconds = stats.iter().map(|s| s.seconds).sum::<f64>() / stats.len() as f64;
            runs.record(at, seconds, joules);
            let last = stats.last().map(Stats::row_seconds);
            self.log.add(Entry::Run {
                plan: plans[at].clone(),
                race,
                seconds,
                row_seconds: by_name(last.unwrap_or_default()),
                joules,
            })?;
            bar.inc(1);
            bar.set_length(bar.position() + runs.race.left() as u64);
        }
        bar.finish_and_clear();
        if runs.race.drift().abs() > DRIFT {
            self.output.say(&format!(
                "the machine changed by {:+.0} % while measuring: plans ran in turn and compare, rates may not repeat",
                100.0 * runs.race.drift()
            ));
        }
        runs.ranked(space, plans, goal)
    }

    /// One run and, with a meter, its joules; several in a row where one is too short to be metered, with the joules of
    /// each.
    fn once(&self, plan: &Plan, inputs: &[Array]) -> Result<(Vec<Stats>, Option<f64>), Box<dyn Error>> {
        let Some(meter) = &self.meter else {
            return Ok((vec![self.session.run_with(plan, inputs)?.stats], None));
        };
        let (runs, energy) = meter.during(|| {
            let (start, mut runs) = (Instant::now(), Vec::new());
            while runs.is_empty() || start.elapsed() < LONG {
                runs.push(self.session.run_with(plan, inputs)?.stats);
            }
            Ok::<Vec<Stats>, SessionError>(runs)
        })?;
        let runs = runs?;
        let joules = energy.joules / runs.len() as f64;
        Ok((runs, Some(joules)))
    }

    /// Lets the `count` best of a search in `space` and the GPU alone race, and puts the winner first.
    pub fn best(
        &mut self,
        space: &Space<'_>,
        mut point: Point,
        goal: &Goal,
        count: usize,
    ) -> Result<Point, Box<dyn Error>> {
        let best = point.best.figures.iter().take(count);
        let plans = best.map(|figures| figures.plan.clone()).collect();
        self.contest(space, goal, 0, plans, &mut point)?;
        Ok(point)
    }

    /// Lets `plans` and the GPU alone run race number `race`, and puts the winner first in `point`.
    pub fn contest(
        &mut self,
        space: &Space<'_>,
        goal: &Goal,
        race: usize,
        mut plans: Vec<Plan>,
        point: &mut Point,
    ) -> Result<(), Box<dyn Error>> {
        let gpu_only = &point.best.gpu_only;
        if !plans.contains(gpu_only) {
            plans.push(gpu_only.clone());
        }
        let measured = self.race(space, goal, race, &plans)?;
        point.take(space, measured)
    }
}

pub fn by_name(seconds: BTreeMap<Device, f64>) -> BTreeMap<String, f64> {
    let seconds = seconds.into_iter();
    seconds.map(|(d, s)| (d.to_string(), s)).collect()
}
