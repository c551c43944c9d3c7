//! Throughput over batch sizes: the GPU alone, the DLAs alone, and all together, each with the best plan found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::driver::{simulate, Flow, Simulated};
use super::search::candidates;
use super::{Costs, Noise, SimError};
use crate::plan::{Device, Plan};

/// Who runs the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The network uncut on the GPU.
    GpuOnly,
    /// The prefix on the DLA cores; a suffix still runs on the GPU.
    DlaOnly,
    /// The prefix on the GPU and the DLA cores.
    Shared,
}

/// What a plan has to respect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Some of it may run on a DLA.
    pub prefix: bool,
    /// Some of it may not.
    pub suffix: bool,
    pub dlas: Vec<Device>,
    /// Most rows of one execution on a DLA.
    pub dla_rows: usize,
    /// The rows of every execution, where those of the network or of a stage cannot be proved apart.
    pub unit: Option<usize>,
}

impl Network {
    /// What can be compared for this network on this board.
    pub fn choices(&self) -> Vec<Choice> {
        match self.prefix && !self.dlas.is_empty() {
            true => vec![Choice::GpuOnly, Choice::DlaOnly, Choice::Shared],
            false => vec![Choice::GpuOnly],
        }
    }

    /// The stages that rows flow through.
    pub fn flow(&self, choice: Choice) -> Flow {
        match (choice, self.suffix) {
            (Choice::GpuOnly, _) => Flow::Whole,
            (Choice::DlaOnly | Choice::Shared, true) => Flow::PrefixSuffix,
            (Choice::DlaOnly | Choice::Shared, false) => Flow::Prefix,
        }
    }
}

/// One batch size with one choice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    pub batch: usize,
    pub choice: Choice,
    pub plan: String,
    pub images_per_second: f64,
    /// Milliseconds from the call to the last row.
    pub latency_ms: f64,
    /// DRAM traffic in MB (10^6 bytes).
    pub traffic_mb: f64,
    /// By name of the device.
    pub devices: BTreeMap<String, DevicePoint>,
}

/// One device's part of a [`Point`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DevicePoint {
    /// Prefix (or uncut) rows.
    pub rows: usize,
    pub busy_ms: f64,
    /// Of the run's time, 0 to 1.
    pub busy_share: f64,
    pub traffic_mb: f64,
}

/// Every batch with every choice that this network has.
///
/// # Errors
/// [`SimError`] of the first run that cannot be simulated.
pub fn sweep(
    network: &Network,
    batches: &[usize],
    costs: &dyn Costs,
    noise: Noise,
) -> Result<Vec<Point>, SimError> {
    let mut points = Vec::new();
    for &batch in batches {
        for choice in network.choices() {
            let (plan, run) = best(network, choice, batch, costs, noise)?;
            points.push(point(choice, &plan, &run));
        }
    }
    Ok(points)
}

/// The fastest plan of `choice` for `batch` rows among the candidates, with its run. Plans are compared without noise.
///
/// # Errors
/// [`SimError`] when no candidate can be simulated.
pub fn best(
    network: &Network,
    choice: Choice,
    batch: usize,
    costs: &dyn Costs,
    noise: Noise,
) -> Result<(Plan, Simulated), SimError> {
    let flow = network.flow(choice);
    let mut found: Option<(Plan, f64)> = None;
    for plan in candidates(network, choice, batch, costs)? {
        let time = simulate(&plan, flow, costs, Noise::NONE)?.makespan_us;
        if found.as_ref().is_none_or(|(_, least)| time < *least) {
            found = Some((plan, time));
        }
    }
    let (plan, _) = found.ok_or(SimError::NoProgress)?;
    let run = simulate(&plan, flow, costs, noise)?;
    Ok((plan, run))
}

fn point(choice: Choice, plan: &Plan, run: &Simulated) -> Point {
    let devices = run.devices.iter().map(|(device, used)| {
        let point = DevicePoint {
            rows: used.rows,
            busy_ms: used.busy_us / 1e3,
            busy_share: used.busy_us / run.makespan_us.max(f64::MIN_POSITIVE),
            traffic_mb: used.bytes as f64 / 1e6,
        };
        (device.to_string(), point)
    });
    Point {
        batch: run.rows,
        choice,
        plan: plan.to_string(),
        images_per_second: run.rate(),
        latency_ms: run.makespan_us / 1e3,
        traffic_mb: run.bytes() as f64 / 1e6,
        devices: devices.collect(),
    }
}
