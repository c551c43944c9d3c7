//! What one device still has to do.

use std::collections::VecDeque;
use std::ops::Range;

use super::{Task, TaskId};
use crate::plan::{Device, Plan};

/// A piece of work not started yet.
#[derive(Debug, Clone)]
pub(super) struct Piece {
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

    /// The execution `id`, if this lane is running it.
    pub fn finish(&mut self, id: TaskId) -> Option<Task> {
        let at = self.running.iter().position(|t| t.id == id)?;
        self.running.remove(at)
    }

    /// Gives up everything unfinished, in row order.
    pub fn surrender(&mut self) -> Vec<Range<usize>> {
        self.lost = true;
        let running = self.running.drain(..).map(|t| t.rows);
        let mut rows: Vec<_> = running
            .chain(self.queue.drain(..).map(|p| p.rows))
            .collect();
        rows.sort_by_key(|r| r.start);
        rows
    }
}

/// The plan's shares as queues: rows are dealt in the order of the shares, each round a contiguous piece.
pub(super) fn deal(plan: &Plan, suffix: bool) -> Vec<Lane> {
    let mut devices = plan.devices();
    if suffix && !devices.contains(&Device::Gpu) {
        devices.insert(0, Device::Gpu);
    }
    let mut lanes: Vec<Lane> = devices.into_iter().map(Lane::new).collect();
    let mut next = 0;
    for share in &plan.prefix {
        let lane = lanes.iter_mut().find(|l| l.device == share.device);
        let Some(lane) = lane else { continue };
        lane.batches.push(share.batch);
        lane.batches.sort_unstable();
        for _ in 0..share.rounds {
            let rows = next..next + share.batch;
            next = rows.end;
            lane.queue.push_back(Piece {
                window: rows.clone(),
                rows,
            });
        }
    }
    lanes
}
