//! The plan of any batch, by arithmetic: rounds that end all devices together.

use super::balance::Balance;
use super::estimate::{Best, Estimate, shares};
use super::frame::Frame;
use super::lane::{Lane, Rounds};
use super::offer::Offer;
use super::rates::{Kind, Rates};
use super::sizes::{MOST, divisors};
use super::terms::Terms;
use super::time::tail;
use crate::plan::{Cut, Device, Mode, Plan, Share, StageKind};

/// Divisors of the rows that are tried as the suffix's batch, and most rows of one.
const SUFFIXES: usize = 64;
const SUFFIX_ROWS: usize = 4096;

/// Times that devices are balanced anew, with what the sizes found so far cost each other.
const PASSES: usize = 3;

/// Most executions of a pipelined suffix: the host gathers the rows of each.
const PIECES: usize = 8;

/// Part of the rows whose suffix is assumed to come after all prefixes at first, where the suffix is pipelined.
const TAIL: f64 = 0.5;

/// Relative difference in what devices cost each other below which balancing them anew changes nothing.
const SETTLED: f64 = 0.005;

/// Makes plans of exactly `rows` rows.
pub struct Deal<'a> {
    pub(super) terms: &'a Terms,
    pub(super) rates: &'a Rates,
    pub(super) rows: usize,
    pub(super) offer: Offer<'a>,
    pub(super) frame: &'a Frame,
    pub(super) whole: Lane<'a>,
    /// The prefix on the GPU, and on the DLAs whose times are known, the fastest first.
    pub(super) gpu: Lane<'a>,
    pub(super) dlas: Vec<Lane<'a>>,
    pub(super) suffix: Lane<'a>,
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
                    Mode::Pipelined => after * (1.0 - TAIL),
                },
                slow: [1.0, factor],
            };
            for _ in 0..PASSES {
                let mut found = Best::default();
                balance.find(&mut found);
                let Some(first) = found.0.first() else { break };
                let slow = self.slow(&first.plan);
                found.0.iter().for_each(|e| best.add(self.terms, Some(e.clone())));
                let slow = [slow[0], slow[1] * factor];
                if self.frame.mode == Mode::Pipelined {
                    balance.beside = after * (1.0 - tail(&first.plan));
                }
                let settled = |(a, b): (f64, f64)| (a / b - 1.0).abs() < SETTLED;
                if slow.into_iter().zip(balance.slow).all(settled) {
                    break;
                }
                balance.slow = slow;
            }
        }
        best.0
    }

    /// Part of the network's time that its suffix takes when it has all rows at once.
    pub(super) fn suffix_share(&self) -> f64 {
        let us = self.suffixes().map_or(0.0, |(_, us)| us);
        let whole = self.whole.all(self.rows).map_or(f64::INFINITY, |(_, us)| us);
        us / whole
    }

    pub(super) fn has_suffix(&self) -> bool {
        self.terms.suffix || self.frame.cut != Cut::Longest
    }

    /// The suffix's batch and microseconds over all rows; free where there is none.
    fn suffixes(&self) -> Option<(usize, f64)> {
        if !self.has_suffix() {
            return Some((self.rows, 0.0));
        }
        let all = divisors(self.rows, SUFFIXES).into_iter();
        let few = |n: &usize| self.frame.mode == Mode::Merged || self.rows / n <= PIECES;
        let all = all.filter(few);
        let timed = all.filter_map(|n| Some((n, self.suffix.in_rounds(n, self.rows)?)));
        // Where it is pipelined, the last execution of it waits for the last prefix.
        let last = |&(n, us): &(usize, f64)| match self.frame.mode {
            Mode::Merged => us,
            Mode::Pipelined => us * (1.0 + n as f64 / self.rows as f64),
        };
        timed.min_by(|a, b| last(a).total_cmp(&last(b)))
    }

    pub(super) fn plan(&self, gpu: Vec<Share>, dlas: &[(Device, Rounds)], suffix_batch: usize) -> Plan {
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
