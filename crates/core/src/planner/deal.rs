//! The plan of any batch, by arithmetic: rounds that end all devices together.

use super::balance::Balance;
use super::estimate::{estimate, shares, Best, Estimate};
use super::lane::{Lane, Rounds};
use super::offer::{Engine, Offer};
use super::rates::{Kind, Rates};
use super::sizes::{divisors, MOST};
use super::terms::Terms;
use crate::plan::{Cut, Device, Mode, Plan, Share, StageKind};

/// Divisors of the rows that are tried as the suffix's batch, and most rows of one.
const SUFFIXES: usize = 64;
const SUFFIX_ROWS: usize = 4096;

/// Times that devices are balanced anew, with what the sizes found so far cost each other.
const PASSES: usize = 3;

/// Relative difference in what devices cost each other below which balancing them anew changes nothing.
const SETTLED: f64 = 0.005;

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

impl Frame {
    /// The last engine of its kind that a plan needs.
    fn engine(&self, kind: Kind) -> Engine {
        let copies = match kind.stage {
            StageKind::Whole => 1,
            StageKind::Prefix | StageKind::Suffix => self.engines,
        };
        Engine {
            device: kind.device,
            stage: kind.stage,
            rows: 0,
            way: kind.way,
            copy: copies - 1,
        }
    }
}

/// Makes plans of exactly `rows` rows.
pub struct Deal<'a> {
    pub(super) terms: &'a Terms,
    rates: &'a Rates,
    pub(super) rows: usize,
    pub(super) offer: Offer<'a>,
    frame: &'a Frame,
    whole: Lane<'a>,
    /// The prefix on the GPU, and on the DLAs whose times are known, the fastest first.
    gpu: Lane<'a>,
    dlas: Vec<Lane<'a>>,
    suffix: Lane<'a>,
}

impl<'a> Deal<'a> {
    pub fn new(
        terms: &'a Terms,
        rates: &'a Rates,
        rows: usize,
        offer: Offer<'a>,
        frame: &'a Frame,
    ) -> Deal<'a> {
        let lane = |stage, device, most: usize| {
            let way = match stage {
                StageKind::Whole => 0,
                StageKind::Prefix | StageKind::Suffix => frame.way,
            };
            let kind = Kind { way, stage, device };
            let built = offer.sizes(frame.engine(kind));
            Lane::new(device, rates.curve(kind), most.min(rows), built)
        };
        let dla = |device: &Device| lane(StageKind::Prefix, *device, terms.dla_rows.min(MOST));
        let mut dlas: Vec<Lane> = terms.dlas.iter().map(dla).collect();
        dlas.retain(|lane| !lane.is_unknown());
        dlas.sort_by(|a, b| b.pace().total_cmp(&a.pace()));
        Deal {
            whole: lane(StageKind::Whole, Device::Gpu, MOST),
            gpu: lane(StageKind::Prefix, Device::Gpu, MOST),
            suffix: lane(StageKind::Suffix, Device::Gpu, SUFFIX_ROWS),
            dlas,
            terms,
            rates,
            rows,
            offer,
            frame,
        }
    }

    /// Plans of the GPU alone, best first; none when its time is not known.
    pub fn alone(&self) -> Vec<Estimate> {
        let mut best = Best::default();
        for batch in self.whole.sizes_for(self.rows) {
            let plan = Plan::new(shares(Device::Gpu, batch, self.rows), self.rows);
            best.add(self.terms, self.estimate(plan));
        }
        best.0
    }

    /// Plans with a DLA, best first.
    pub fn shared(&self) -> Vec<Estimate> {
        self.shared_if(1.0)
    }

    /// Plans with a DLA that would be balanced if DLAs took `factor` times as long.
    pub fn shared_if(&self, factor: f64) -> Vec<Estimate> {
        let mut best = Best::default();
        let Some((suffix, after)) = self.suffixes().filter(|_| self.rows > 1) else {
            return best.0;
        };
        for cores in 1..=self.dlas.len() {
            let mut balance = Balance {
                deal: self,
                gpu: &self.gpu,
                dlas: &self.dlas[..cores],
                suffix,
                beside: match self.frame.mode {
                    Mode::Merged => 0.0,
                    Mode::Pipelined => after,
                },
                slow: [1.0, factor],
            };
            for _ in 0..PASSES {
                let mut found = Best::default();
                balance.find(&mut found);
                let Some(first) = found.0.first() else { break };
                let slow = self.slow(&first.plan);
                found
                    .0
                    .iter()
                    .for_each(|e| best.add(self.terms, Some(e.clone())));
                let slow = [slow[0], slow[1] * factor];
                let settled = |(a, b): (f64, f64)| (a / b - 1.0).abs() < SETTLED;
                if slow.into_iter().zip(balance.slow).all(settled) {
                    break;
                }
                balance.slow = slow;
            }
        }
        best.0
    }

    /// The time of a plan of this frame, or of the GPU alone.
    pub fn estimate(&self, plan: Plan) -> Option<Estimate> {
        if plan.gpu_alone() {
            let us = busy(&plan, &self.whole)?;
            return Some(estimate(plan, self.rates.host_us(false), us, 0.0, 0.0));
        }
        let after = match self.has_suffix() {
            true => {
                let one = self.suffix.time(plan.suffix_batch)?;
                one * plan.total().div_ceil(plan.suffix_batch) as f64
            }
            false => 0.0,
        };
        let [gpu, dla] = beside(self.apart(&plan)?, self.slow(&plan));
        let host = self.rates.host_us(true);
        Some(match self.frame.mode {
            Mode::Merged => estimate(plan, host, gpu, dla, after),
            Mode::Pipelined => {
                let last = after * plan.suffix_batch as f64 / plan.total().max(1) as f64;
                estimate(plan, host, gpu + after - last, dla, last)
            }
        })
    }

    /// How many times longer than alone the GPU's and the DLAs' prefixes take in `plan`.
    pub fn beside(&self, plan: &Plan) -> Option<[f64; 2]> {
        let alone = self.apart(plan)?;
        let together = beside(alone, self.slow(plan));
        let over = |at: usize| {
            if alone[at] > 0.0 {
                together[at] / alone[at]
            } else {
                1.0
            }
        };
        Some([over(0), over(1)])
    }

    /// How many times longer the GPU and a DLA take while all devices of `plan` run, where a model says so. What was seen of
    /// other cuts than the longest prefix was not alone to begin with.
    fn slow(&self, plan: &Plan) -> [f64; 2] {
        let Some(forecast) = self.rates.forecast().filter(|_| self.frame.way == 0) else {
            return [1.0, 1.0];
        };
        let most = |lane: &Lane<'_>| {
            let mine = plan
                .prefix
                .iter()
                .filter(|share| share.device == lane.device);
            let rows = mine.map(|share| share.batch).max()?;
            Some((lane.device, rows, lane.time(rows)?))
        };
        let lanes = std::iter::once(&self.gpu).chain(&self.dlas);
        let running: Vec<(Device, usize, f64)> = lanes.filter_map(most).collect();
        let mut slow = [1.0, 1.0];
        for ((device, ..), factor) in running.iter().zip(forecast.slow(&running)) {
            let own = &mut slow[usize::from(*device != Device::Gpu)];
            *own = factor.max(*own);
        }
        slow
    }

    /// Microseconds of the GPU's prefixes and of the slowest DLA's, if nothing ran beside them.
    fn apart(&self, plan: &Plan) -> Option<[f64; 2]> {
        let mut dla: f64 = 0.0;
        for device in plan.devices().into_iter().filter(|d| *d != Device::Gpu) {
            let lane = self.dlas.iter().find(|lane| lane.device == device)?;
            dla = dla.max(busy(plan, lane)?);
        }
        Some([busy(plan, &self.gpu)?, dla])
    }

    fn has_suffix(&self) -> bool {
        self.terms.suffix || self.frame.cut != Cut::Longest
    }

    /// The suffix's batch and microseconds over all rows; free where there is none.
    fn suffixes(&self) -> Option<(usize, f64)> {
        if !self.has_suffix() {
            return Some((self.rows, 0.0));
        }
        let all = divisors(self.rows, SUFFIXES).into_iter();
        let timed = all.filter_map(|n| Some((n, self.suffix.in_rounds(n, self.rows)?)));
        timed.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    pub(super) fn plan(
        &self,
        gpu: Vec<Share>,
        dlas: &[(Device, Rounds)],
        suffix_batch: usize,
    ) -> Plan {
        let shares = dlas.iter().filter(|(_, rounds)| rounds.rounds > 0);
        let shares = shares.map(|(device, rounds)| Share {
            device: *device,
            batch: rounds.batch,
            rounds: rounds.rounds,
        });
        let mut prefix: Vec<Share> = gpu.into_iter().chain(shares).collect();
        prefix.sort_by_key(|share| share.device);
        Plan {
            prefix,
            suffix_batch,
            cut: self.frame.cut.clone(),
            mode: self.frame.mode,
            engines: self.frame.engines,
        }
    }
}

/// Microseconds of a device's executions in `plan`, if nothing ran beside them.
fn busy(plan: &Plan, lane: &Lane<'_>) -> Option<f64> {
    let mine = plan.prefix.iter().filter(|s| s.device == lane.device);
    let times = mine.map(|s| Some(lane.time(s.batch)? * s.rounds as f64));
    times.sum()
}

/// What the GPU and the DLAs take beside each other, until the one ends and leaves the other alone.
fn beside(alone: [f64; 2], slow: [f64; 2]) -> [f64; 2] {
    let [gpu, dla] = [alone[0] * slow[0], alone[1] * slow[1]];
    match dla <= gpu {
        true => [dla + alone[0] - dla / slow[0], dla],
        false => [gpu, gpu + alone[1] - gpu / slow[1]],
    }
}
