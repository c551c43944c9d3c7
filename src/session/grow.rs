//! Engines that are built in the background, one after the other, and taken over between batches.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::engine::{Backend, Engine, EngineSpec};
use crate::pipeline::{EngineKey, WantedEngine};
use crate::plan::Device;

/// Builds engines while batches run. Dropped, it waits for the one in progress: a library must not be unloaded under it.
pub(super) struct Grower {
    backend: Arc<dyn Backend>,
    thread: Option<Thread>,
    asked: HashSet<(Device, EngineKey)>,
}

struct Thread {
    jobs: Sender<WantedEngine>,
    grown: Receiver<Grown>,
    handle: JoinHandle<()>,
}

/// An engine, or why there is none.
pub(super) struct Grown {
    pub device: Device,
    pub key: EngineKey,
    pub engine: Result<Box<dyn Engine>, String>,
    pub took: Duration,
}

impl Grower {
    pub fn new(backend: Arc<dyn Backend>) -> Grower {
        Grower {
            backend,
            thread: None,
            asked: HashSet::new(),
        }
    }

    /// Asks for an engine, once.
    pub fn ask(&mut self, wanted: WantedEngine) {
        if self.asked.insert((wanted.device, wanted.key)) {
            if self.thread.is_none() {
                self.thread = start(self.backend.clone());
            }
            if let Some(thread) = &self.thread {
                // The thread ends only with this end of the channel.
                let _ = thread.jobs.send(wanted);
            }
        }
    }

    /// What has been built since.
    pub fn grown(&self) -> Vec<Grown> {
        let thread = self.thread.iter();
        thread.flat_map(|thread| thread.grown.try_iter()).collect()
    }
}

impl Drop for Grower {
    fn drop(&mut self) {
        if let Some(Thread { jobs, grown, handle }) = self.thread.take() {
            drop((jobs, grown));
            let _ = handle.join();
        }
    }
}

/// `None` when the system refuses a thread: then nothing is built.
fn start(backend: Arc<dyn Backend>) -> Option<Thread> {
    let (jobs, inbox) = unbounded::<WantedEngine>();
    let (outbox, grown) = unbounded();
    let build = move || {
        for WantedEngine { device, key, graph } in inbox {
            let spec = EngineSpec {
                stage: key.stage,
                device,
                batch: key.batch,
            };
            let began = Instant::now();
            let built = catch_unwind(AssertUnwindSafe(|| backend.build(&graph, &spec)));
            let engine = match built {
                Ok(built) => built.map_err(|error| error.to_string()),
                Err(_) => Err("building it panicked".to_string()),
            };
            let took = began.elapsed();
            let grown = Grown {
                device,
                key,
                engine,
                took,
            };
            // Whoever asked is gone, and does not wait for the rest of the queue.
            if outbox.send(grown).is_err() {
                return;
            }
        }
    };
    let handle = Builder::new().name("tvm-dla grow".into()).spawn(build).ok()?;
    Some(Thread { jobs, grown, handle })
}
