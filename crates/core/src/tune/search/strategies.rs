//! Named strategies to compare a search with.

use super::genome::Genome;
use super::times::Times;
use super::units::in_units;
use super::{SearchError, Space};
use crate::plan::{Device, Plan, Share};
use crate::sim::{self, Choice, Network, Noise, SimError};
use crate::tune::profile::{Profile, Unit, kcc2020};

/// The best plan of the GPU alone.
///
/// # Errors
/// An error of the simulation.
pub fn gpu_only(space: &Space<'_>, rows: usize) -> Result<Plan, SearchError> {
    in_units(space, rows, gpu_only_alike)
}

fn gpu_only_alike(space: &Space<'_>, rows: usize) -> Result<Plan, SearchError> {
    let mut best: Option<(f64, Plan)> = None;
    for batch in Times::new(space).rows(None, Device::Gpu, rows) {
        let plan = Genome::alone(batch, rows, 1).plan(space, rows);
        let plan = plan.ok_or(SimError::NoProgress)?;
        let time = space.run(&plan, Noise::NONE)?.makespan_us;
        if best.as_ref().is_none_or(|(least, _)| time < *least) {
            best = Some((time, plan));
        }
    }
    Ok(best.ok_or(SimError::NoProgress)?.1)
}

/// The best plan of the KSC 2022 paper's scheme: the longest prefix in equal rounds on both DLA cores and on the GPU, and
/// one merged suffix. Without a DLA it is that of the GPU alone.
///
/// # Errors
/// An error of the simulation.
pub fn paper(space: &Space<'_>, rows: usize) -> Result<Plan, SearchError> {
    in_units(space, rows, paper_alike)
}

fn paper_alike(space: &Space<'_>, rows: usize) -> Result<Plan, SearchError> {
    let Some(way) = space.ways.first().filter(|_| !space.dlas.is_empty()) else {
        return gpu_only(space, rows);
    };
    let network = Network {
        prefix: true,
        suffix: way.suffix,
        unit: space.unit,
        dlas: space.dlas.clone(),
        dla_rows: way.dla_rows,
    };
    let (plan, _) = sim::best(&network, Choice::Shared, rows, way.costs, Noise::NONE)?;
    Ok(plan)
}

/// The split of KCC 2020's greedy search over the longest prefix, from profiles at batches of 2^n and their neighbours.
///
/// # Errors
/// An error of the simulation.
pub fn kcc(space: &Space<'_>, rows: usize) -> Result<Plan, SearchError> {
    in_units(space, rows, kcc_alike)
}

fn kcc_alike(space: &Space<'_>, rows: usize) -> Result<Plan, SearchError> {
    let Some(way) = space.ways.first().filter(|_| !space.dlas.is_empty()) else {
        return gpu_only(space, rows);
    };
    let devices: Vec<Device> = std::iter::once(Device::Gpu)
        .chain(space.dlas.iter().copied())
        .collect();
    let times = Times::new(space);
    let mut units = Vec::new();
    for device in &devices {
        let mut points = Vec::new();
        for batch in profiled(rows.min(way.dla_rows)) {
            let cost = times.first(Some(0), *device, batch)?;
            points.push((batch, (cost.alone_us + cost.submit_us) / 1e3 / batch as f64));
        }
        units.push(Unit::new(device.to_string(), points));
    }
    let split = kcc2020(
        &Profile {
            model: String::new(),
            units,
        },
        rows,
    );
    let shares = split.parts.iter().flat_map(|part| {
        let device = devices.iter().find(|d| d.to_string() == part.unit);
        device.map(|device| (*device, part.rows))
    });
    let most = |device| match device {
        Device::Gpu => rows,
        Device::Dla(_) => way.dla_rows,
    };
    let plan = Plan::merged(
        shares
            .flat_map(|(device, n)| in_rounds(device, n, most(device)))
            .collect(),
    );
    Ok(space.executed(plan))
}

/// 2^n and its neighbours, up to `most`.
fn profiled(most: usize) -> Vec<usize> {
    let powers = (0..10).map(|power| 1usize << power);
    let mut batches: Vec<usize> = powers
        .flat_map(|n| [n.saturating_sub(1).max(1), n, n + 1])
        .collect();
    batches.retain(|n| *n <= most.max(1));
    batches.sort_unstable();
    batches.dedup();
    batches
}

/// One execution, or as few as a device that takes `most` rows allows.
fn in_rounds(device: Device, rows: usize, most: usize) -> Vec<Share> {
    let share = |batch, rounds| Share {
        device,
        batch,
        rounds,
    };
    let mut shares = vec![share(rows.min(most), rows / rows.min(most))];
    if !rows.is_multiple_of(rows.min(most)) {
        shares.push(share(rows % most, 1));
    }
    shares
}
