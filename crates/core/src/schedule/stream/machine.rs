//! The state machine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::choose::Launch;
use super::lane::Lane;
use super::{Fate, Infeasible, Item, Order, Overflow, StreamCommand, StreamEvent, StreamRules, StreamTask};
use crate::plan::Device;
use crate::schedule::{Failure, Loss, Phase, TaskId};

/// Answers to dropped items that may wait to be taken, per item of capacity. They are small, but not nothing.
const DROPPED: usize = 64;

/// A stream from its first item to its last.
#[derive(Debug)]
pub struct Stream {
    pub(super) lanes: Vec<Lane>,
    pub(super) bound: Option<Duration>,
    pub(super) slack: Duration,
    capacity: usize,
    overflow: Overflow,
    order: Order,
    /// Not delivered yet.
    pub(super) open: BTreeMap<Item, Open>,
    /// Not given to a device yet.
    pub(super) waiting: BTreeSet<Item>,
    /// Back from a DLA, before the suffix.
    pub(super) merged: BTreeSet<Item>,
    /// Delivered and not taken, oldest first; whether they were dropped.
    untaken: VecDeque<bool>,
    /// Items that count against the capacity.
    held: usize,
    next_item: u64,
    next_task: u64,
    pub(super) closed: bool,
    failed: Option<Failure>,
    /// Have a fate and are not delivered yet, in the order in which that was known.
    settled: Vec<Item>,
    ended: bool,
}

#[derive(Debug)]
pub(super) struct Open {
    pub due: Option<Duration>,
    fate: Option<Fate>,
}

impl Stream {
    /// A stream in which nothing has arrived.
    ///
    /// # Errors
    /// [`Infeasible`] when no engine is fast enough for the bound, even if an item waits for nothing.
    pub fn new(rules: &StreamRules) -> Result<Stream, Infeasible> {
        let stream = Stream {
            lanes: rules.lanes.iter().map(Lane::new).collect(),
            bound: rules.bound,
            slack: rules.slack,
            capacity: rules.capacity.max(1),
            overflow: rules.overflow,
            order: rules.order,
            open: BTreeMap::new(),
            waiting: BTreeSet::new(),
            merged: BTreeSet::new(),
            untaken: VecDeque::new(),
            held: 0,
            next_item: 0,
            next_task: 0,
            closed: false,
            failed: None,
            settled: Vec::new(),
            ended: false,
        };
        stream.feasible().map(|()| stream)
    }

    /// How many items may arrive now. When there is no room, the source has to wait for a `Taken`.
    pub fn room(&self) -> usize {
        match self.overflow {
            Overflow::Wait => self.capacity.saturating_sub(self.held),
            Overflow::DropNewest | Overflow::DropOldest => {
                let most = self.capacity.saturating_mul(DROPPED);
                most.saturating_sub(self.open.len() + self.untaken.len())
            }
        }
    }

    /// When a `Tick` is needed if nothing else happens before.
    pub fn wake_at(&self, now: Duration) -> Option<Duration> {
        if self.closed || self.failed.is_some() {
            None
        } else {
            self.next_launch(now)
        }
    }

    /// Items that are not delivered yet.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Answers one event at time `now`, which never goes back. After `Done` there are no more commands.
    pub fn handle(&mut self, now: Duration, event: StreamEvent) -> Vec<StreamCommand> {
        let mut commands = Vec::new();
        if self.ended {
            return commands;
        }
        self.lanes.iter_mut().for_each(|lane| lane.retry(now));
        match event {
            StreamEvent::Arrived { at, items } => (0..items).for_each(|_| self.arrive(at)),
            StreamEvent::Closed => self.closed = true,
            StreamEvent::Finished(id) => self.finish(id, now, &mut commands),
            StreamEvent::Lost(device, loss) => self.lose(device, loss, now),
            StreamEvent::Taken => self.take(),
            StreamEvent::Tick => {}
        }
        self.fill(now, &mut commands);
        self.deliver(&mut commands);
        commands
    }

    fn arrive(&mut self, at: Duration) {
        let item = Item(self.next_item);
        self.next_item += 1;
        let due = self.bound.and_then(|bound| at.checked_add(bound));
        self.open.insert(item, Open { due, fate: None });
        let full = self.held >= self.capacity;
        self.held += 1;
        if let Some(failure) = self.failed {
            return self.settle(item, Fate::Failed(failure));
        }
        self.waiting.insert(item);
        let dropped = match self.overflow {
            Overflow::DropNewest if full => Some(item),
            Overflow::DropOldest if full => self.waiting.first().copied(),
            Overflow::Wait | Overflow::DropNewest | Overflow::DropOldest => None,
        };
        if let Some(item) = dropped {
            self.waiting.remove(&item);
            self.held -= 1;
            self.settle(item, Fate::Dropped);
        }
    }

    fn finish(&mut self, id: TaskId, now: Duration, commands: &mut Vec<StreamCommand>) {
        let mut lanes = self.lanes.iter_mut();
        let done = lanes.find_map(|l| Some((l.merges, l.finish(id, now)?)));
        let Some((merges, task)) = done else {
            return;
        };
        for item in task.items.iter().copied() {
            match task.phase {
                Phase::Prefix if merges => drop(self.merged.insert(item)),
                Phase::Prefix | Phase::Suffix => self.settle(item, Fate::Computed),
            }
        }
        commands.push(StreamCommand::Keep(task));
    }

    fn settle(&mut self, item: Item, fate: Fate) {
        if let Some(open) = self.open.get_mut(&item) {
            open.fate = Some(fate);
            self.settled.push(item);
        }
    }

    /// Its items go back to where they were taken from.
    fn lose(&mut self, device: Device, loss: Loss, now: Duration) {
        let lane = self.lanes.iter_mut().find(|l| l.device == device);
        let Some(lane) = lane.filter(|l| !l.is_lost()) else {
            return;
        };
        lane.lose(loss, now);
        for task in lane.running.drain(..) {
            match task.phase {
                Phase::Prefix => self.waiting.extend(task.items),
                Phase::Suffix => self.merged.extend(task.items),
            }
        }
        let left = |l: &&Lane| !l.is_lost() && !l.first.is_empty();
        let merging = self.lanes.iter().any(|l| l.merges);
        match self.lanes.iter().find(left) {
            _ if device == Device::Gpu && merging => self.fail(Failure::SuffixNeedsGpu(loss)),
            Some(_) => {}
            None => self.fail(Failure::NoDeviceLeft {
                rows: self.open.values().filter(|o| o.fate.is_none()).count(),
            }),
        }
    }

    /// Answers what is open, and later what still arrives, with the failure.
    fn fail(&mut self, failure: Failure) {
        self.failed = Some(failure);
        self.waiting.clear();
        self.merged.clear();
        for lane in &mut self.lanes {
            lane.running.clear();
        }
        let open = self.open.iter().filter(|(_, open)| open.fate.is_none());
        for item in open.map(|(item, _)| *item).collect::<Vec<_>>() {
            self.settle(item, Fate::Failed(failure));
        }
    }

    fn take(&mut self) {
        if self.untaken.pop_front() == Some(false) {
            self.held -= 1;
        }
    }

    fn fill(&mut self, now: Duration, commands: &mut Vec<StreamCommand>) {
        if self.failed.is_some() {
            return;
        }
        while let Some(Launch { lane, phase, batch }) = self.choose(now) {
            let from = match phase {
                Phase::Prefix => &mut self.waiting,
                Phase::Suffix => &mut self.merged,
            };
            let items = std::iter::from_fn(|| from.pop_first()).take(batch);
            let task = StreamTask {
                id: TaskId(self.next_task),
                phase,
                device: self.lanes[lane].device,
                batch,
                items: items.collect(),
            };
            self.next_task += 1;
            self.lanes[lane].start(task.clone(), now);
            commands.push(StreamCommand::Run(task));
        }
    }

    fn deliver(&mut self, commands: &mut Vec<StreamCommand>) {
        let settled = std::mem::take(&mut self.settled);
        match self.order {
            Order::Completion => {
                for item in settled {
                    self.answer(item, commands);
                }
            }
            Order::Arrival => {
                while let Some(item) = self.open.keys().next().copied() {
                    if !self.answer(item, commands) {
                        break;
                    }
                }
            }
        }
        if self.closed && self.open.is_empty() {
            self.ended = true;
            commands.push(StreamCommand::Done);
        }
    }

    /// `false` when the item's fate is not known yet.
    fn answer(&mut self, item: Item, commands: &mut Vec<StreamCommand>) -> bool {
        let Some(fate) = self.open.get(&item).and_then(|open| open.fate) else {
            return false;
        };
        self.open.remove(&item);
        self.untaken.push_back(fate == Fate::Dropped);
        commands.push(StreamCommand::Deliver(item, fate));
        true
    }
}
