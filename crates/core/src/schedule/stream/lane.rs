//! One device of a stream: its engines, what it runs, and how long that takes.

use std::collections::VecDeque;
use std::time::Duration;

use super::{StreamLane, StreamTask, TimedEngine};
use crate::plan::Device;
use crate::schedule::{Loss, Phase, TaskId};

#[derive(Debug)]
pub(super) struct Lane {
    pub device: Device,
    pub merges: bool,
    /// Ascending batches.
    pub first: Vec<EngineTime>,
    pub suffix: Vec<EngineTime>,
    pub running: VecDeque<StreamTask>,
    /// From when the time of the oldest running task counts.
    since: Duration,
    out: Option<Out>,
    /// In a row.
    failures: u32,
}

/// Why a lane takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Out {
    /// Its device hangs.
    ForGood,
    /// It failed, and is tried again then.
    Until(Duration),
}

/// How long a device that failed is left alone; after each further failure in a row twice as long, up to the most.
const PAUSE: Duration = Duration::from_secs(1);
const MOST_DOUBLINGS: u32 = 6;

/// An execution that is off by more than this is a change of the device's speed, if the next one is too.
const JUMP: f64 = 0.25;

/// Executions after which a batch's time is known well enough to tell that.
const KNOWN: u32 = 4;

/// An engine's batch with the time of its executions.
#[derive(Debug)]
pub(super) struct EngineTime {
    pub batch: usize,
    mean: Duration,
    deviation: Duration,
    executions: u32,
    /// How far the last execution was off, as a factor; 1 where that was no jump.
    strike: f64,
}

impl EngineTime {
    fn new(timed: &TimedEngine) -> EngineTime {
        EngineTime {
            batch: timed.batch,
            mean: timed.expected,
            deviation: timed.expected / 16,
            executions: 0,
            strike: 1.0,
        }
    }

    /// Mean plus four mean deviations, which seldom is too little.
    pub fn expected(&self) -> Duration {
        self.mean + 4 * self.deviation
    }

    /// Takes in an execution; by which factor the device's speed has changed, if two in a row show it.
    fn learn(&mut self, took: Duration) -> Option<f64> {
        let off = took.as_secs_f64() / self.mean.as_secs_f64();
        let jump = off.is_normal() && !(1.0 / (1.0 + JUMP)..=1.0 + JUMP).contains(&off);
        let before = std::mem::replace(&mut self.strike, if jump { off } else { 1.0 });
        let again = jump && before != 1.0 && (before > 1.0) == (off > 1.0);
        self.executions = self.executions.saturating_add(1);
        if again && self.executions > KNOWN {
            let factor = if off > 1.0 {
                off.min(before)
            } else {
                off.max(before)
            };
            self.scale(factor);
            return Some(factor);
        }
        // The gains of RFC 6298, which estimates the same for a network connection.
        self.deviation = (3 * self.deviation + self.mean.abs_diff(took)) / 4;
        self.mean = (7 * self.mean + took) / 8;
        None
    }

    fn scale(&mut self, factor: f64) {
        self.mean = self.mean.mul_f64(factor);
        self.deviation = self.mean / 16;
        self.strike = 1.0;
    }
}

impl Lane {
    pub fn new(lane: &StreamLane) -> Lane {
        let sizes = |timed: &[TimedEngine]| {
            let mut sizes: Vec<EngineTime> = timed.iter().map(EngineTime::new).collect();
            sizes.sort_by_key(|s| s.batch);
            sizes
        };
        Lane {
            device: lane.device,
            merges: lane.merges,
            first: sizes(&lane.first),
            suffix: sizes(&lane.suffix),
            running: VecDeque::new(),
            since: Duration::ZERO,
            out: None,
            failures: 0,
        }
    }

    /// Takes the device out: for good when it hangs, for a while when it failed.
    pub fn lose(&mut self, loss: Loss, now: Duration) {
        self.out = Some(match loss {
            Loss::TimedOut => Out::ForGood,
            Loss::Failed => Out::Until(now + PAUSE * 2u32.pow(self.failures.min(MOST_DOUBLINGS))),
        });
        self.failures += 1;
    }

    pub fn is_lost(&self) -> bool {
        self.out.is_some()
    }

    /// Takes a device that has been left alone for long enough in again.
    pub fn retry(&mut self, now: Duration) {
        if matches!(self.out, Some(Out::Until(at)) if at <= now) {
            self.out = None;
        }
    }

    pub fn start(&mut self, task: StreamTask, now: Duration) {
        if self.running.is_empty() {
            self.since = now;
        }
        self.running.push_back(task);
    }

    /// The execution `id`, if this lane is running it.
    pub fn finish(&mut self, id: TaskId, now: Duration) -> Option<StreamTask> {
        let at = self.running.iter().position(|t| t.id == id)?;
        let task = self.running.remove(at)?;
        self.failures = 0;
        let took = now.saturating_sub(self.since);
        self.since = now;
        self.learn(&task, took);
        Some(task)
    }

    /// What a device is slower or faster by, it is in batches of every size.
    fn learn(&mut self, task: &StreamTask, took: Duration) {
        let sizes = match task.phase {
            Phase::Prefix => &mut self.first,
            Phase::Suffix => &mut self.suffix,
        };
        let size = sizes.iter_mut().find(|s| s.batch == task.batch);
        let Some(factor) = size.and_then(|size| size.learn(took)) else {
            return;
        };
        let (phase, batch) = (task.phase, task.batch);
        let prefixes = self.first.iter_mut().map(|s| (Phase::Prefix, s));
        let all = prefixes.chain(self.suffix.iter_mut().map(|s| (Phase::Suffix, s)));
        let others = all.filter(|(other, s)| (*other, s.batch) != (phase, batch));
        others.for_each(|(_, size)| {
            size.scale(factor);
            // It may have learned a part of that by itself, and is not to be taken for another change.
            size.executions = 0;
        });
    }
}

/// The largest engine without padding for `rows`, otherwise the smallest.
pub(super) fn fitting<'a>(sizes: &[&'a EngineTime], rows: usize) -> Option<&'a EngineTime> {
    let fits = sizes.iter().rev().find(|s| s.batch <= rows);
    fits.or(sizes.first()).copied()
}

/// The smallest engine that takes all `rows`, otherwise the largest.
pub(super) fn covering(sizes: &[EngineTime], rows: usize) -> Option<&EngineTime> {
    let covers = sizes.iter().find(|s| s.batch >= rows);
    covers.or(sizes.last())
}
