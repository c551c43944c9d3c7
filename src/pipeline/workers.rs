//! All workers: what each was told and has not answered yet, and since when.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::error::PipelineError;
use super::order::{BuildReport, End, EngineKey, Order, Report, Ticket};
use super::wait;
use super::worker::Worker;
use crate::engine::{Backend, Engine, EngineError, Rows};
use crate::graph::Graph;
use crate::plan::Device;
use crate::schedule::Schedule;

/// How soon a cancelled run notices while every device is busy.
const TICK: Duration = Duration::from_millis(50);

/// An engine to build; the graph has `key.batch` rows.
pub struct WantedEngine {
    pub device: Device,
    pub key: EngineKey,
    pub graph: Arc<Graph>,
}

/// What a wait for the devices ended with.
pub(super) enum Next {
    Report(Report),
    /// This device exceeded the time limit just now.
    Hung(Device),
    /// Nothing within [`TICK`].
    Tick,
}

pub(super) struct Workers {
    members: Vec<Member>,
    reports: Receiver<Report>,
    live: Arc<AtomicU64>,
    limit: Duration,
}

struct Member {
    device: Device,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    /// Its engines, with the time the last execution took.
    built: HashMap<EngineKey, Duration>,
    /// Oldest first.
    waiting: VecDeque<PendingExecution>,
    hung: bool,
}

/// An execution not reported yet.
struct PendingExecution {
    ticket: Ticket,
    key: EngineKey,
    /// From when its time counts: it was sent, or the one before it ended.
    since: Instant,
}

impl Workers {
    pub fn start(
        backend: Arc<dyn Backend>,
        devices: &[Device],
        limit: Duration,
    ) -> Result<Workers, PipelineError> {
        // A worker has at most DEPTH orders, so neither side ever blocks on a full channel.
        let (reports, inbox) = bounded(devices.len() * Schedule::DEPTH);
        let mut workers = Workers {
            members: Vec::new(),
            reports: inbox,
            live: Arc::new(AtomicU64::new(0)),
            limit,
        };
        for &device in devices {
            let worker = Worker {
                device,
                backend: backend.clone(),
                live: workers.live.clone(),
                engines: HashMap::new(),
                broken: 0,
            };
            workers.members.push(member(worker, reports.clone())?);
        }
        Ok(workers)
    }

    pub fn has(&self, device: Device, key: EngineKey) -> bool {
        let member = self.members.iter().find(|m| m.device == device);
        member.is_some_and(|m| m.hung || m.built.contains_key(&key))
    }

    pub fn hung(&self) -> Vec<Device> {
        let hung = self.members.iter().filter(|m| m.hung);
        hung.map(|m| m.device).collect()
    }

    /// From here on workers take orders of this run only; 0 is no run.
    pub fn open(&self, run: u64) {
        self.live.store(run, Ordering::Release);
    }

    /// Waits until no device works for an earlier run; one that never ends is hung.
    pub fn settle(&mut self) {
        while self.members.iter().any(|m| !m.waiting.is_empty()) {
            self.next();
        }
    }

    /// Gives `device` an execution. `false` when it can take none.
    pub fn run(
        &mut self,
        device: Device,
        ticket: Ticket,
        key: EngineKey,
        inputs: Vec<Rows>,
        beside: bool,
    ) -> bool {
        let Some(member) = self.members.iter_mut().find(|m| m.device == device) else {
            return false;
        };
        let order = Order::Run {
            ticket,
            key,
            inputs,
            beside,
        };
        let sent = !member.hung && member.send(order);
        if sent {
            member.waiting.push_back(PendingExecution {
                ticket,
                key,
                since: Instant::now(),
            });
        }
        sent
    }

    /// Waits for a report, the end of someone's time limit, or a tick.
    pub fn next(&mut self) -> Next {
        let tick = Instant::now() + TICK;
        let until = self.limit_at().map_or(tick, |deadline| deadline.min(tick));
        let report = match self.expected() {
            Some((early, late)) => wait::receive(&self.reports, (early, late), until),
            None => self.reports.recv_deadline(until),
        };
        match report {
            Ok(report) => self.received(report),
            Err(RecvTimeoutError::Timeout) => self.overdue().map_or(Next::Tick, Next::Hung),
            // Every thread is gone, so nobody will ever answer.
            Err(RecvTimeoutError::Disconnected) => match self.oldest() {
                Some((_, at)) => Next::Hung(self.give_up(at)),
                None => Next::Tick,
            },
        }
    }

    /// Where reports come in, for a caller that waits for other things as well; they go through
    /// [`Workers::received`].
    pub fn reports(&self) -> Receiver<Report> {
        self.reports.clone()
    }

    /// When the time limit of the next device ends. A limit too large for the clock is no limit.
    pub fn limit_at(&self) -> Option<Instant> {
        self.oldest().and_then(|(since, _)| since.checked_add(self.limit))
    }

    /// Gives up on the device whose time limit has ended.
    pub fn overdue(&mut self) -> Option<Device> {
        let (since, at) = self.oldest()?;
        let deadline = since.checked_add(self.limit)?;
        (deadline <= Instant::now()).then(|| self.give_up(at))
    }

    /// The device that has worked longest, since when.
    fn oldest(&self) -> Option<(Instant, usize)> {
        let waiting = self.members.iter().enumerate();
        waiting
            .filter_map(|(at, m)| m.waiting.front().map(|w| (w.since, at)))
            .min()
    }

    /// When a lone device should end its only execution. With more in flight nobody waits for the hand-over.
    fn expected(&self) -> Option<(Instant, Instant)> {
        let mut busy = self.members.iter().filter(|m| !m.waiting.is_empty());
        let member = busy.next().filter(|m| m.waiting.len() == 1)?;
        let PendingExecution { key, since, .. } = member.waiting.front()?;
        let (early, late) = wait::window(*member.built.get(key)?);
        busy.next().is_none().then(|| (*since + early, *since + late))
    }

    /// Notes that a device has reported; from one that was given up it means nothing.
    pub fn received(&mut self, report: Report) -> Next {
        let member = self.members.iter_mut().find(|m| m.device == report.device);
        let Some(member) = member.filter(|m| !m.hung) else {
            return Next::Tick;
        };
        member.waiting.retain(|w| w.ticket != report.ticket);
        if let Some(next) = member.waiting.front_mut() {
            next.since = Instant::now();
        }
        match report.end {
            End::Done { busy, .. } => drop(member.built.insert(report.key, busy)),
            End::Failed { .. } => drop(member.built.remove(&report.key)),
            End::Skipped => {}
        }
        Next::Report(report)
    }

    /// Never uses this device again; its thread is left to itself.
    fn give_up(&mut self, at: usize) -> Device {
        let member = &mut self.members[at];
        member.hung = true;
        member.waiting.clear();
        member.orders = None;
        member.thread = None;
        member.device
    }

    /// Builds one engine per device at a time, so that a cancelled set-up ends after the builds in progress.
    pub fn build(&mut self, mut wanted: Vec<WantedEngine>, cancel: &AtomicBool) -> Result<(), PipelineError> {
        let (reply, built) = bounded(self.members.len());
        let mut failed: Option<EngineError> = None;
        let mut open = 0;
        let devices: Vec<Device> = self.members.iter().map(|m| m.device).collect();
        for device in devices {
            open += usize::from(self.order(device, &mut wanted, &reply));
        }
        while open > 0 {
            let Ok(BuildReport { device, key, result }) = built.recv() else {
                break;
            };
            open -= 1;
            match result {
                Ok(()) => self.note(device, key),
                Err(error) => failed = Some(error),
            }
            if failed.is_none() && !cancel.load(Ordering::Relaxed) {
                open += usize::from(self.order(device, &mut wanted, &reply));
            }
        }
        match failed {
            Some(error) => Err(error.into()),
            None if cancel.load(Ordering::Relaxed) => Err(PipelineError::Cancelled),
            None => Ok(()),
        }
    }

    /// The engines that devices have which can be used.
    pub fn built(&self) -> Vec<(Device, EngineKey)> {
        let able = self.members.iter().filter(|m| !m.hung);
        able.flat_map(|m| m.built.keys().map(|key| (m.device, *key)))
            .collect()
    }

    /// Hands `device` an engine that was built elsewhere, and waits until it has it. Nothing may run.
    pub fn adopt(&mut self, device: Device, key: EngineKey, engine: Box<dyn Engine>) {
        let (reply, done) = bounded(1);
        let order = Order::Adopt { key, engine, reply };
        let member = self.members.iter().find(|m| m.device == device);
        if member.is_some_and(|m| !m.hung && m.send(order)) && done.recv().is_ok() {
            self.note(device, key);
        }
    }

    fn order(&mut self, device: Device, wanted: &mut Vec<WantedEngine>, reply: &Sender<BuildReport>) -> bool {
        let Some(at) = wanted.iter().position(|w| w.device == device) else {
            return false;
        };
        let WantedEngine { key, graph, .. } = wanted.remove(at);
        let order = Order::Build {
            key,
            graph,
            reply: reply.clone(),
        };
        let member = self.members.iter().find(|m| m.device == device);
        member.is_some_and(|m| m.send(order))
    }

    fn note(&mut self, device: Device, key: EngineKey) {
        if let Some(member) = self.members.iter_mut().find(|m| m.device == device) {
            member.built.insert(key, Duration::ZERO);
        }
    }
}

impl Member {
    fn send(&self, order: Order) -> bool {
        let orders = self.orders.as_ref();
        orders.is_some_and(|orders| orders.try_send(order).is_ok())
    }
}

fn member(worker: Worker, reports: Sender<Report>) -> Result<Member, PipelineError> {
    let device = worker.device;
    let (orders, inbox) = bounded(Schedule::DEPTH);
    let thread = Builder::new()
        .name(format!("tvm-dla {device}"))
        .spawn(move || worker.serve(inbox, reports))
        .map_err(|error| PipelineError::Thread {
            device,
            reason: error.to_string(),
        })?;
    Ok(Member {
        device,
        orders: Some(orders),
        thread: Some(thread),
        built: HashMap::new(),
        waiting: VecDeque::new(),
        hung: false,
    })
}

/// Idle workers end and free their engines before this returns; a busy one is left to itself.
impl Drop for Workers {
    fn drop(&mut self) {
        self.open(0);
        for member in &mut self.members {
            member.orders = None;
        }
        // A worker that ends frees its engines, and freeing memory waits for the whole board: also for a device that
        // will never end.
        if self.members.iter().any(|m| m.hung || !m.waiting.is_empty()) {
            return;
        }
        for member in &mut self.members {
            if let Some(thread) = member.thread.take() {
                let _ = thread.join();
            }
        }
    }
}
