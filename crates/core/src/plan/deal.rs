//! Plans made without measurements.

use super::{Cut, Device, Mode, Plan, Share};

/// Smallest and largest rows per round that a default plan uses for more rows than one round: fewer rows waste the
/// fixed cost of an execution, more push a round's activations out of the caches.
const ROUND: std::ops::RangeInclusive<usize> = 16..=64;

/// Below this many rows sharing costs more than it gives: the paper measured a loss at 4 rows and the first gain
/// between 16 and 32.
const SHARED_FROM: usize = 16;

/// Largest batch of a default suffix that still divides the total; see [`suffix_batch`].
const SUFFIX: usize = 512;

impl Plan {
    /// The longest prefix, then the suffix over all rows, one engine of a kind.
    pub fn new(prefix: Vec<Share>, suffix_batch: usize) -> Plan {
        Plan {
            prefix,
            suffix_batch,
            cut: Cut::default(),
            mode: Mode::default(),
            engines: 1,
        }
    }

    /// [`Plan::new`] with one execution of the suffix over all rows.
    pub fn merged(prefix: Vec<Share>) -> Plan {
        let mut plan = Plan::new(prefix, 0);
        plan.suffix_batch = plan.total();
        plan
    }

    /// Every row on the GPU, which then runs the network uncut.
    pub fn gpu_only(batch: usize) -> Plan {
        Plan::alone(Device::Gpu, batch, *ROUND.end())
    }

    /// The paper's scheme: `r_d` rounds of `n_d` rows on each of two DLA cores, `r_g` rounds of `n_g` rows on the GPU,
    /// one merged suffix. A device with no rows is left out.
    pub fn paper(n_d: usize, r_d: usize, n_g: usize, r_g: usize) -> Plan {
        let share = |device, batch, rounds| Share {
            device,
            batch,
            rounds,
        };
        let mut prefix = vec![
            share(Device::Gpu, n_g, r_g),
            share(Device::Dla(0), n_d, r_d),
            share(Device::Dla(1), n_d, r_d),
        ];
        prefix.retain(|s| s.rows() > 0);
        Plan::merged(prefix)
    }

    /// An equal deal to all `devices`, the default until speeds have been measured.
    ///
    /// Below 16 rows the first device runs alone. Otherwise each device gets as near an equal number of rows as whole
    /// rounds of 16 to 64 rows allow; what is left goes to the first device, as a share of its own if need be, so that
    /// every row is dealt and no row is padded.
    pub fn balanced(batch: usize, devices: &[Device]) -> Plan {
        Plan::balanced_within(batch, devices, *ROUND.end())
    }

    /// [`Plan::balanced`] with rounds of at most `most` rows, for devices that take no more at once.
    pub fn balanced_within(batch: usize, devices: &[Device], most: usize) -> Plan {
        let first = devices.first().copied().unwrap_or(Device::Gpu);
        if batch < SHARED_FROM || devices.len() < 2 {
            let most = match first {
                Device::Gpu => *ROUND.end(),
                Device::Dla(_) => most,
            };
            return Plan::alone(first, batch, most);
        }
        let (rows, rounds) = best_rounds(batch / devices.len(), most);
        let others = &devices[1..];
        let mut prefix = shares(first, batch - rows * rounds * others.len(), most);
        prefix.extend(others.iter().map(|&device| Share {
            device,
            batch: rows,
            rounds,
        }));
        Plan::new(prefix, suffix_batch(batch))
    }

    /// As [`Plan::balanced_within`] for a network that runs only in executions of `unit` rows, of which `batch` is a
    /// multiple.
    pub fn in_units(batch: usize, devices: &[Device], unit: usize) -> Plan {
        let units = batch / unit.max(1);
        let first = devices.first().copied().unwrap_or(Device::Gpu);
        let others = if batch < SHARED_FROM {
            &[]
        } else {
            devices.get(1..).unwrap_or_default()
        };
        let each = units / (others.len() + 1);
        let share = |device, rounds| Share {
            device,
            batch: unit,
            rounds,
        };
        let mut prefix = vec![share(first, units - each * others.len())];
        prefix.extend(others.iter().map(|&device| share(device, each)));
        prefix.retain(|share| share.rounds > 0);
        Plan::new(prefix, unit)
    }

    /// The same rows on the same devices, each in an execution of its own.
    #[must_use]
    pub fn one_by_one(self) -> Plan {
        let mut prefix: Vec<Share> = Vec::new();
        for share in &self.prefix {
            let rows = share.batch * share.rounds;
            match prefix.iter_mut().find(|other| other.device == share.device) {
                Some(other) => other.rounds += rows,
                None => prefix.push(Share {
                    device: share.device,
                    batch: 1,
                    rounds: rows,
                }),
            }
        }
        Plan {
            prefix,
            suffix_batch: 1,
            ..self
        }
    }

    /// The same plan with `unit` rows in the place of each.
    #[must_use]
    pub fn of_units(mut self, unit: usize) -> Plan {
        self.prefix.iter_mut().for_each(|share| share.batch *= unit);
        self.suffix_batch *= unit;
        self
    }

    fn alone(device: Device, batch: usize, most: usize) -> Plan {
        Plan::new(shares(device, batch, most), suffix_batch(batch))
    }
}

/// One share if `rows` is a number of equal rounds, otherwise a second one for the rest.
fn shares(device: Device, rows: usize, most: usize) -> Vec<Share> {
    let (batch, rounds) = best_rounds(rows, most);
    let mut shares = vec![Share {
        device,
        batch,
        rounds,
    }];
    let rest = rows - batch * rounds;
    if rest > 0 {
        shares.push(Share {
            device,
            batch: rest,
            rounds: 1,
        });
    }
    shares
}

/// The batch (at most `most`) and rounds that cover most of `rows`, without exceeding it; larger batches win ties.
fn best_rounds(rows: usize, most: usize) -> (usize, usize) {
    let most = most.clamp(1, *ROUND.end());
    if rows <= most {
        return (rows, 1);
    }
    (most.min(*ROUND.start())..=most)
        .map(|batch| (batch, rows / batch))
        .max_by_key(|(batch, rounds)| (batch * rounds, *batch))
        .unwrap_or((rows, 1))
}

/// One suffix over everything up to 512 rows, as in the paper. Beyond that the largest divisor up to 512, if it is not
/// so small that the suffix would run row by row.
fn suffix_batch(total: usize) -> usize {
    if total <= SUFFIX {
        return total;
    }
    (*ROUND.start()..=SUFFIX)
        .rev()
        .find(|batch| total.is_multiple_of(*batch))
        .unwrap_or(total)
}
