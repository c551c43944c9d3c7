//! Drives a [`Schedule`](crate::schedule::Schedule) for real: one worker thread per device, buffers that travel by
//! value, results gathered in input order.

mod buffers;
mod error;
mod run;
mod stats;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{unbounded, Receiver, Sender};

pub use error::PipelineError;
pub use run::{Finished, Job};
pub use stats::{DeviceStats, Stats};

use crate::engine::{Engine, StageKind};
use crate::plan::Device;
use crate::schedule::Loss;
use worker::{Report, Worker};

/// Which engine of a device: one per stage and batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EngineKey {
    pub device: Device,
    pub stage: StageKind,
    pub batch: usize,
}

/// The workers of a session. A device that failed or hung is not used again.
pub struct Pipeline {
    workers: BTreeMap<Device, Worker>,
    installed: BTreeSet<EngineKey>,
    lost: BTreeMap<Device, (Loss, String)>,
    reports: Receiver<Report>,
    /// Keeps the channel open when no worker is left.
    _reporter: Sender<Report>,
    time_limit: Duration,
    cancel: Arc<AtomicBool>,
    runs: u64,
}

impl Pipeline {
    /// Starts a worker for each of `devices`. An execution longer than `time_limit` counts as hung.
    pub fn new(devices: &[Device], time_limit: Duration, cancel: Arc<AtomicBool>) -> Pipeline {
        let (reporter, reports) = unbounded();
        let workers = devices
            .iter()
            .map(|device| (*device, Worker::spawn(*device, reporter.clone())))
            .collect();
        Pipeline {
            workers,
            installed: BTreeSet::new(),
            lost: BTreeMap::new(),
            reports,
            _reporter: reporter,
            time_limit,
            cancel,
            runs: 0,
        }
    }

    pub fn has(&self, key: &EngineKey) -> bool {
        self.installed.contains(key)
    }

    /// Gives a built engine to its device.
    pub fn install(&mut self, key: EngineKey, engine: Box<dyn Engine>) {
        if let Some(worker) = self.workers.get(&key.device) {
            worker.install(key, engine);
            self.installed.insert(key);
        }
    }

    /// Devices that still work, GPU first.
    pub fn devices(&self) -> Vec<Device> {
        self.workers.keys().copied().collect()
    }

    /// Stops using a device; its thread ends by itself when the execution it is in does.
    fn lose(&mut self, device: Device, loss: Loss, message: String) {
        self.workers.remove(&device);
        self.lost.insert(device, (loss, message));
    }
}
