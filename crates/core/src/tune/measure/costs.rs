//! Costs for the simulator from measurements.

use std::collections::{BTreeMap, HashMap};

use super::log::{Entry, Stage};
use crate::plan::{Cut, Device, Plan, StageKind};
use crate::sim::{Costs, ExecutionCost, HostCosts, Load};

/// What was measured of one network on one backend, cut after the longest prefix.
///
/// Between two measured batches the time of an execution is linear, beyond the largest it grows in proportion. Devices
/// side by side take longer by the factor that plans with as many devices and as many rows per execution showed.
#[derive(Debug, Clone, Default)]
pub struct MeasuredCosts {
    /// Microseconds by rows.
    times: HashMap<(StageKind, Device), BTreeMap<usize, f64>>,
    /// By number of devices, and device; then by rows.
    slow: HashMap<(usize, Device), BTreeMap<usize, f64>>,
    host_us: f64,
}

impl MeasuredCosts {
    /// Of several measurements of one engine the least counts: whatever else the machine does only adds. How much longer
    /// devices take side by side is the median of what plans showed.
    pub fn new<'a>(entries: impl Iterator<Item = &'a Entry> + Clone) -> MeasuredCosts {
        let mut costs = MeasuredCosts::default();
        for entry in entries.clone() {
            if let Entry::Engine {
                device,
                stage,
                batch,
                seconds,
            } = entry
            {
                costs.engine(device, *stage, *batch, *seconds);
            }
        }
        costs.side_by_side(entries.clone());
        costs.host_us = overhead(entries).unwrap_or(0.0);
        costs
    }

    /// Takes from every plan that ran how many times longer its devices took than alone. A device with several shares
    /// counts for the largest.
    fn side_by_side<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        let mut seen: BTreeMap<(usize, Device, usize), Vec<f64>> = BTreeMap::new();
        for (plan, row_seconds) in entries.filter_map(shown) {
            let devices = plan.devices();
            for &device in devices.iter().filter(|_| devices.len() > 1) {
                let shares = plan.prefix.iter().filter(|s| s.device == device);
                let rows = shares.max_by_key(|s| s.rows()).map_or(0, |s| s.batch);
                let seconds = row_seconds.get(&device.to_string());
                if let (Some(seconds), Some(alone)) = (seconds, self.alone(plan, device)) {
                    let factors = seen.entry((devices.len(), device, rows)).or_default();
                    factors.push(seconds * 1e6 / alone);
                }
            }
        }
        for ((count, device, rows), factors) in seen {
            let by_rows = self.slow.entry((count, device)).or_default();
            by_rows.insert(rows, median(factors).max(1.0));
        }
    }

    /// Microseconds per prefix row that `device` takes for its shares of `plan` with the devices to itself.
    fn alone(&self, plan: &Plan, device: Device) -> Option<f64> {
        let mut total = 0.0;
        for share in plan.prefix.iter().filter(|s| s.device == device) {
            let time = self.time(StageKind::Prefix, device, share.batch)?;
            total += time * share.rounds as f64;
        }
        (total > 0.0).then(|| total / plan.rows(device) as f64)
    }

    fn engine(&mut self, device: &str, stage: Stage, batch: usize, seconds: f64) {
        let Ok(device) = device.parse::<Device>() else {
            return;
        };
        let times = self.times.entry((stage.into(), device)).or_default();
        let time = times.entry(batch).or_insert(f64::INFINITY);
        *time = time.min(seconds * 1e6);
    }

    fn time(&self, stage: StageKind, device: Device, rows: usize) -> Option<f64> {
        let times = self.times.get(&(stage, device))?;
        between(times, rows).or_else(|| {
            let (n, time) = times.last_key_value()?;
            Some(time * rows as f64 / *n as f64)
        })
    }
}

impl Costs for MeasuredCosts {
    fn execution(&self, stage: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String> {
        let time = self.time(stage, device, batch);
        // No traffic: what it costs others is in the measured factors.
        Ok(ExecutionCost::time(time.ok_or("it was not measured")?))
    }

    fn slow_down(&self, loads: &[Load]) -> Vec<f64> {
        let factor = |load: &Load| {
            let by_rows = self.slow.get(&(loads.len(), load.device))?;
            let largest = by_rows.last_key_value().map(|(_, factor)| *factor);
            between(by_rows, load.rows).or(largest)
        };
        loads.iter().map(|l| factor(l).unwrap_or(1.0)).collect()
    }

    fn host(&self, shared: bool) -> HostCosts {
        HostCosts {
            run_us: 0.0,
            merge_us: if shared { self.host_us } else { 0.0 },
        }
    }
}

/// What is known for `rows`: linear between two known numbers of rows, the same below the least; `None` beyond the largest.
fn between(known: &BTreeMap<usize, f64>, rows: usize) -> Option<f64> {
    let (above, value) = known.range(rows..).next()?;
    Some(match known.range(..rows).next_back() {
        Some((below, less)) if *above > rows => {
            let share = (rows - below) as f64 / (above - below) as f64;
            less + share * (value - less)
        }
        Some(_) | None => *value,
    })
}

/// A plan that ran with the prefix whose engines were measured, and the seconds per prefix row on each device.
fn shown(entry: &Entry) -> Option<(&Plan, &BTreeMap<String, f64>)> {
    match entry {
        Entry::Together {
            plan, row_seconds, ..
        }
        | Entry::Run {
            plan, row_seconds, ..
        } => (plan.cut == Cut::Longest).then_some((plan, row_seconds)),
        Entry::Engine { .. } | Entry::Power { .. } => None,
    }
}

/// Microseconds that a run of several devices takes beyond its executions.
fn overhead<'a>(entries: impl Iterator<Item = &'a Entry>) -> Option<f64> {
    let measured = entries.filter_map(|entry| match entry {
        Entry::Together { overhead, .. } => Some(overhead.max(0.0) * 1e6),
        Entry::Engine { .. } | Entry::Run { .. } | Entry::Power { .. } => None,
    });
    measured.min_by(f64::total_cmp)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
