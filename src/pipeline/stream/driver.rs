//! Obeys the stream's commands and tells it what happened.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::super::order::{End, EngineKey, Report, Ticket};
use super::super::route::Route;
use super::super::workers::{Next, Workers};
use super::listen::{Heard, HungUp};
use super::slots::Slots;
use super::stats::StreamStats;
use super::{StreamAnswer, StreamError, StreamItem};
use crate::engine::StageKind;
use crate::schedule::{Fate, Item, Loss, Phase, Stream, StreamCommand, StreamEvent, StreamTask, TaskId};

/// A stream to run. Engines exist for every lane.
pub struct StreamJob<T> {
    pub stream: Stream,
    pub bound: Option<Duration>,
    /// Rows of an item, which the routes count as one: of the model, and of its network.
    pub unit: usize,
    pub network_unit: usize,
    /// Of the GPU, which runs the network uncut.
    pub alone: Route,
    /// Of the DLAs; that of the GPU when there are none.
    pub shared: Route,
    /// Items that arrived together.
    pub groups: Receiver<Vec<StreamItem<T>>>,
    pub answers: Sender<StreamAnswer<T>>,
    pub stats: Arc<Mutex<StreamStats>>,
}

/// Runs a stream as number `id` until its source has closed and every item is answered, or nobody takes answers.
pub(in crate::pipeline) fn drive<T>(workers: &mut Workers, id: u64, job: StreamJob<T>) {
    workers.open(id);
    let mut driver = Driver {
        reports: workers.reports(),
        workers,
        id,
        stream: job.stream,
        bound: job.bound,
        unit: job.unit,
        network_unit: job.network_unit,
        slots: Slots::new(job.alone, job.shared),
        groups: job.groups,
        pending: VecDeque::new(),
        closed: false,
        answers: job.answers,
        outbox: VecDeque::new(),
        running: HashMap::new(),
        stats: job.stats,
        arrived: 0,
        start: Instant::now(),
        done: false,
    };
    while !driver.done || !driver.outbox.is_empty() {
        if driver.step().is_err() {
            break;
        }
    }
    driver.workers.open(0);
}

pub(super) struct Driver<'a, T> {
    pub(super) workers: &'a mut Workers,
    pub(super) reports: Receiver<Report>,
    pub(super) id: u64,
    pub(super) stream: Stream,
    pub(super) bound: Option<Duration>,
    /// Rows of an item, of the model and of its network.
    pub(super) unit: usize,
    pub(super) network_unit: usize,
    pub(super) slots: Slots<T>,
    pub(super) groups: Receiver<Vec<StreamItem<T>>>,
    /// Came in, but the stream had no room for them yet.
    pub(super) pending: VecDeque<StreamItem<T>>,
    pub(super) closed: bool,
    pub(super) answers: Sender<StreamAnswer<T>>,
    /// Answers not taken yet; the stream's capacity bounds them.
    pub(super) outbox: VecDeque<StreamAnswer<T>>,
    pub(super) running: HashMap<TaskId, StreamTask>,
    pub(super) stats: Arc<Mutex<StreamStats>>,
    pub(super) arrived: u64,
    /// Where the stream's time begins.
    pub(super) start: Instant,
    pub(super) done: bool,
}

impl<T> Driver<'_, T> {
    fn step(&mut self) -> Result<(), HungUp> {
        match self.listen() {
            Heard::Report(report) => {
                if let Next::Report(report) = self.workers.received(report) {
                    self.on_report(report);
                }
            }
            Heard::Group(group) => self.pending.extend(group),
            Heard::Closed => {
                self.closed = true;
                self.tell(StreamEvent::Closed, None);
            }
            Heard::Taken => self.tell(StreamEvent::Taken, None),
            Heard::HungUp => return Err(HungUp),
            Heard::Nothing => match self.workers.overdue() {
                Some(device) => self.hung(device),
                None => self.tell(StreamEvent::Tick, None),
            },
        }
        self.admit();
        Ok(())
    }

    fn on_report(&mut self, report: Report) {
        let known = report.ticket.run == self.id;
        let task = self.running.remove(&report.ticket.task).filter(|_| known);
        let Some(task) = task else {
            return;
        };
        match report.end {
            End::Done { outputs, busy, .. } => match self.slots.check_outputs(&task, &outputs) {
                Ok(()) => {
                    self.count(&task, busy);
                    self.tell(StreamEvent::Finished(task.id), Some(outputs));
                }
                Err(message) => self.lose(task.device, Loss::Failed, message),
            },
            End::Failed { message, panicked } => {
                if panicked {
                    let device = task.device;
                    self.stats(|stats| stats.break_down(format!("{device} {message}")));
                }
                self.lose(task.device, Loss::Failed, message);
            }
            End::Skipped => {}
        }
    }

    pub(super) fn tell(&mut self, event: StreamEvent, mut outputs: Option<Vec<Vec<f32>>>) {
        let mut refused = Vec::new();
        let commands = self.stream.handle(self.start.elapsed(), event);
        for command in commands {
            match command {
                StreamCommand::Run(task) => {
                    let device = task.device;
                    if !self.send(task) && !refused.contains(&device) {
                        refused.push(device);
                    }
                }
                StreamCommand::Keep(task) => {
                    self.slots.keep(&task, outputs.take().unwrap_or_default());
                }
                StreamCommand::Deliver(item, fate) => self.deliver(item, fate),
                StreamCommand::Done => self.done = true,
            }
        }
        let open = self.stream.open() as u64;
        let arrived = self.arrived;
        self.stats(|stats| (stats.open, stats.arrived) = (open, arrived));
        for device in refused {
            self.lose(
                device,
                Loss::Failed,
                "its worker takes no more orders".to_string(),
            );
        }
    }

    fn send(&mut self, task: StreamTask) -> bool {
        let stage = match task.phase {
            Phase::Prefix => self.slots.route(task.device).first,
            Phase::Suffix => StageKind::Suffix,
        };
        let key = EngineKey::new(stage, task.batch * self.network_unit);
        let ticket = Ticket {
            run: self.id,
            task: task.id,
        };
        let inputs = self.slots.inputs(&task);
        let device = task.device;
        self.running.insert(task.id, task);
        self.workers.run(device, ticket, key, inputs, false)
    }

    fn deliver(&mut self, item: Item, fate: Fate) {
        let Some(gone) = self.slots.remove(item) else {
            return;
        };
        let latency = gone.arrived.elapsed();
        let bound = self.bound;
        let outputs = match fate {
            Fate::Computed => Ok(gone.outputs),
            Fate::Dropped => Err(StreamError::Dropped),
            Fate::Failed(failure) => {
                let error = self.failure(failure);
                self.stats(|stats| stats.break_down(error.to_string()));
                Err(error.into())
            }
        };
        self.stats(|stats| match fate {
            Fate::Computed => stats.computed(latency, bound),
            Fate::Dropped => stats.dropped += 1,
            Fate::Failed(_) => stats.failed += 1,
        });
        self.outbox.push_back(StreamAnswer {
            number: item.0,
            tag: gone.tag,
            outputs,
            latency,
        });
    }
}
