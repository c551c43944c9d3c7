//! What one device still has to do.

use std::collections::VecDeque;
use std::ops::Range;

use super::{Phase, Task, TaskId};
use crate::plan::{Device, Mode, Plan, Share};

/// A piece of work not started yet.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub phase: Phase,
    pub rows: Range<usize>,
    pub window: Range<usize>,
}

/// One device: the engines it has, its queue, and what it is running.
#[derive(Debug)]
pub(super) struct Lane {
    pub device: Device,
    /// Batches of its prefix engines, ascending.
    pub batches: Vec<usize>,
    pub queue: VecDeque<Piece>,
    pub running: VecDeque<Task>,
    pub lost: bool,
    /// Prefix rows taken from this device after it was lost.
    pub redealt: usize,
}

impl Lane {
    fn new(device: Device) -> Lane {
        Lane {
            device,
            batches: Vec::new(),
            queue: VecDeque::new(),
            running: VecDeque::new(),
            lost: false,
            redealt: 0,
        }
    }

    /// Rows it still has to compute, padding included.
    pub fn load(&self) -> usize {
        let queued = self.queue.iter().map(|p| p.window.len());
        let running = self.running.iter().map(|t| t.window.len());
        queued.chain(running).sum()
    }

    /// Queues a piece of the suffix before all prefix work: rows that wait for it are the nearest to their end.
    pub fn prefer(&mut self, piece: Piece) {
        let first = self.queue.iter().position(|p| p.phase == Phase::Prefix);
        self.queue.insert(first.unwrap_or(self.queue.len()), piece);
    }

    /// The execution `id`, if this lane is running it.
    pub fn finish(&mut self, id: TaskId) -> Option<Task> {
        let at = self.running.iter().position(|t| t.id == id)?;
        self.running.remove(at)
    }

    /// Gives up everything unfinished, in row order.
    pub fn surrender(&mut self) -> Vec<Range<usize>> {
        self.lost = true;
        let running = self.running.drain(..).map(|t| t.rows);
        let mut rows: Vec<_> = running.chain(self.queue.drain(..).map(|p| p.rows)).collect();
        rows.sort_by_key(|r| r.start);
        rows
    }
}

/// The plan's shares as queues; each round is a contiguous piece. Rows are dealt in the order of the shares, or, when
/// the suffix is pipelined, in the order in which rounds end if all devices end together, so that the first rows are
/// complete first.
pub(super) fn deal(plan: &Plan, suffix: bool) -> Vec<Lane> {
    let mut devices = plan.devices();
    if suffix && !devices.contains(&Device::Gpu) {
        devices.insert(0, Device::Gpu);
    }
    let mut lanes: Vec<Lane> = devices.into_iter().map(Lane::new).collect();
    for share in &plan.prefix {
        if let Some(lane) = lanes.iter_mut().find(|l| l.device == share.device) {
            lane.batches.push(share.batch);
            lane.batches.sort_unstable();
        }
    }
    let mut next = 0;
    for share in rounds(plan) {
        let rows = next..next + share.batch;
        next = rows.end;
        if let Some(lane) = lanes.iter_mut().find(|l| l.device == share.device) {
            lane.queue.push_back(Piece {
                phase: Phase::Prefix,
                window: rows.clone(),
                rows,
            });
        }
    }
    lanes
}

/// The share of every round, in the order in which rows are dealt.
fn rounds(plan: &Plan) -> Vec<&Share> {
    let mut rounds: Vec<(usize, usize, &Share)> = Vec::new();
    for (device, shares) in by_device(plan) {
        let total = plan.rows(device).max(1);
        let mut done = 0usize;
        for (at, share) in shares {
            for _ in 0..share.rounds {
                done += share.batch;
                rounds.push((done.saturating_mul(1 << 16) / total, at, share));
            }
        }
    }
    match plan.mode {
        Mode::Merged => rounds.sort_by_key(|(_, at, _)| *at),
        Mode::Pipelined => rounds.sort_by_key(|(end, at, _)| (*end, *at)),
    }
    rounds.into_iter().map(|(_, _, share)| share).collect()
}

/// Every device with its shares and their places in the plan.
fn by_device(plan: &Plan) -> impl Iterator<Item = (Device, Vec<(usize, &Share)>)> {
    plan.devices().into_iter().map(|device| {
        let shares = plan.prefix.iter().enumerate();
        (device, shares.filter(|(_, s)| s.device == device).collect())
    })
}
