//! Obeys the stream's commands and tells it what happened.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender};

use super::super::error::PipelineError;
use super::super::order::{End, EngineKey, Report, Ticket};
use super::super::route::Route;
use super::super::workers::{Next, Workers};
use super::slots::Slots;
use super::stats::StreamStats;
use super::{StreamAnswer, StreamError, StreamItem};
use crate::engine::StageKind;
use crate::plan::Device;
use crate::schedule::{
    Failure, Fate, Item, Loss, Phase, Stream, StreamCommand, StreamEvent, StreamTask, TaskId,
};

/// A stream to run. Engines exist for every lane.
pub struct StreamJob<T> {
    pub stream: Stream,
    pub bound: Option<Duration>,
    /// Of the GPU, which runs the network uncut.
    pub alone: Route,
    /// Of the DLAs; that of the GPU when there are none.
    pub shared: Route,
    /// Items that arrived together.
    pub groups: Receiver<Vec<StreamItem<T>>>,
    pub answers: Sender<StreamAnswer<T>>,
    pub stats: Arc<Mutex<StreamStats>>,
}

/// How long the driver sleeps at most, whatever happens.
const SLEEP: Duration = Duration::from_secs(1);

/// Runs a stream as number `id` until its source has closed and every item is answered, or nobody takes answers.
pub(in crate::pipeline) fn drive<T>(workers: &mut Workers, id: u64, job: StreamJob<T>) {
    workers.open(id);
    let mut driver = Driver {
        reports: workers.reports(),
        workers,
        id,
        stream: job.stream,
        bound: job.bound,
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

struct Driver<'a, T> {
    workers: &'a mut Workers,
    reports: Receiver<Report>,
    id: u64,
    stream: Stream,
    bound: Option<Duration>,
    slots: Slots<T>,
    groups: Receiver<Vec<StreamItem<T>>>,
    /// Came in, but the stream had no room for them yet.
    pending: VecDeque<StreamItem<T>>,
    closed: bool,
    answers: Sender<StreamAnswer<T>>,
    /// Answers not taken yet; the stream's capacity bounds them.
    outbox: VecDeque<StreamAnswer<T>>,
    running: HashMap<TaskId, StreamTask>,
    stats: Arc<Mutex<StreamStats>>,
    arrived: u64,
    /// Where the stream's time begins.
    start: Instant,
    done: bool,
}

/// Nobody takes answers any more.
struct HungUp;

/// What a wait ended with.
enum Heard<T> {
    Report(Report),
    Group(Vec<StreamItem<T>>),
    Closed,
    Taken,
    HungUp,
    Nothing,
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

    fn listen(&mut self) -> Heard<T> {
        let now = Instant::now();
        let wake = self
            .stream
            .wake_at(now.saturating_duration_since(self.start));
        let wake = wake.and_then(|at| self.start.checked_add(at));
        let limit = self.workers.limit_at();
        let until = [wake, limit].into_iter().flatten().min();
        let until = until.unwrap_or(now + SLEEP).min(now + SLEEP);
        let mut select = Select::new_biased();
        let report = select.recv(&self.reports);
        let sent = (!self.outbox.is_empty()).then(|| select.send(&self.answers));
        let takes = !self.closed && self.pending.is_empty() && self.stream.room() > 0;
        let group = takes.then(|| select.recv(&self.groups));
        let Ok(ready) = select.select_deadline(until) else {
            return Heard::Nothing;
        };
        match ready.index() {
            at if at == report => match ready.recv(&self.reports) {
                Ok(report) => Heard::Report(report),
                // The workers are gone; those that were busy are overdue.
                Err(_) => Heard::Nothing,
            },
            at if Some(at) == group => match ready.recv(&self.groups) {
                Ok(group) => Heard::Group(group),
                Err(_) => Heard::Closed,
            },
            at => {
                debug_assert_eq!(Some(at), sent);
                match self.outbox.pop_front() {
                    Some(answer) => match ready.send(&self.answers, answer) {
                        Ok(()) => Heard::Taken,
                        Err(_) => Heard::HungUp,
                    },
                    None => Heard::Nothing,
                }
            }
        }
    }

    /// Lets items in while there is room: those that arrived together at once.
    fn admit(&mut self) {
        while self.pending.len() < self.stream.room() {
            match self.groups.try_recv() {
                Ok(group) => self.pending.extend(group),
                Err(_) => break,
            }
        }
        while let Some(arrived) = self.pending.front().map(|item| item.arrived) {
            let room = self.pending.iter().take(self.stream.room());
            let items = room.take_while(|item| item.arrived == arrived).count();
            if items == 0 {
                break;
            }
            for item in self.pending.drain(..items) {
                self.slots.insert(Item(self.arrived), item);
                self.arrived += 1;
            }
            let at = arrived.saturating_duration_since(self.start);
            self.tell(StreamEvent::Arrived { at, items }, None);
        }
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
            End::Failed { message } => self.lose(task.device, Loss::Failed, message),
            End::Skipped => {}
        }
    }

    fn hung(&mut self, device: Device) {
        let message =
            "did not finish a round within the time limit; this session does not use it again";
        self.stats(|stats| stats.device(device).hung = true);
        self.lose(device, Loss::TimedOut, message.to_string());
    }

    fn lose(&mut self, device: Device, loss: Loss, message: String) {
        let lost = |task: &StreamTask| task.device == device;
        let items = self.running.values().filter(|t| lost(t));
        let redealt: usize = items.map(|t| t.items.len()).sum();
        self.running.retain(|_, task| !lost(task));
        self.stats(|stats| {
            let stats = stats.device(device);
            stats.redealt += redealt;
            stats.failure.get_or_insert(message);
        });
        self.tell(StreamEvent::Lost(device, loss), None);
    }

    fn tell(&mut self, event: StreamEvent, mut outputs: Option<Vec<Vec<f32>>>) {
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
        let key = EngineKey::new(stage, task.batch);
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
            Fate::Failed(failure) => Err(self.failure(failure).into()),
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

    fn count(&mut self, task: &StreamTask, busy: Duration) {
        let (rows, padding) = (task.items.len(), task.padding());
        self.stats(|stats| {
            let stats = stats.device(task.device);
            stats.rounds += 1;
            stats.padding += padding;
            stats.busy += busy.as_secs_f64();
            match task.phase {
                Phase::Prefix => stats.rows += rows,
                Phase::Suffix => {
                    stats.suffix_rows += rows;
                    stats.suffix_rounds += 1;
                    stats.suffix_busy += busy.as_secs_f64();
                }
            }
        });
    }

    fn stats<R>(&self, change: impl FnOnce(&mut StreamStats) -> R) -> R {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut stats)
    }

    fn failure(&self, failure: Failure) -> PipelineError {
        let failures = self.stats(|stats| {
            let said = stats.devices.iter();
            let said = said.filter_map(|(name, d)| Some((name.clone(), d.failure.clone()?)));
            said.collect::<Vec<(String, String)>>()
        });
        let gpu = Device::Gpu.to_string();
        match failure {
            Failure::SuffixNeedsGpu(_) => PipelineError::GpuLost {
                reason: failures
                    .into_iter()
                    .find_map(|(name, message)| (name == gpu).then_some(message))
                    .unwrap_or_default(),
            },
            Failure::NoDeviceLeft { rows } => PipelineError::NoDeviceLeft {
                rows,
                reason: failures
                    .iter()
                    .map(|(name, message)| format!("{name}: {message}"))
                    .collect::<Vec<_>>()
                    .join("; "),
            },
        }
    }
}
