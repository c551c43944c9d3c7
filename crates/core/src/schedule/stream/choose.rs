//! What a free device takes, and when.

use std::time::Duration;

use super::lane::{EngineTime, Lane, covering, fitting};
use super::{Infeasible, Item, Stream};
use crate::plan::Device;
use crate::schedule::Phase;

/// An execution to start now.
pub(super) struct Launch {
    /// Index of the lane.
    pub lane: usize,
    pub phase: Phase,
    pub batch: usize,
}

/// A lane that could take waiting items.
struct Able {
    lane: usize,
    /// The engine for what is waiting, and the time until its items are answered.
    batch: usize,
    through: Duration,
    /// It is a full batch.
    full: bool,
}

/// Executions of an engine that must fit in the bound for it to be used: an item may find one in progress and another
/// one ahead of it before its own.
const ROUNDS: u32 = 3;

impl Stream {
    pub(super) fn choose(&self, now: Duration) -> Option<Launch> {
        if let Some(launch) = self.suffix_launch() {
            return Some(launch);
        }
        let mut able = self.able(now);
        let late = self.late(now);
        let keeps = |a: &Able| late || self.start_by(a).is_none_or(|by| now <= by);
        let full = able.iter().position(|a| a.full && keeps(a));
        let free = |a: &Able| self.lanes[a.lane].running.is_empty();
        let alone = able.iter().position(free).filter(|at| {
            let eager = self.closed || self.bound.is_none();
            eager || self.start_by(&able[*at]) <= Some(now)
        });
        let Able { lane, batch, .. } = able.swap_remove(full.or(alone)?);
        let phase = Phase::Prefix;
        Some(Launch { lane, phase, batch })
    }

    /// When a batch that is not full has to be launched, if a device is free for it.
    pub(super) fn next_launch(&self, now: Duration) -> Option<Duration> {
        let able = self.able(now);
        let free = |a: &&Able| self.lanes[a.lane].running.is_empty();
        able.iter().find(free).and_then(|a| self.start_by(a))
    }

    fn start_by(&self, able: &Able) -> Option<Duration> {
        let due = self.due(*self.waiting.first()?)?;
        Some(due.saturating_sub(able.through + self.slack))
    }

    fn due(&self, item: Item) -> Option<Duration> {
        self.open.get(&item)?.due
    }

    /// The suffix is never held back: it is short, and its items are the oldest.
    fn suffix_launch(&self) -> Option<Launch> {
        let lane = self.lanes.iter().position(|l| l.device == Device::Gpu)?;
        let gpu = self.lanes.get(lane).filter(|l| !l.is_lost())?;
        if self.merged.is_empty() || gpu.running.len() >= self.depth() {
            return None;
        }
        let batch = covering(&gpu.suffix, self.merged.len())?.batch;
        let phase = Phase::Suffix;
        Some(Launch { lane, phase, batch })
    }

    /// The lanes that could take waiting items, the one that answers first in front.
    fn able(&self, now: Duration) -> Vec<Able> {
        let rows = self.waiting.len();
        if rows == 0 {
            return Vec::new();
        }
        let late = self.late(now);
        let lanes = self.lanes.iter().enumerate();
        let mut able: Vec<Able> = lanes
            .filter(|(_, l)| !l.is_lost() && l.running.len() < self.depth())
            .filter_map(|(lane, l)| {
                let sizes: Vec<&EngineTime> = if late {
                    l.first.iter().collect()
                } else {
                    self.in_time(l, now)
                };
                let size = fitting(&sizes, rows)?;
                Some(Able {
                    lane,
                    batch: size.batch,
                    through: size.expected() + self.after(l, size.batch),
                    full: sizes.last().is_some_and(|s| s.batch <= rows),
                })
            })
            .collect();
        able.sort_by_key(|a| (self.lanes[a.lane].running.len(), a.through));
        able
    }

    /// Once the bound of the oldest is lost, or no engine keeps it, full speed is what helps the others.
    fn late(&self, now: Duration) -> bool {
        let lanes = self.lanes.iter().filter(|l| !l.is_lost());
        let through = |l: &Lane| {
            let size = self.usable(l).into_iter().next()?;
            Some(size.expected() + self.after(l, size.batch))
        };
        let usable = lanes.filter_map(through);
        let oldest = self.waiting.first().and_then(|item| self.due(*item));
        match (usable.min(), oldest) {
            (None, _) => true,
            (Some(least), Some(due)) => due < now + least,
            (Some(_), None) => false,
        }
    }

    /// Of the engines that keep the bound, those that keep it for the oldest item if they start now: an item that arrives
    /// late must not make a batch grow past the time that the oldest has left. All of them where none does.
    fn in_time<'a>(&self, lane: &'a Lane, now: Duration) -> Vec<&'a EngineTime> {
        let sizes = self.usable(lane);
        let Some(due) = self.waiting.first().and_then(|item| self.due(*item)) else {
            return sizes;
        };
        let ends = |s: &EngineTime| now + s.expected() + self.after(lane, s.batch) + self.slack;
        let kept: Vec<&EngineTime> = sizes.iter().copied().filter(|s| ends(s) <= due).collect();
        if kept.is_empty() { sizes } else { kept }
    }

    /// The engines of a lane that keep the bound.
    fn usable<'a>(&self, lane: &'a Lane) -> Vec<&'a EngineTime> {
        let Some(bound) = self.bound.map(|b| b.saturating_sub(self.slack)) else {
            return lane.first.iter().collect();
        };
        let takes = |s: &EngineTime, rounds| s.expected() * rounds + self.after(lane, s.batch);
        let fits = |s: &&EngineTime| takes(s, ROUNDS) <= bound;
        let sizes: Vec<&EngineTime> = lane.first.iter().filter(fits).collect();
        let single = lane.first.first().filter(|s| takes(s, 1) <= bound);
        if sizes.is_empty() {
            single.into_iter().collect()
        } else {
            sizes
        }
    }

    /// From the end of an execution of `rows` on `lane` to the answer: the suffix, and the GPU's longest execution
    /// before it.
    fn after(&self, lane: &Lane, rows: usize) -> Duration {
        let gpu = self.lanes.iter().find(|l| l.device == Device::Gpu);
        let Some(gpu) = gpu.filter(|_| lane.merges) else {
            return Duration::ZERO;
        };
        let fits = |time: &Duration| self.bound.is_none_or(|bound| *time * ROUNDS <= bound);
        let first = gpu.first.iter().map(EngineTime::expected).filter(fits).max();
        let suffix = covering(&gpu.suffix, rows).map(|s| {
            let executions = rows.div_ceil(s.batch) as u32;
            s.expected() * executions
        });
        first.unwrap_or_default() + suffix.unwrap_or_default()
    }

    /// Two executions at a time keep a device busy between reports; with a bound, one: what is not yet given to a
    /// device goes to the first that is free.
    fn depth(&self) -> usize {
        match self.bound {
            Some(_) => 1,
            None => 2,
        }
    }

    /// Whether any engine can keep the bound.
    pub(super) fn feasible(&self) -> Result<(), Infeasible> {
        let Some(bound) = self.bound else {
            return Ok(());
        };
        let lanes = self.lanes.iter();
        let fastest = lanes.filter_map(|lane| {
            let size = lane.first.first()?;
            let needed = size.expected() + self.after(lane, size.batch) + self.slack;
            Some((needed, lane.device, size.batch))
        });
        match fastest.min() {
            Some((needed, device, batch)) if needed > bound => Err(Infeasible {
                bound,
                device,
                batch,
                needed,
            }),
            _ => Ok(()),
        }
    }
}
