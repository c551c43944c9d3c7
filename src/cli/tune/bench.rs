//! Tuning on the devices themselves: engines are measured, plans are searched with these times, the best of them race.

use std::error::Error;
use std::time::{Duration, Instant};

use super::found::{Best, Measured, Point};
use super::log_file::LogFile;
use super::power::Meter;
use super::runs::Runs;
use crate::cli::bench::noise;
use crate::cli::output::Output;
use crate::engine::{Array, StageKind};
use crate::plan::{Device, Plan, Share};
use crate::session::{Session, SessionError};
use crate::tune::measure::{Entry, MeasuredCosts};
use crate::tune::search::{Goal, Space};

/// Rows per execution that are measured, below the batch itself.
const BATCHES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Times that every engine is measured; the least counts.
const PASSES: usize = 3;

/// Rounds of each device side by side.
const ROUNDS: usize = 4;

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
    /// Measures what the log lacks of the engines for up to `rows` rows; `fits` says whether one fits in memory.
    pub fn profile(
        &mut self,
        rows: usize,
        fits: impl Fn(StageKind, usize) -> bool,
    ) -> Result<MeasuredCosts, Box<dyn Error>> {
        let mut wanted = self.engines(rows);
        wanted.retain(|(_, stage, batch)| fits(*stage, *batch));
        // Engine after engine, then all of them again: a slow moment seldom comes to the same one twice.
        let passes = (0..PASSES).flat_map(|pass| wanted.iter().map(move |engine| (pass, *engine)));
        let mut passes: Vec<_> = passes.collect();
        passes.retain(|(pass, (device, stage, batch))| {
            self.measured(*device, *stage, *batch) <= *pass
        });
        let groups = self.groups(rows);
        let bar = self
            .output
            .progress(passes.len() + groups.len(), "measuring engines");
        for (_, (device, stage, batch)) in passes {
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

    /// How often the log has the time of this engine.
    fn measured(&self, device: Device, stage: StageKind, batch: usize) -> usize {
        let entries = self.log.entries.iter();
        let of_it = entries.filter(|entry| match entry {
            Entry::Engine {
                device: d,
                stage: s,
                batch: b,
                ..
            } => *d == device.to_string() && *s == stage.into() && *b == batch,
            Entry::Together { .. } | Entry::Run { .. } | Entry::Power { .. } => false,
        });
        of_it.count()
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
    fn race(
        &mut self,
        space: &Space<'_>,
        plans: &[Plan],
        goal: &Goal,
    ) -> Result<Vec<Measured>, Box<dyn Error>> {
        let rows = plans.first().map_or(0, Plan::total);
        let inputs = noise(self.session, rows);
        let mut runs = Runs::new(plans.len(), self.meter.is_some());
        for entry in &self.log.entries {
            if let Entry::Run {
                plan,
                seconds,
                joules,
            } = entry
            {
                let at = plans.iter().position(|p| p == plan);
                at.into_iter()
                    .for_each(|at| runs.record(at, *seconds, *joules));
            }
        }
        for plan in plans {
            self.session.prepare(plan)?;
            // The first run after a build warms the engines up.
            self.session.run_with(plan, &inputs)?;
        }
        let bar = self.output.progress(runs.race.left(), "measuring plans");
        while let Some(at) = runs.race.next() {
            let (seconds, joules) = self.once(&plans[at], &inputs)?;
            runs.record(at, seconds, joules);
            self.log.add(Entry::Run {
                plan: plans[at].clone(),
                seconds,
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

    /// Seconds and, with a meter, joules of one run; of several in a row where one is too short to be metered.
    fn once(&self, plan: &Plan, inputs: &[Array]) -> Result<(f64, Option<f64>), Box<dyn Error>> {
        let Some(meter) = &self.meter else {
            let seconds = self.session.run_with(plan, inputs)?.stats.seconds;
            return Ok((seconds, None));
        };
        let (runs, energy) = meter.during(|| {
            let (start, mut runs) = (Instant::now(), Vec::new());
            while runs.is_empty() || start.elapsed() < LONG {
                runs.push(self.session.run_with(plan, inputs)?.stats.seconds);
            }
            Ok::<Vec<f64>, SessionError>(runs)
        })?;
        let runs = runs?;
        let count = runs.len() as f64;
        Ok((
            runs.iter().sum::<f64>() / count,
            Some(energy.joules / count),
        ))
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
        let measured = self.race(space, &plans, goal)?;
        point.take(space, measured)?;
        Ok(point)
    }
}
