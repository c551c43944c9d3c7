//! Tuning on the devices themselves: engines are measured, plans are searched with these times, the best of them race.

use std::error::Error;

use super::log_file::LogFile;
use super::network::{Best, Measured, Point};
use crate::cli::bench::noise;
use crate::cli::helped;
use crate::cli::output::Output;
use crate::engine::StageKind;
use crate::plan::{Device, Plan, Share};
use crate::session::Session;
use crate::tune::measure::{Entry, MeasuredCosts, Race};
use crate::tune::search::{Goal, Space};

/// Rows per execution that are measured, below the batch itself.
const BATCHES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Rounds of each device side by side.
const ROUNDS: usize = 4;

/// Half the width of a median's interval that is small enough, and runs of a plan at most.
const TARGET: f64 = 0.015;
const MOST_RUNS: usize = 15;

/// A change of the machine while measuring that is worth a remark.
const DRIFT: f64 = 0.05;

/// Measures on a session and writes everything down.
pub struct Bench<'a> {
    pub session: &'a Session,
    pub log: LogFile,
    pub output: &'a Output,
}

impl Bench<'_> {
    /// Measures what the log lacks of the engines for up to `rows` rows; `fits` says whether one fits in memory.
    pub fn profile(
        &mut self,
        rows: usize,
        fits: impl Fn(StageKind, usize) -> bool,
    ) -> Result<MeasuredCosts, Box<dyn Error>> {
        let mut wanted = self.engines(rows);
        wanted.retain(|(_, stage, batch)| fits(*stage, *batch));
        wanted.retain(|(device, stage, batch)| !self.knows(*device, *stage, *batch));
        let groups = self.groups(rows);
        let bar = self
            .output
            .progress(wanted.len() + groups.len(), "measuring engines");
        for (device, stage, batch) in wanted {
            let seconds = self.session.time(device, stage, batch)?.as_secs_f64();
            self.log.add(Entry::Engine {
                device: device.to_string(),
                stage: stage.into(),
                batch,
                seconds,
            })?;
            bar.inc(1);
        }
        for plan in groups {
            self.together(plan)?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(MeasuredCosts::new(&self.log.entries))
    }

    fn engines(&self, rows: usize) -> Vec<(Device, StageKind, usize)> {
        let mut batches: Vec<usize> = BATCHES.into_iter().filter(|n| *n < rows).collect();
        batches.push(rows.min(BATCHES[BATCHES.len() - 1]));
        let gpu = |stage| move |n: &usize| (Device::Gpu, stage, *n);
        let mut engines: Vec<_> = batches.iter().map(gpu(StageKind::Whole)).collect();
        if self.session.gpu_alone_because().is_some() {
            return engines;
        }
        for device in self.session.devices() {
            engines.extend(batches.iter().map(|n| (device, StageKind::Prefix, *n)));
        }
        if self.session.stages().suffix.is_some() {
            let all = batches.iter().chain([&rows]).map(gpu(StageKind::Suffix));
            engines.extend(all);
        }
        engines.dedup();
        engines
    }

    fn knows(&self, device: Device, stage: StageKind, batch: usize) -> bool {
        self.log.entries.iter().any(|entry| match entry {
            Entry::Engine {
                device: d,
                stage: s,
                batch: b,
                ..
            } => *d == device.to_string() && *s == stage.into() && *b == batch,
            Entry::Together { .. } | Entry::Run { .. } => false,
        })
    }

    /// Plans that run two and more devices side by side.
    fn groups(&self, rows: usize) -> Vec<Plan> {
        let devices = self.session.devices();
        if self.session.gpu_alone_because().is_some() {
            return Vec::new();
        }
        let batch = (rows / devices.len() / ROUNDS).clamp(1, 16);
        let plan = |devices: &[Device]| {
            let share = |device: &Device| Share {
                device: *device,
                batch,
                rounds: ROUNDS,
            };
            Plan::merged(devices.iter().map(share).collect())
        };
        let groups = (2..=devices.len()).map(|count| plan(&devices[..count]));
        let known = |plan: &Plan| {
            let mut entries = self.log.entries.iter();
            entries.any(|e| matches!(e, Entry::Together { plan: p, .. } if p == plan))
        };
        groups.filter(|plan| !known(plan)).collect()
    }

    fn together(&mut self, plan: Plan) -> Result<(), Box<dyn Error>> {
        self.session.prepare(&plan)?;
        let inputs = noise(self.session, plan.total());
        self.session.run_with(&plan, &inputs)?;
        let stats = self.session.run_with(&plan, &inputs)?.stats;
        let rounds = stats.devices.iter().map(|(device, d)| {
            let prefix = (d.rounds - d.suffix_rounds).max(1) as f64;
            (device.clone(), (d.busy - d.suffix_busy) / prefix)
        });
        self.log.add(Entry::Together {
            round: rounds.collect(),
            overhead: stats.overhead_seconds(),
            plan,
        })
    }

    /// Lets plans race; those that the log has runs of start with these.
    pub fn race(&mut self, plans: &[Plan], goal: &Goal) -> Result<Vec<Measured>, Box<dyn Error>> {
        let rows = plans.first().map_or(0, Plan::total);
        let inputs = noise(self.session, rows);
        let mut race = Race::new(plans.len(), TARGET, MOST_RUNS);
        for entry in &self.log.entries {
            if let Entry::Run { plan, seconds } = entry {
                let at = plans.iter().position(|p| p == plan);
                at.into_iter().for_each(|at| race.record(at, *seconds));
            }
        }
        for plan in plans {
            self.session.prepare(plan)?;
            // The first run after a build warms the engines up.
            self.session.run_with(plan, &inputs)?;
        }
        let bar = self.output.progress(race.left(), "measuring plans");
        while let Some(at) = race.next() {
            let seconds = self.session.run_with(&plans[at], &inputs)?.stats.seconds;
            race.record(at, seconds);
            self.log.add(Entry::Run {
                plan: plans[at].clone(),
                seconds,
            })?;
            bar.inc(1);
            bar.set_length(bar.position() + race.left() as u64);
        }
        bar.finish_and_clear();
        if race.drift().abs() > DRIFT {
            self.output.say(&format!(
                "the machine changed by {:+.0} % while measuring: plans ran in turn and compare, rates may not repeat",
                100.0 * race.drift()
            ));
        }
        self.ranked(plans, &race, goal)
    }

    /// The plans by their median, those beyond a latency bound left out.
    fn ranked(
        &self,
        plans: &[Plan],
        race: &Race,
        goal: &Goal,
    ) -> Result<Vec<Measured>, Box<dyn Error>> {
        let standings = race.standings();
        let all = plans.iter().zip(&standings).filter(|(_, s)| s.runs > 0);
        let mut all: Vec<Measured> = all
            .map(|(plan, standing)| {
                let rate = |seconds: f64| plan.total() as f64 / seconds;
                Measured {
                    plan: plan.clone(),
                    text: plan.to_string(),
                    rows_per_second: rate(standing.median),
                    low: rate(standing.high),
                    high: rate(standing.low),
                    worst_ms: standing.worst * 1e3,
                    runs: standing.runs,
                }
            })
            .collect();
        all.sort_by(|a, b| b.rows_per_second.total_cmp(&a.rows_per_second));
        if let Goal::Latency { p99_ms } = goal {
            let fastest = all.iter().map(|m| m.worst_ms).fold(f64::INFINITY, f64::min);
            all.retain(|measured| measured.worst_ms <= *p99_ms);
            if all.is_empty() {
                return Err(helped(
                    format!("no measured plan answers every batch within {p99_ms} ms: the fastest took up to {fastest:.1} ms"),
                    format!("ask for {:.0} ms or more, or for fewer rows", fastest.ceil()),
                ));
            }
        }
        Ok(all)
    }

    /// Searches with `space`, lets the `count` best and the GPU alone race, and puts the winner first.
    pub fn best(
        &mut self,
        space: &Space<'_>,
        mut point: Point,
        goal: &Goal,
        count: usize,
    ) -> Result<Point, Box<dyn Error>> {
        let Best { figures, gpu_only } = &point.best;
        let mut plans: Vec<Plan> = figures.iter().take(count).map(|f| f.plan.clone()).collect();
        if !plans.contains(gpu_only) {
            plans.push(gpu_only.clone());
        }
        let measured = self.race(&plans, goal)?;
        point.take(space, measured)?;
        Ok(point)
    }
}
