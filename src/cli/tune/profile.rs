//! What every engine takes, alone and beside others.

use std::error::Error;

use super::bench::{Bench, by_name};
use super::log_file::LogFile;
use crate::cli::bench::noise;
use crate::cli::output::counted;
use crate::engine::StageKind;
use crate::plan::{Device, Plan, Share};
use crate::tune::measure::Entry;

/// Rows per execution that are measured, below the batch itself.
const BATCHES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Times that everything is measured.
const PASSES: usize = 3;

/// Rows of each device side by side, or twice as many as it takes at once.
const SIDE_BY_SIDE: usize = 32;

/// Device, stage, and rows per execution.
type Engine = (Device, StageKind, usize);

impl Bench<'_> {
    /// Measures what the log lacks of the engines for up to `rows` rows, alone and side by side; `fits` says which can be
    /// used.
    pub fn profile(
        &mut self,
        rows: usize,
        fits: impl Fn(Device, StageKind, usize) -> bool,
    ) -> Result<(), Box<dyn Error>> {
        let mut engines = self.engines(rows);
        engines.retain(|(device, stage, batch)| fits(*device, *stage, *batch));
        let mut groups = self.groups(rows);
        groups.retain(|plan| {
            let mut shares = plan.prefix.iter();
            shares.all(|s| fits(s.device, StageKind::Prefix, s.batch))
        });
        let (engines, groups) = (
            lacking(&self.log, engines, known),
            lacking(&self.log, groups, ran),
        );
        let steps = engines.len() + groups.len();
        if steps > 0 {
            let engines = counted(engines.len(), "engine");
            let groups = counted(groups.len(), "group");
            self.output.begin(&format!(
                "measuring {engines} alone, and {groups} of them side by side"
            ));
        }
        let bar = self.output.progress(steps, "measuring engines");
        for (device, stage, batch) in engines {
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
        Ok(())
    }

    fn engines(&self, rows: usize) -> Vec<Engine> {
        let batches = self.batches(rows);
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

    /// Plans that run two and more devices side by side, all in the same batch.
    fn groups(&self, rows: usize) -> Vec<Plan> {
        let devices = self.session.devices();
        if self.session.gpu_alone_because().is_some() {
            return Vec::new();
        }
        let unit = self.session.unit();
        let plan = |devices: &[Device], batch: usize| {
            let share = |device: &Device| Share {
                device: *device,
                batch,
                rounds: (SIDE_BY_SIDE / batch).max(2),
            };
            let plan = Plan::merged(devices.iter().map(share).collect());
            match unit {
                Some(unit) => plan.one_by_one().of_units(unit),
                None => plan,
            }
        };
        let counts = 2..=devices.len();
        let groups = counts.flat_map(|count| {
            let batches = match unit {
                Some(_) => vec![1],
                None => batches(rows),
            };
            let batches = batches.into_iter();
            let batches = batches.filter(move |batch| *batch == 1 || batch * count <= rows);
            batches.map(move |batch| (count, batch))
        });
        groups
            .map(|(count, batch)| plan(&devices[..count], batch))
            .collect()
    }

    fn batches(&self, rows: usize) -> Vec<usize> {
        match self.session.unit() {
            Some(unit) => vec![unit],
            None => batches(rows),
        }
    }

    fn together(&mut self, plan: Plan) -> Result<(), Box<dyn Error>> {
        self.session.prepare(&plan)?;
        let inputs = noise(self.session, plan.total());
        self.session.run_with(&plan, &inputs)?;
        let stats = self.session.run_with(&plan, &inputs)?.stats;
        self.log.add(Entry::Together {
            row_seconds: by_name(stats.row_seconds()),
            overhead: stats.overhead_seconds(),
            plan,
        })
    }
}

fn batches(rows: usize) -> Vec<usize> {
    let mut batches: Vec<usize> = BATCHES.into_iter().filter(|n| *n < rows).collect();
    batches.push(rows.min(BATCHES[BATCHES.len() - 1]));
    batches
}

/// What has to be measured until the log has everything [`PASSES`] times: one after the other, then all of them again, since
/// a slow moment seldom comes to the same one twice.
fn lacking<T: Clone>(log: &LogFile, wanted: Vec<T>, is: impl Fn(&Entry, &T) -> bool) -> Vec<T> {
    let known = |one: &T| log.entries.iter().filter(|entry| is(entry, one)).count();
    let known: Vec<usize> = wanted.iter().map(known).collect();
    let passes = (0..PASSES).flat_map(|pass| {
        let open = wanted.iter().zip(&known);
        open.filter(move |(_, known)| **known <= pass)
    });
    passes.map(|(one, _)| one.clone()).collect()
}

/// Whether this is the time of this engine.
fn known(entry: &Entry, (device, stage, batch): &Engine) -> bool {
    match entry {
        Entry::Engine {
            device: d,
            stage: s,
            batch: b,
            ..
        } => *d == device.to_string() && *s == (*stage).into() && b == batch,
        Entry::Together { .. } | Entry::Run { .. } | Entry::Power { .. } => false,
    }
}

/// Whether this plan ran side by side.
fn ran(entry: &Entry, plan: &Plan) -> bool {
    matches!(entry, Entry::Together { plan: p, .. } if p == plan)
}
