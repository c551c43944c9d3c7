//! Throughput over batch sizes: the GPU alone, the DLAs alone, and all together, each with the best plan found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::driver::{Flow, SimulatedRun, simulate};
use super::search::candidates;
use super::{Costs, Noise, SimError};
use crate::plan::{Device, Plan};

/// Part of the GPU's rate that a plan may lose before it is marked: what is printed of it is rounded as much.
pub const EQUAL: f64 = 5e-4;

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
        if self.prefix && !self.dlas.is_empty() {
            vec![Choice::GpuOnly, Choice::DlaOnly, Choice::Shared]
        } else {
            vec![Choice::GpuOnly]
        }
    }

    /// The stages that the rows of `plan` flow through: a plan of the GPU alone runs the network uncut.
    pub fn flow(&self, plan: &Plan) -> Flow {
        match (plan.gpu_alone(), self.suffix) {
            (true, _) => Flow::Whole,
            (false, true) => Flow::PrefixSuffix,
            (false, false) => Flow::Prefix,
        }
    }
}

/// One batch size with one choice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    pub batch: usize,
    pub choice: Choice,
    pub plan: String,
    /// GPU and DLAs together are slower than the GPU alone.
    pub loses: bool,
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
        let mut alone = 0.0;
        for choice in network.choices() {
            let (plan, run) = best(network, choice, batch, costs, noise)?;
            let mut point = point(choice, &plan, &run);
            match choice {
                Choice::GpuOnly => alone = point.images_per_second,
                Choice::Shared => point.loses = point.images_per_second < alone * (1.0 - EQUAL),
                Choice::DlaOnly => {}
            }
            points.push(point);
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
) -> Result<(Plan, SimulatedRun), SimError> {
    let mut found: Option<(Plan, f64)> = None;
    for plan in candidates(network, choice, batch, costs)? {
        let flow = network.flow(&plan);
        let time = simulate(&plan, flow, costs, Noise::NONE)?.makespan_us;
        if found.as_ref().is_none_or(|(_, least)| time < *least) {
            found = Some((plan, time));
        }
    }
    let (plan, _) = found.ok_or(SimError::NoProgress)?;
    let run = simulate(&plan, network.flow(&plan), costs, noise)?;
    Ok((plan, run))
}

fn point(choice: Choice, plan: &Plan, run: &SimulatedRun) -> Point {
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
        loses: false,
        images_per_second: run.rate(),
        latency_ms: run.makespan_us / 1e3,
        traffic_mb: run.bytes() as f64 / 1e6,
        devices: devices.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::StageKind;
    use crate::sim::ExecutionCost;

    /// A GPU that does a row in 10 us and 2 us of that uncut only, DLAs in `dla` us; executions cost 5 us more.
    struct Board {
        dla: f64,
    }

    impl Costs for Board {
        fn execution(&self, stage: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String> {
            let row = match (stage, device) {
                (StageKind::Suffix, _) => 4.0,
                (StageKind::Whole, _) => 12.0,
                (StageKind::Prefix, Device::Gpu) => 10.0,
                (StageKind::Prefix, Device::Dla(_)) => self.dla,
            };
            Ok(ExecutionCost::time(5.0 + row * batch as f64))
        }
    }

    fn points(dla: f64, batches: &[usize]) -> Vec<Point> {
        let network = Network {
            prefix: true,
            suffix: true,
            dlas: vec![Device::Dla(0), Device::Dla(1)],
            dla_rows: 64,
            unit: None,
        };
        sweep(&network, batches, &Board { dla }, Noise::NONE).unwrap()
    }

    #[test]
    fn dlas_share_an_odd_batch() {
        for (batch, want) in [
            (1, "dla0=1x1,suffix=1"),
            (5, "dla0=3x1,dla1=2x1,suffix=5"),
            (7, "dla0=4x1,dla1=3x1,suffix=7"),
            (6, "dla0=3x1,dla1=3x1,suffix=6"),
        ] {
            let points = points(20.0, &[batch]);
            let dlas = points.iter().find(|p| p.choice == Choice::DlaOnly).unwrap();
            assert_eq!(dlas.plan, want, "{batch} rows");
        }
    }

    #[test]
    fn one_plan_is_one_run_and_losses_are_marked() {
        for (dla, batch, loses) in [(20.0, 1, false), (500.0, 5, true), (20.0, 64, false)] {
            let points = points(dla, &[batch]);
            let [alone, _, shared] = &points[..] else {
                panic!("{points:?}")
            };
            let same = alone.plan == shared.plan;
            assert_eq!(same, batch == 1, "{} and {}", alone.plan, shared.plan);
            assert!(!same || alone.latency_ms == shared.latency_ms, "{shared:?}");
            assert_eq!(shared.loses, loses, "{shared:?}");
        }
    }
}
