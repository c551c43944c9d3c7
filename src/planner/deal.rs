//! The plan of any batch, by arithmetic: rounds that end all devices together.

use super::estimate::{estimate, shares, Best, Estimate};
use super::offer::{Engine, Offer};
use super::rates::{Kind, Rates};
use super::sizes::divisors;
use super::terms::Terms;
use crate::engine::StageKind;
use crate::plan::{Cut, Device, Mode, Plan, Share};

/// Sizes of each device that are combined: those with the least time per row.
const SIZES: usize = 10;

/// Divisors of the rows that are tried as the suffix's batch, and most rows of one.
const SUFFIXES: usize = 64;
const SUFFIX_ROWS: usize = 4096;

/// Rounds of the DLAs that are tried on either side of those that end all together: with any engines, and with those that
/// are there, whose sizes may not add up.
const AROUND: [i64; 2] = [1, 6];

/// What a re-dealt plan keeps: where it is cut, when the suffix runs, and how many engines of a kind there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub cut: Cut,
    /// Number of the cut in [`Kind::way`].
    pub way: u32,
    pub mode: Mode,
    pub engines: usize,
}

impl Default for Frame {
    fn default() -> Frame {
        Frame {
            cut: Cut::Longest,
            way: 0,
            mode: Mode::Merged,
            engines: 1,
        }
    }
}

/// Makes plans of exactly `rows` rows.
pub struct Deal<'a> {
    pub terms: &'a Terms,
    pub rates: &'a Rates,
    pub rows: usize,
    pub offer: Offer<'a>,
    pub frame: &'a Frame,
}

impl Deal<'_> {
    /// Plans of the GPU alone, best first; none when its time is not known.
    pub fn alone(&self) -> Vec<Estimate> {
        let mut best = Best::default();
        let host = self.rates.host_us(false);
        let kind = Kind::whole();
        for n in self.offer.sizes(self.engine(kind, self.rows), usize::MAX) {
            let us = self.in_rounds(kind, n, self.rows);
            if let Some(us) = us.filter(|us| best.wants(host + us)) {
                let plan = Plan::new(shares(Device::Gpu, n, self.rows), self.rows);
                best.add(self.terms, plan, host, us, 0.0, 0.0);
            }
        }
        best.0
    }

    /// Plans with a DLA, best first.
    pub fn shared(&self) -> Vec<Estimate> {
        let mut best = Best::default();
        let Some((suffix, after)) = self.suffix().filter(|_| self.rows > 1) else {
            return best.0;
        };
        let gpu = self.timed(Device::Gpu);
        let mut dlas: Vec<Device> = self.terms.dlas.clone();
        let one = |device: &Device| self.rates.us(self.prefix(*device), 8);
        dlas.retain(|device| one(device).is_some());
        dlas.sort_by(|a, b| {
            one(a)
                .partial_cmp(&one(b))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        for cores in 1..=dlas.len() {
            for (n_d, _) in self.timed(dlas[0]) {
                for &(n_g, t_g) in &gpu {
                    let sharing = Sharing {
                        dlas: &dlas[..cores],
                        n_d,
                        n_g,
                        t_g,
                        suffix,
                        after,
                    };
                    self.share(&sharing, &mut best);
                }
            }
        }
        best.0
    }

    /// The time of a plan of this frame, or of the GPU alone.
    pub fn estimate(&self, plan: &Plan) -> Option<Estimate> {
        let of = |kind: Kind| {
            let mine = plan.prefix.iter().filter(|s| s.device == kind.device);
            mine.map(|s| Some(self.rates.us(kind, s.batch)? * s.rounds as f64))
                .sum::<Option<f64>>()
        };
        if plan.gpu_alone() {
            let us = of(Kind::whole())?;
            return Some(estimate(
                plan.clone(),
                self.rates.host_us(false),
                us,
                0.0,
                0.0,
            ));
        }
        let gpu = of(self.prefix(Device::Gpu))?;
        let mut dla: f64 = 0.0;
        for device in plan.devices().into_iter().filter(|d| *d != Device::Gpu) {
            dla = dla.max(of(self.prefix(device))?);
        }
        let after = match self.terms.suffix || self.frame.cut != Cut::Longest {
            true => {
                let one = self
                    .rates
                    .us(self.kind(StageKind::Suffix, Device::Gpu), plan.suffix_batch)?;
                one * plan.total().div_ceil(plan.suffix_batch) as f64
            }
            false => 0.0,
        };
        Some(self.sum(plan.clone(), gpu, dla, after))
    }

    fn sum(&self, plan: Plan, gpu: f64, dla: f64, after: f64) -> Estimate {
        let host = self.rates.host_us(true);
        match self.frame.mode {
            Mode::Merged => estimate(plan, host, gpu, dla, after),
            Mode::Pipelined => {
                let last = after * plan.suffix_batch as f64 / plan.total().max(1) as f64;
                estimate(plan, host, gpu + after - last, dla, last)
            }
        }
    }

    fn kind(&self, stage: StageKind, device: Device) -> Kind {
        Kind {
            way: self.frame.way,
            stage,
            device,
        }
    }

    fn prefix(&self, device: Device) -> Kind {
        self.kind(StageKind::Prefix, device)
    }

    /// The last engine of its kind that a plan of this frame needs.
    fn engine(&self, kind: Kind, rows: usize) -> Engine {
        let copies = match kind.stage {
            StageKind::Whole => 1,
            StageKind::Prefix | StageKind::Suffix => self.frame.engines,
        };
        Engine {
            device: kind.device,
            stage: kind.stage,
            rows,
            way: kind.way,
            copy: copies - 1,
        }
    }

    /// The sizes of a device's prefix that do most, with their times.
    fn timed(&self, device: Device) -> Vec<(usize, f64)> {
        let most = match device {
            Device::Gpu => usize::MAX,
            Device::Dla(_) => self.terms.dla_rows,
        };
        let sizes = self
            .offer
            .sizes(self.engine(self.prefix(device), self.rows), most);
        let time = |n: usize| Some((n, self.rates.us(self.prefix(device), n)?));
        let mut timed: Vec<(usize, f64)> = sizes.into_iter().filter_map(time).collect();
        timed.sort_by(|a, b| (a.1 / a.0 as f64).total_cmp(&(b.1 / b.0 as f64)));
        timed.truncate(SIZES);
        timed
    }

    /// Rounds of `n` rows and one of what is left; `None` when an engine or its time is missing.
    fn in_rounds(&self, kind: Kind, n: usize, rows: usize) -> Option<f64> {
        let one = |n: usize| {
            let there = self.offer.has(self.engine(kind, n));
            there.then(|| self.rates.us(kind, n)).flatten()
        };
        let full = one(n)? * (rows / n) as f64;
        match rows % n {
            0 => Some(full),
            rest => Some(full + one(rest)?),
        }
    }

    /// The suffix's batch and microseconds over all rows; free where there is none.
    fn suffix(&self) -> Option<(usize, f64)> {
        if !self.terms.suffix && self.frame.cut == Cut::Longest {
            return Some((self.rows, 0.0));
        }
        let kind = self.kind(StageKind::Suffix, Device::Gpu);
        let all = divisors(self.rows, SUFFIXES).into_iter();
        let timed = all
            .filter(|n| *n <= SUFFIX_ROWS)
            .filter_map(|n| Some((n, self.in_rounds(kind, n, self.rows)?)));
        timed.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn share(&self, sharing: &Sharing<'_>, best: &mut Best) {
        let time = |device: &Device| self.rates.us(self.prefix(*device), sharing.n_d);
        let times: Option<Vec<f64>> = sharing.dlas.iter().map(time).collect();
        let Some(times) = times else { return };
        let beside = match self.frame.mode {
            Mode::Merged => 0.0,
            Mode::Pipelined => sharing.after,
        };
        let pace: f64 = times.iter().map(|t| sharing.n_d as f64 / t).sum();
        let own = sharing.n_g as f64 / sharing.t_g;
        let together = (self.rows as f64 + beside * own) / (pace + own);
        let around = AROUND[usize::from(matches!(self.offer, Offer::Built(_)))];
        for step in -around..=around {
            let rounds = |t: &f64| ((together / t) as i64 + step).max(0) as usize;
            let rounds: Vec<usize> = times.iter().map(rounds).collect();
            let dealt: usize = rounds.iter().map(|r| r * sharing.n_d).sum();
            if dealt == 0 || dealt >= self.rows {
                continue;
            }
            let ends = times.iter().zip(&rounds).map(|(t, r)| t * *r as f64);
            let dla = ends.fold(0.0, f64::max);
            let rest = self.rows - dealt;
            let even = rest.div_ceil(rest.div_ceil(sharing.n_g));
            for n_g in [sharing.n_g, even]
                .into_iter()
                .take(if even == sharing.n_g { 1 } else { 2 })
            {
                let gpu = self.in_rounds(self.prefix(Device::Gpu), n_g, rest);
                if let Some(gpu) = gpu.filter(|gpu| best.wants(gpu.max(dla) + sharing.after)) {
                    let plan = self.plan(sharing, n_g, rest, &rounds);
                    let Estimate {
                        plan,
                        us,
                        gpu_us,
                        dla_us,
                        after_us,
                    } = self.sum(plan, gpu, dla, sharing.after);
                    let host = us - gpu_us.max(dla_us) - after_us;
                    best.add(self.terms, plan, host, gpu_us, dla_us, after_us);
                }
            }
        }
    }

    fn plan(&self, sharing: &Sharing<'_>, n_g: usize, rest: usize, rounds: &[usize]) -> Plan {
        let mut prefix = shares(Device::Gpu, n_g, rest);
        let dlas = sharing.dlas.iter().zip(rounds).filter(|(_, r)| **r > 0);
        prefix.extend(dlas.map(|(device, rounds)| Share {
            device: *device,
            batch: sharing.n_d,
            rounds: *rounds,
        }));
        prefix.sort_by_key(|share| share.device);
        Plan {
            prefix,
            suffix_batch: sharing.suffix,
            cut: self.frame.cut.clone(),
            mode: self.frame.mode,
            engines: self.frame.engines,
        }
    }
}

/// One way to share: these DLAs in rounds of `n_d`, the GPU in rounds of `n_g`.
struct Sharing<'a> {
    dlas: &'a [Device],
    n_d: usize,
    n_g: usize,
    t_g: f64,
    suffix: usize,
    after: f64,
}
