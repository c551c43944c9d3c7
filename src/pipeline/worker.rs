//! The thread of one device: owns its engines and does what it is told, one order after the other.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use super::order::{Built, End, EngineKey, Order, Report, Ticket};
use super::wait;
use crate::engine::{Backend, Engine, EngineError, EngineSpec, Rows};
use crate::graph::Graph;
use crate::plan::Device;

pub(super) struct Worker {
    pub device: Device,
    pub backend: Arc<dyn Backend>,
    /// The run in progress; orders of any other are skipped.
    pub live: Arc<AtomicU64>,
    pub engines: HashMap<EngineKey, Box<dyn Engine>>,
    /// The run in which this device failed.
    pub broken: u64,
}

impl Worker {
    /// Serves until the pipeline hangs up.
    pub fn serve(mut self, orders: Receiver<Order>, reports: Sender<Report>) {
        while let Some(order) = next(&orders) {
            match order {
                Order::Build { key, graph, reply } => {
                    let built = Built {
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
                } => {
                    let report = Report {
                        device: self.device,
                        ticket,
                        key,
                        end: self.run(ticket, key, inputs),
                    };
                    let _ = reports.send(report);
                }
            }
        }
        for key in self.engines.keys().copied().collect::<Vec<_>>() {
            self.discard(key);
        }
    }

    fn build(&mut self, key: EngineKey, graph: &Graph) -> Result<(), EngineError> {
        let spec = EngineSpec {
            stage: key.stage,
            device: self.device,
            batch: key.batch,
        };
        let built = catch_unwind(AssertUnwindSafe(|| self.backend.build(graph, &spec)));
        let engine = built.unwrap_or_else(|panic| Err(spec.error(said(&*panic))))?;
        self.engines.insert(key, engine);
        Ok(())
    }

    fn run(&mut self, ticket: Ticket, key: EngineKey, inputs: Vec<Rows>) -> End {
        if self.broken == ticket.run || self.live.load(Ordering::Acquire) != ticket.run {
            return End::Skipped;
        }
        let start = Instant::now();
        match self.execute(key, inputs) {
            Ok(outputs) => End::Done {
                outputs,
                started: start,
                busy: start.elapsed(),
            },
            Err(message) => {
                self.broken = ticket.run;
                self.discard(key);
                End::Failed { message }
            }
        }
    }

    fn execute(&mut self, key: EngineKey, inputs: Vec<Rows>) -> Result<Vec<Vec<f32>>, String> {
        let engine = self.engines.get_mut(&key).ok_or_else(|| {
            format!(
                "no {:?} engine of {} rows was built on {}",
                key.stage, key.batch, self.device
            )
        })?;
        let result = catch_unwind(AssertUnwindSafe(|| {
            engine.enqueue(inputs)?;
            engine.wait()
        }));
        match result {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(panic) => Err(said(&*panic)),
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

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| text.to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.as_deref().unwrap_or("no message"))
}
