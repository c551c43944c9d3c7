//! Drives the scheduler for real: one worker thread per device, rows gathered in input order.
//!
//! Workers live as long as the [`Pipeline`] and own their engines. Inputs are shared, never copied; a result is copied
//! once, to its place, and not at all when one execution computes all rows.

mod error;
mod gather;
mod measure;
mod order;
mod route;
mod run;
mod stats;
mod stream;
mod wait;
mod worker;
mod workers;

pub use error::PipelineError;
pub use order::EngineKey;
pub use route::{Output, Route, Size, SuffixRoute};
pub use stats::{DeviceStats, Stats};
pub use stream::{RefusedItems, StreamAnswer, StreamError, StreamInput, StreamItem, StreamJob, StreamStats};
pub(crate) use worker::said;
pub use workers::WantedEngine;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::engine::{Array, Backend, Engine, Rows};
use crate::plan::{Device, Plan};
use workers::Workers;

/// The devices of a session with everything built on them.
pub struct Pipeline {
    workers: Workers,
    cancel: Arc<AtomicBool>,
    runs: u64,
}

/// One batch to compute: `inputs` have `plan.total()` rows each, engines exist for every share.
pub struct Job<'a> {
    pub plan: &'a Plan,
    pub route: &'a Route,
    pub inputs: &'a [Array],
}

impl Pipeline {
    /// Starts a worker per device. `limit` bounds one execution; a device that exceeds it is never used again.
    ///
    /// # Errors
    /// [`PipelineError::Thread`] when the system refuses a thread.
    pub fn new(
        backend: Arc<dyn Backend>,
        devices: &[Device],
        limit: Duration,
        cancel: Arc<AtomicBool>,
    ) -> Result<Pipeline, PipelineError> {
        Ok(Pipeline {
            workers: Workers::start(backend, devices, limit)?,
            cancel,
            runs: 0,
        })
    }

    /// Whether this engine exists, or never will because its device hangs.
    pub fn has(&self, device: Device, key: EngineKey) -> bool {
        self.workers.has(device, key)
    }

    /// The devices that exceeded the time limit.
    pub fn hung(&self) -> Vec<Device> {
        self.workers.hung()
    }

    /// The engines that can be used.
    pub fn built(&self) -> Vec<(Device, EngineKey)> {
        self.workers.built()
    }

    /// Takes over an engine that was built elsewhere. Waits first for what an earlier run left on the devices.
    pub fn adopt(&mut self, device: Device, key: EngineKey, engine: Box<dyn Engine>) {
        self.workers.settle();
        self.workers.adopt(device, key, engine);
    }

    /// Builds engines, the devices at the same time. Waits first for what an earlier run left on the devices.
    ///
    /// # Errors
    /// [`PipelineError::Build`] names stage and device; [`PipelineError::Cancelled`] between two builds.
    pub fn build(&mut self, wanted: Vec<WantedEngine>) -> Result<(), PipelineError> {
        self.workers.settle();
        self.workers.build(wanted, &self.cancel)
    }

    /// Computes one batch. Builds nothing.
    ///
    /// # Errors
    /// [`PipelineError::GpuLost`], [`PipelineError::NoDeviceLeft`] or, between two rounds, [`PipelineError::Cancelled`].
    pub fn run(&mut self, job: &Job<'_>) -> Result<(Vec<Array>, Stats), PipelineError> {
        self.workers.settle();
        self.runs += 1;
        run::run(&mut self.workers, self.runs, job, &self.cancel)
    }

    /// The time one execution takes with the devices to itself, each engine in turn, for `long` or two executions. The
    /// first of an engine warms it up.
    ///
    /// # Errors
    /// [`PipelineError::Measure`] when an engine fails or hangs.
    pub fn measure(
        &mut self,
        engines: &[(Device, EngineKey)],
        long: Duration,
        inputs: impl Fn(EngineKey) -> Vec<Rows>,
    ) -> Result<Vec<Duration>, PipelineError> {
        self.workers.settle();
        self.runs += 1;
        let id = self.runs;
        let engines = engines.iter().copied();
        engines
            .map(|(device, key)| measure::measure(&mut self.workers, id, device, key, &inputs(key), long))
            .collect()
    }

    /// Runs a stream until its source has closed and every item is answered, or nobody takes answers any more.
    pub fn stream<T>(&mut self, job: StreamJob<T>) {
        self.workers.settle();
        self.runs += 1;
        stream::drive(&mut self.workers, self.runs, job);
    }
}
