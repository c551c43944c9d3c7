//! One device of a stream: its engines, what it runs, and how long that takes.

use std::collections::VecDeque;
use std::time::Duration;

use super::{StreamLane, StreamTask, Timed};
use crate::plan::Device;
use crate::schedule::{Loss, Phase, TaskId};

#[derive(Debug)]
pub(super) struct Lane {
    pub device: Device,
    pub merges: bool,
    /// Ascending batches.
    pub first: Vec<Sized>,
    pub suffix: Vec<Sized>,
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

/// An engine's batch with the time of its executions.
#[derive(Debug)]
pub(super) struct Sized {
    pub batch: usize,
    mean: Duration,
    deviation: Duration,
}

impl Sized {
    fn new(timed: &Timed) -> Sized {
        Sized {
            batch: timed.batch,
            mean: timed.expected,
            deviation: timed.expected / 16,
        }
    }

    /// Mean plus four mean deviations, which seldom is too little.
    pub fn expected(&self) -> Duration {
        self.mean + 4 * self.deviation
    }

    /// Moving averages with the gains of RFC 6298, which estimates the same for a network connection.
    fn learn(&mut self, took: Duration) {
        self.deviation = (3 * self.deviation + self.mean.abs_diff(took)) / 4;
        self.mean = (7 * self.mean + took) / 8;
    }
}

impl Lane {
    pub fn new(lane: &StreamLane) -> Lane {
        let sizes = |timed: &[Timed]| {
            let mut sizes: Vec<Sized> = timed.iter().map(Sized::new).collect();
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
        let sizes = match task.phase {
            Phase::Prefix => &mut self.first,
            Phase::Suffix => &mut self.suffix,
        };
        let size = sizes.iter_mut().find(|s| s.batch == task.batch);
        if let Some(size) = size {
            size.learn(took);
        }
        Some(task)
    }
}

/// The largest engine without padding for `rows`, otherwise the smallest.
pub(super) fn fitting<'a>(sizes: &[&'a Sized], rows: usize) -> Option<&'a Sized> {
    let fits = sizes.iter().rev().find(|s| s.batch <= rows);
    fits.or(sizes.first()).copied()
}

/// The smallest engine that takes all `rows`, otherwise the largest.
pub(super) fn covering(sizes: &[Sized], rows: usize) -> Option<&Sized> {
    let covers = sizes.iter().find(|s| s.batch >= rows);
    covers.or(sizes.last())
}
