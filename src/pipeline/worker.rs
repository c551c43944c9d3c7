//! The thread of one device: it owns the device's engines and runs one execution after the other.

use std::collections::HashMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{unbounded, Receiver, Sender};

use super::EngineKey;
use crate::engine::{Engine, EngineError, Rows};
use crate::plan::Device;
use crate::schedule::TaskId;

enum Order {
    Install(EngineKey, Box<dyn Engine>),
    Run {
        run: u64,
        task: TaskId,
        key: EngineKey,
        inputs: Vec<Rows>,
    },
}

/// The end of one execution.
pub(super) struct Report {
    /// Which run of the pipeline it belongs to; a late one of an earlier run is ignored.
    pub run: u64,
    pub device: Device,
    pub task: TaskId,
    pub result: Result<Vec<Vec<f32>>, EngineError>,
    pub busy: Duration,
}

/// A handle on the thread; dropping it lets the thread end after what it is doing.
pub(super) struct Worker {
    orders: Sender<Order>,
}

impl Worker {
    pub fn spawn(device: Device, reports: Sender<Report>) -> Worker {
        let (orders, received) = unbounded();
        thread::Builder::new()
            .name(format!("tvm-dla {device}"))
            .spawn(move || work(device, &received, &reports))
            .expect("the system gives a thread per device");
        Worker { orders }
    }

    pub fn install(&self, key: EngineKey, engine: Box<dyn Engine>) {
        self.send(Order::Install(key, engine));
    }

    pub fn run(&self, run: u64, task: TaskId, key: EngineKey, inputs: Vec<Rows>) {
        self.send(Order::Run {
            run,
            task,
            key,
            inputs,
        });
    }

    fn send(&self, order: Order) {
        self.orders
            .send(order)
            .expect("a worker lives as long as its handle");
    }
}

fn work(device: Device, orders: &Receiver<Order>, reports: &Sender<Report>) {
    let mut engines: HashMap<EngineKey, Box<dyn Engine>> = HashMap::new();
    for order in orders {
        match order {
            Order::Install(key, engine) => {
                engines.insert(key, engine);
            }
            Order::Run {
                run,
                task,
                key,
                inputs,
            } => {
                let started = Instant::now();
                let result = execute(&mut engines, key, inputs);
                let report = Report {
                    run,
                    device,
                    task,
                    busy: started.elapsed(),
                    result,
                };
                if reports.send(report).is_err() {
                    return;
                }
            }
        }
    }
}

fn execute(
    engines: &mut HashMap<EngineKey, Box<dyn Engine>>,
    key: EngineKey,
    inputs: Vec<Rows>,
) -> Result<Vec<Vec<f32>>, EngineError> {
    let fail = |message: &str| EngineError {
        stage: key.stage,
        device: key.device,
        message: message.to_string(),
    };
    let engine = engines
        .get_mut(&key)
        .ok_or_else(|| fail("no engine of this batch was prepared"))?;
    let body = || {
        engine.enqueue(inputs)?;
        engine.wait()
    };
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(fail("the engine panicked")))
}
