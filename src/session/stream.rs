//! Items that arrive one after the other, answered within a latency bound.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use super::batches::BatchOrigin;
use super::{Session, SessionError};
use crate::engine::{Rows, StageKind};
use crate::pipeline::{EngineKey, Pipeline, Size, StreamAnswer, StreamInput, StreamJob, StreamStats, said};
use crate::plan::{Device, Plan};
use crate::schedule::{Order, Overflow, Stream, StreamLane, StreamRules, TimedEngine};

/// How a stream runs; frozen when it starts.
#[derive(Debug, Clone)]
pub struct StreamConfig {
    /// Longest time from an item's arrival to its answer. Without it a free device takes at once what is waiting.
    pub max_latency: Option<Duration>,
    /// Most rows of an execution, where `plan` does not say. Engines are built for this and for powers of two below.
    pub max_batch: usize,
    /// The devices and their batches; rounds, mode and engines mean nothing here. Default: the session's plan, else the
    /// devices of its tuned or the artifact's plan for most rows, with batches up to that plan's, else all devices.
    pub plan: Option<Plan>,
    /// Items in the stream before its source has to wait, or items are dropped; as many hand-overs may be on their
    /// way in.
    pub capacity: usize,
    pub overflow: Overflow,
    pub order: Order,
}

impl Default for StreamConfig {
    fn default() -> StreamConfig {
        StreamConfig {
            max_latency: None,
            max_batch: 16,
            plan: None,
            capacity: 256,
            overflow: Overflow::Wait,
            order: Order::Arrival,
        }
    }
}

/// A stream in progress. `T` is whatever the caller wants back with an answer.
///
/// It ends when every [`StreamInput`] is dropped and all is answered, or, with the next answer, when `answers` is
/// dropped.
pub struct SessionStream<T> {
    pub input: StreamInput<T>,
    /// In the order that was asked for; every item is answered once.
    pub answers: Receiver<StreamAnswer<T>>,
    /// The engines it uses, in batches of items, with the times measured before it started.
    pub engines: Vec<StreamLane>,
    /// Where the devices and their batches are from.
    pub origin: BatchOrigin,
    pub handle: StreamHandle,
}

/// Sees what a stream does, and waits for its end.
pub struct StreamHandle {
    watch: StreamWatch,
    thread: JoinHandle<()>,
}

/// Sees what a stream has done so far.
#[derive(Clone)]
pub struct StreamWatch(Arc<Mutex<StreamStats>>);

impl StreamWatch {
    pub fn stats(&self) -> StreamStats {
        let stats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stats.clone()
    }

    /// Why the stream does not go on as it should.
    pub fn broken(&self) -> Option<String> {
        let stats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stats.broken.clone()
    }
}

impl StreamHandle {
    pub fn watch(&self) -> StreamWatch {
        self.watch.clone()
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end, which needs every input dropped and every answer taken.
    pub fn wait(self) -> StreamStats {
        // A driver that panicked has hung up; what it counted until then stands.
        let _ = self.thread.join();
        self.watch.stats()
    }
}

impl<T> SessionStream<T> {
    /// Closes this input, takes and drops answers that are left, and waits for the end.
    pub fn finish(self) -> StreamStats {
        drop(self.input);
        while self.answers.recv().is_ok() {}
        self.handle.wait()
    }
}

impl Session {
    /// Starts a stream: builds the engines it needs, measures them, and answers items until the source closes.
    /// Runs of this session wait until the stream has ended.
    ///
    /// # Errors
    /// A plan that is not possible here, a bound that no engine keeps (with the nearest that could be kept), rows that TVM
    /// does not keep apart around the network, an engine that cannot be built or fails.
    pub fn stream<T: Send + 'static>(
        self: &Arc<Session>,
        config: &StreamConfig,
    ) -> Result<SessionStream<T>, SessionError> {
        let (batches, origin) = self.stream_batches(config)?;
        let mut pipeline = self.pipeline();
        let engines = self.lanes(&mut pipeline, &batches)?;
        drop(pipeline);
        let rules = StreamRules {
            lanes: engines.clone(),
            bound: config.max_latency,
            slack: config.max_latency.unwrap_or_default() / 20,
            capacity: config.capacity,
            overflow: config.overflow,
            order: config.order,
        };
        let (groups, inbox) = bounded(config.capacity.max(1));
        let (outbox, answers) = bounded(0);
        let watch = StreamWatch(Arc::default());
        let unit = self.network_rows();
        let [alone, shared] = [&self.alone, self.longest()].map(|way| way.route.clone().of_units(unit));
        let sizes: Vec<usize> = alone.inputs.iter().map(|size| size.of(1)).collect();
        let input = StreamInput::new(&sizes, groups);
        let job = StreamJob {
            stream: Stream::new(&rules)?,
            bound: config.max_latency,
            unit: self.item_rows(),
            network_unit: unit,
            alone,
            shared,
            groups: inbox,
            answers: outbox,
            stats: watch.0.clone(),
        };
        let (session, stats) = (self.clone(), watch.0.clone());
        let thread = Builder::new().name("tvm-dla stream".to_string());
        let (ready, begun) = bounded(1);
        let thread = thread.spawn(move || {
            let mut pipeline = session.pipeline();
            // The caller waits for this; nobody else can have the pipeline before it.
            let _ = ready.send(());
            let ran = catch_unwind(AssertUnwindSafe(|| pipeline.stream(job)));
            if let Err(panic) = ran {
                let mut stats = stats.lock().unwrap_or_else(PoisonError::into_inner);
                stats.break_down(said(&*panic));
            }
        });
        let thread = thread.map_err(|error| SessionError::Thread(error.to_string()))?;
        let _ = begun.recv();
        Ok(SessionStream {
            input,
            answers,
            engines,
            origin,
            handle: StreamHandle { watch, thread },
        })
    }

    /// Builds and measures the engines of every lane; `batches` are of items.
    fn lanes(
        &self,
        pipeline: &mut Pipeline,
        batches: &[(Device, BTreeSet<usize>)],
    ) -> Result<Vec<StreamLane>, SessionError> {
        let unit = self.network_rows();
        let suffix = self.shared.as_ref().is_ok_and(|way| way.suffix.is_some());
        let merges = |device: Device| suffix && device != Device::Gpu;
        let merging = batches.iter().filter(|(device, _)| merges(*device));
        let merged: BTreeSet<usize> = merging.flat_map(|(_, b)| b.iter().copied()).collect();
        let mut keys: Vec<(Device, EngineKey)> = Vec::new();
        for (device, batches) in batches {
            let stage = self.first_stage(*device);
            keys.extend(
                batches
                    .iter()
                    .map(|&items| (*device, EngineKey::new(stage, items * unit))),
            );
        }
        let stage = StageKind::Suffix;
        keys.extend(
            merged
                .iter()
                .map(|&items| (Device::Gpu, EngineKey::new(stage, items * unit))),
        );
        self.build_engines(pipeline, self.longest(), keys.iter().copied())?;
        let times = pipeline.measure(&keys, Duration::ZERO, |key| self.zeros(key))?;
        self.note(&keys, &times);
        let timed = |device: Device, suffix: bool| {
            let mine = keys
                .iter()
                .zip(&times)
                .filter(|((d, key), _)| *d == device && (key.stage == StageKind::Suffix) == suffix);
            let timed = mine.map(|((_, key), time)| TimedEngine {
                batch: key.batch / unit,
                expected: *time,
            });
            timed.collect::<Vec<TimedEngine>>()
        };
        let mut devices: BTreeSet<Device> = batches.iter().map(|(device, _)| *device).collect();
        devices.extend((!merged.is_empty()).then_some(Device::Gpu));
        let lanes = devices.into_iter().map(|device| StreamLane {
            device,
            first: timed(device, false),
            suffix: timed(device, true),
            merges: merges(device),
        });
        Ok(lanes.collect())
    }

    fn first_stage(&self, device: Device) -> StageKind {
        match (device, &self.shared) {
            (Device::Gpu, _) | (Device::Dla(_), Err(_)) => self.alone.route.first,
            (Device::Dla(_), Ok(way)) => way.route.first,
        }
    }

    /// Inputs of an engine, of zeros.
    pub(super) fn zeros(&self, key: EngineKey) -> Vec<Rows> {
        let suffix = self.longest().route.suffix.as_ref();
        let sizes: Vec<Size> = match (key.stage, suffix) {
            (StageKind::Suffix, Some(suffix)) => suffix.inputs.iter().map(|(_, size)| *size).collect(),
            (StageKind::Suffix, None) | (StageKind::Prefix | StageKind::Whole, _) => {
                self.alone.route.inputs.clone()
            }
        };
        let zeros = |size: Size| Rows {
            data: Arc::new(vec![0.0; size.of(key.batch)]),
            offset: 0,
            len: size.of(key.batch),
        };
        sizes.into_iter().map(zeros).collect()
    }
}
