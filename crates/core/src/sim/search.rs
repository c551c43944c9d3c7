//! Plans worth simulating.

use super::sweep::{Choice, Network};
use super::{Costs, SimError};
use crate::plan::{Device, Plan, Share, StageKind};

/// Rows per execution that are tried, besides the whole share of a device.
const ROWS: [usize; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// Rounds tried on either side of those that would end all devices at the same time.
const AROUND: usize = 6;

/// A device's share is also tried in up to this many equal rounds.
const FEW: usize = 8;

/// Plans that are simulated, best estimate first.
const KEPT: usize = 12;

/// Candidates in the order of their estimates, the default deal among them. For several devices they are the paper's
/// scheme: the DLA cores run `r_D` rounds of `N_D` rows each while the GPU runs `r_G` rounds of `N_G`.
pub(super) fn candidates(
    network: &Network,
    choice: Choice,
    batch: usize,
    costs: &dyn Costs,
) -> Result<Vec<Plan>, SimError> {
    let search = Search {
        network,
        costs,
        batch,
    };
    if let Some(unit) = network.unit {
        return if batch.is_multiple_of(unit) {
            Ok(vec![search.in_units(choice, unit)])
        } else {
            Err(SimError::Units { unit, rows: batch })
        };
    }
    let mut plans = match choice {
        Choice::GpuOnly => search.alone(),
        Choice::DlaOnly => search.dlas(),
        Choice::Shared => search.shared(),
    }?;
    plans.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut plans: Vec<Plan> = plans.into_iter().take(KEPT).map(|(_, plan)| plan).collect();
    if plans.is_empty() {
        plans.push(search.default_deal(choice));
    }
    Ok(plans)
}

struct Search<'a> {
    network: &'a Network,
    costs: &'a dyn Costs,
    batch: usize,
}

type EstimatedPlans = Vec<(f64, Plan)>;

impl Search<'_> {
    /// Nothing but the devices can be chosen.
    fn in_units(&self, choice: Choice, unit: usize) -> Plan {
        let gpu = (choice != Choice::DlaOnly).then_some(Device::Gpu);
        let dlas = match choice {
            Choice::GpuOnly => &[],
            Choice::DlaOnly | Choice::Shared => &self.network.dlas[..],
        };
        let devices: Vec<Device> = gpu.into_iter().chain(dlas.iter().copied()).collect();
        Plan::in_units(self.batch, &devices, unit)
    }

    fn alone(&self) -> Result<EstimatedPlans, SimError> {
        let mut plans = Vec::new();
        for rows in divisors(self.batch, usize::MAX) {
            let rounds = self.batch / rows;
            let time = self.time(StageKind::Whole, Device::Gpu, rows)? * rounds as f64;
            plans.push((time, Plan::paper(0, 0, rows, rounds)));
        }
        Ok(plans)
    }

    fn dlas(&self) -> Result<EstimatedPlans, SimError> {
        let cores = self.network.dlas.len();
        if !self.batch.is_multiple_of(cores) {
            return self.uneven_dlas();
        }
        let mut plans = Vec::new();
        let each = self.batch / cores;
        for rows in divisors(each, self.network.dla_rows) {
            let rounds = each / rows;
            let time = self.time(StageKind::Prefix, self.network.dlas[0], rows)?;
            plans.push((time * rounds as f64, self.plan(rows, rounds, 0, 0)));
        }
        Ok(plans)
    }

    /// Each core in its own best rounds, the first ones with a row more.
    fn uneven_dlas(&self) -> Result<EstimatedPlans, SimError> {
        let cores = self.network.dlas.len();
        let (mut shares, mut slowest) = (Vec::new(), 0f64);
        for (at, device) in self.network.dlas.iter().enumerate() {
            let rows = self.batch / cores + usize::from(at < self.batch % cores);
            if rows == 0 {
                continue;
            }
            let Some((time, share)) = self.best_share(*device, rows)? else {
                return Ok(Vec::new());
            };
            slowest = slowest.max(time);
            shares.push(share);
        }
        Ok(vec![(slowest, Plan::new(shares, self.batch))])
    }

    /// The equal rounds in which a DLA core does so many rows soonest, and the time; `None` where it has none.
    fn best_share(&self, device: Device, rows: usize) -> Result<Option<(f64, Share)>, SimError> {
        let timed = divisors(rows, self.network.dla_rows).into_iter().map(|batch| {
            let rounds = rows / batch;
            let time = self.time(StageKind::Prefix, device, batch)? * rounds as f64;
            Ok((
                time,
                Share {
                    device,
                    batch,
                    rounds,
                },
            ))
        });
        let timed = timed.collect::<Result<Vec<_>, SimError>>()?;
        Ok(timed.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)))
    }

    fn shared(&self) -> Result<EstimatedPlans, SimError> {
        let cores = self.network.dlas.len();
        let mut plans = Vec::new();
        let (gpu_rows, gpu_time) = self.best_gpu_rate()?;
        for n_d in ROWS.into_iter().filter(|n| *n <= self.network.dla_rows) {
            let most = (self.batch - 1) / (cores * n_d);
            if most == 0 {
                continue;
            }
            let dla = self.time(StageKind::Prefix, self.network.dlas[0], n_d)?;
            let per_row = gpu_time / gpu_rows as f64;
            let even = self.batch as f64 * per_row / (dla + (cores * n_d) as f64 * per_row);
            let even = (even as usize).clamp(1, most);
            for r_d in even.saturating_sub(AROUND).max(1)..=(even + AROUND).min(most) {
                let rest = self.batch - cores * n_d * r_d;
                for n_g in divisors(rest, usize::MAX) {
                    let gpu = self.time(StageKind::Prefix, Device::Gpu, n_g)?;
                    let time = (dla * r_d as f64).max(gpu * (rest / n_g) as f64);
                    plans.push((time, self.plan(n_d, r_d, n_g, rest / n_g)));
                }
            }
        }
        Ok(plans)
    }

    /// The rows per execution at which the GPU does most, and the time of one.
    fn best_gpu_rate(&self) -> Result<(usize, f64), SimError> {
        let mut best = (1, self.time(StageKind::Prefix, Device::Gpu, 1)?);
        for rows in ROWS.into_iter().filter(|rows| *rows <= self.batch) {
            let time = self.time(StageKind::Prefix, Device::Gpu, rows)?;
            if time / (rows as f64) < best.1 / best.0 as f64 {
                best = (rows, time);
            }
        }
        Ok(best)
    }

    fn plan(&self, n_d: usize, r_d: usize, n_g: usize, r_g: usize) -> Plan {
        let share = |device, batch, rounds| Share {
            device,
            batch,
            rounds,
        };
        let dlas = self.network.dlas.iter().map(|d| share(*d, n_d, r_d));
        let mut prefix: Vec<Share> = std::iter::once(share(Device::Gpu, n_g, r_g))
            .chain(dlas)
            .collect();
        prefix.retain(|s| s.rows() > 0);
        Plan::new(prefix, self.batch)
    }

    fn default_deal(&self, choice: Choice) -> Plan {
        let dlas = &self.network.dlas;
        match choice {
            Choice::GpuOnly => Plan::gpu_only(self.batch),
            Choice::DlaOnly => Plan::balanced_within(self.batch, dlas, self.network.dla_rows),
            Choice::Shared => {
                let devices: Vec<Device> = std::iter::once(Device::Gpu).chain(dlas.iter().copied()).collect();
                Plan::balanced_within(self.batch, &devices, self.network.dla_rows)
            }
        }
    }

    fn time(&self, stage: StageKind, device: Device, batch: usize) -> Result<f64, SimError> {
        let cost = self.costs.execution(stage, device, batch);
        let cost = cost.map_err(|reason| SimError::NoCost {
            stage,
            device,
            batch,
            reason,
        })?;
        Ok(cost.alone_us + cost.submit_us)
    }
}

/// Rows per execution, up to `most`, that divide `rows`: the usual ones, and what few rounds give.
fn divisors(rows: usize, most: usize) -> Vec<usize> {
    let most = most.min(ROWS[ROWS.len() - 1]).min(rows);
    let few = (1..=FEW)
        .filter(|rounds| rows.is_multiple_of(*rounds))
        .map(|rounds| rows / rounds);
    let usual = ROWS.into_iter().filter(|n| rows.is_multiple_of(*n));
    let mut found: Vec<usize> = usual.chain(few).filter(|n| (1..=most).contains(n)).collect();
    found.sort_unstable();
    found.dedup();
    found
}
