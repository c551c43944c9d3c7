//! Costs for the simulator from measurements.

use std::collections::{BTreeMap, HashMap};

use super::log::{Entry, Stage};
use crate::engine::StageKind;
use crate::plan::Device;
use crate::sim::{Costs, ExecutionCost, HostCosts};

/// What was measured of one network on one backend, cut after the longest prefix.
///
/// Between two measured batches the time of an execution is linear, beyond the largest it grows in proportion. Devices
/// side by side take longer by the factor that was measured for as many.
#[derive(Debug, Clone, Default)]
pub struct MeasuredCosts {
    /// Microseconds by rows.
    times: HashMap<(StageKind, Device), BTreeMap<usize, f64>>,
    /// By number of devices, and device.
    slow: HashMap<(usize, Device), f64>,
    host_us: f64,
}

impl MeasuredCosts {
    /// Of several measurements of one thing the least counts: whatever else the machine does only adds.
    pub fn new(entries: &[Entry]) -> MeasuredCosts {
        let mut costs = MeasuredCosts::default();
        for entry in entries {
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
        let mut overhead = f64::INFINITY;
        for entry in entries {
            if let Entry::Together {
                plan,
                round,
                overhead: beyond,
            } = entry
            {
                overhead = overhead.min(beyond.max(0.0) * 1e6);
                for share in &plan.prefix {
                    let seconds = round.get(&share.device.to_string());
                    let alone = costs.time(StageKind::Prefix, share.device, share.batch);
                    if let (Some(seconds), Some(alone)) = (seconds, alone) {
                        let factor = (seconds * 1e6 / alone).max(1.0);
                        costs
                            .slow
                            .insert((plan.devices().len(), share.device), factor);
                    }
                }
            }
        }
        costs.host_us = if overhead.is_finite() { overhead } else { 0.0 };
        costs
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
        let below = times.range(..=rows).next_back();
        let above = times.range(rows..).next();
        match (below, above) {
            (Some((n0, t0)), Some((n1, t1))) if n0 != n1 => {
                let share = (rows - n0) as f64 / (n1 - n0) as f64;
                Some(t0 + share * (t1 - t0))
            }
            (_, Some((_, time))) => Some(*time),
            (Some((n, time)), None) => Some(time * rows as f64 / *n as f64),
            (None, None) => None,
        }
    }
}

impl Costs for MeasuredCosts {
    fn execution(
        &self,
        stage: StageKind,
        device: Device,
        batch: usize,
    ) -> Result<ExecutionCost, String> {
        let time = self.time(stage, device, batch);
        // No traffic: what it costs others is in the measured factors.
        Ok(ExecutionCost::time(time.ok_or("it was not measured")?))
    }

    fn slow_down(&self, demands: &[(Device, f64)]) -> Vec<f64> {
        let factor = |device: Device| {
            let known = self.slow.get(&(demands.len(), device));
            known.copied().unwrap_or(1.0)
        };
        demands.iter().map(|(device, _)| factor(*device)).collect()
    }

    fn host(&self, shared: bool) -> HostCosts {
        HostCosts {
            run_us: 0.0,
            merge_us: if shared { self.host_us } else { 0.0 },
        }
    }
}
