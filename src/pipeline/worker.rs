//! The thread of one device: owns its engines and does what it is told, one order after the other.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use super::order::{BuildReport, End, EngineKey, Order, Report, Ticket};
use super::wait;
use crate::engine::{Backend, Engine, EngineError, EngineSpec, Rows};
use crate::graph::Graph;
use crate::plan::{Device, counted};

pub(super) struct Worker {
    pub device: Device,
    pub backend: Arc<dyn Backend>,
    /// The run in progress; orders of any other are skipped.
    pub live: Arc<AtomicU64>,
    pub engines: HashMap<EngineKey, Box<dyn Engine>>,
    /// The run in which this device failed.
    pub broken: u64,
}

/// How an engine failed.
enum Fault {
    Error(String),
    Panic(String),
}

/// An execution that was started and not waited for.
struct StartedExecution {
    ticket: Ticket,
    key: EngineKey,
    at: Instant,
}

impl Worker {
    /// Serves until the pipeline hangs up.
    pub fn serve(mut self, orders: Receiver<Order>, reports: Sender<Report>) {
        let mut running: VecDeque<StartedExecution> = VecDeque::new();
        loop {
            let order = match running.front() {
                None => match next(&orders) {
                    Some(order) => Some(order),
                    None => break,
                },
                Some(oldest) => self.order_before(oldest.key, &orders),
            };
            let Some(order) = order else {
                let left = running.len().saturating_sub(1);
                self.finish(&mut running, left, &reports);
                continue;
            };
            match order {
                Order::Adopt { key, engine, reply } => {
                    self.engines.insert(key, engine);
                    let _ = reply.send(());
                }
                Order::Build { key, graph, reply } => {
                    let built = BuildReport {
                        device: self.device,
                        key,
                        result: self.build(key, &graph),
                    };
                    // The receiver is gone only when the caller no longer wants to know.
                    let _ = reply.send(built);
                }
                Order::Run {
                    ticket,
                    key,
                    inputs,
                    beside,
                } => {
                    let key = self.admit(key, beside, &mut running, &reports);
                    match self.start(ticket, key, inputs) {
                        Ok(started) => running.push_back(started),
                        Err(end) => self.report(ticket, key, end, &reports),
                    }
                }
            }
        }
        for key in self.engines.keys().copied().collect::<Vec<_>>() {
            self.discard(key);
        }
    }

    /// The engine for the next execution, once it may start: beside that of another engine, or behind those that this one
    /// has in flight already, as many as it takes.
    fn admit(
        &mut self,
        key: EngineKey,
        beside: bool,
        running: &mut VecDeque<StartedExecution>,
        reports: &Sender<Report>,
    ) -> EngineKey {
        if beside {
            self.finish(running, 1, reports);
            let copy = running.front().map_or(0, |other| 1 - other.key.copy);
            return EngineKey { copy, ..key };
        }
        let alone = running.iter().all(|started| started.key == key);
        let depth = self.engines.get(&key).map_or(1, |engine| engine.depth());
        let left = if alone { depth.saturating_sub(1) } else { 0 };
        self.finish(running, left, reports);
        key
    }

    /// The next order, if it comes before the execution of `oldest` has ended: its rows are best packed while the device
    /// computes. Awake for a while, so that a short execution's end is seen at once; a long one is left to a sleeping wait.
    fn order_before(&self, oldest: EngineKey, orders: &Receiver<Order>) -> Option<Order> {
        let engine = self.engines.get(&oldest);
        let done = || engine.is_none_or(|engine| engine.is_done());
        let soon = wait::poll_unless(orders, Instant::now() + wait::SHORT_EXECUTION, done);
        soon.and_then(Result::ok)
    }

    /// Waits for the oldest executions until at most `left` run.
    fn finish(&mut self, running: &mut VecDeque<StartedExecution>, left: usize, reports: &Sender<Report>) {
        while running.len() > left {
            if let Some(started) = running.pop_front() {
                let (ticket, key) = (started.ticket, started.key);
                let end = self.wait(started);
                // The one behind it had the device to itself only from now on.
                let now = Instant::now();
                running.iter_mut().for_each(|started| started.at = now);
                self.report(ticket, key, end, reports);
            }
        }
    }

    fn report(&self, ticket: Ticket, key: EngineKey, end: End, reports: &Sender<Report>) {
        let _ = reports.send(Report {
            device: self.device,
            ticket,
            key,
            end,
        });
    }

    fn build(&mut self, key: EngineKey, graph: &Graph) -> Result<(), EngineError> {
        let spec = EngineSpec {
            stage: key.stage,
            device: self.device,
            // A network that is one row as a whole may have parts of several.
            batch: graph.batch(),
        };
        let built = catch_unwind(AssertUnwindSafe(|| self.backend.build(graph, &spec)));
        let engine = built.unwrap_or_else(|panic| Err(spec.error(said(&*panic))))?;
        self.engines.insert(key, engine);
        Ok(())
    }

    fn start(&mut self, ticket: Ticket, key: EngineKey, inputs: Vec<Rows>) -> Result<StartedExecution, End> {
        if self.broken == ticket.run || self.live.load(Ordering::Acquire) != ticket.run {
            return Err(End::Skipped);
        }
        let at = Instant::now();
        match self.guarded(key, |engine| engine.enqueue(inputs)) {
            Ok(()) => Ok(StartedExecution { ticket, key, at }),
            Err(fault) => Err(self.failed(ticket, key, fault)),
        }
    }

    fn wait(&mut self, started: StartedExecution) -> End {
        let StartedExecution { ticket, key, at } = started;
        if !self.engines.contains_key(&key) {
            // It failed with the execution before this one.
            return End::Skipped;
        }
        match self.guarded(key, |engine| engine.wait()) {
            Ok(_) if self.broken == ticket.run => End::Skipped,
            Ok(outputs) => End::Done {
                outputs,
                started: at,
                busy: at.elapsed(),
            },
            Err(fault) => self.failed(ticket, key, fault),
        }
    }

    fn failed(&mut self, ticket: Ticket, key: EngineKey, fault: Fault) -> End {
        self.broken = ticket.run;
        self.discard(key);
        match fault {
            Fault::Error(message) => End::Failed {
                message,
                panicked: false,
            },
            Fault::Panic(message) => End::Failed {
                message,
                panicked: true,
            },
        }
    }

    fn guarded<T>(
        &mut self,
        key: EngineKey,
        act: impl FnOnce(&mut dyn Engine) -> Result<T, EngineError>,
    ) -> Result<T, Fault> {
        let engine = self.engines.get_mut(&key).ok_or_else(|| {
            Fault::Error(format!(
                "no {} engine of {} was built on {}",
                key.stage,
                counted(key.batch, "row"),
                self.device
            ))
        })?;
        match catch_unwind(AssertUnwindSafe(|| act(engine.as_mut()))) {
            Ok(result) => result.map_err(|error| Fault::Error(error.to_string())),
            Err(panic) => Err(Fault::Panic(said(&*panic))),
        }
    }

    /// An engine that failed may fail again on its way out.
    fn discard(&mut self, key: EngineKey) {
        let engine = self.engines.remove(&key);
        let _ = catch_unwind(AssertUnwindSafe(|| drop(engine)));
    }
}

/// `None` when the pipeline has hung up.
fn next(orders: &Receiver<Order>) -> Option<Order> {
    let soon = wait::poll(orders, Instant::now() + wait::NEXT_ORDER);
    soon.unwrap_or_else(|| orders.recv()).ok()
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| text.to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.as_deref().unwrap_or("no message"))
}
