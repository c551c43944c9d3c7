//! A stream in virtual time: the stream machine of the pipeline, driven by arrivals and predicted times.

use std::collections::BTreeMap;
use std::time::Duration;

use super::devices::{Devices, Execution};
use super::driver::Flow;
use super::lane::SAME;
use super::{Costs, Noise, SimError, Use};
use crate::plan::{Device, StageKind};
use crate::schedule::{
    Fate, Item, Phase, Stream, StreamCommand, StreamEvent, StreamLane, StreamRules, StreamTask, TimedEngine,
};

/// How one item fared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnsweredItem {
    pub item: Item,
    pub fate: Fate,
    /// Microseconds from the start of the stream.
    pub arrived_us: f64,
    pub answered_us: f64,
}

/// A simulated stream.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedStream {
    /// In the order in which they were delivered.
    pub answers: Vec<AnsweredItem>,
    pub devices: BTreeMap<Device, Use>,
    /// Microseconds until the last answer.
    pub makespan_us: f64,
}

impl SimulatedStream {
    /// Microseconds from arrival to answer that `share` (0 to 1) of the computed items did not exceed.
    pub fn latency_us(&self, share: f64) -> f64 {
        let computed = self.answers.iter().filter(|a| a.fate == Fate::Computed);
        let mut times: Vec<f64> = computed.map(|a| a.answered_us - a.arrived_us).collect();
        times.sort_by(f64::total_cmp);
        let at = (times.len() as f64 * share).ceil() as usize;
        let last = times.len().saturating_sub(1);
        times.get(at.saturating_sub(1).min(last)).copied().unwrap_or(0.0)
    }
}

/// The lanes of a stream with engines of these batches, with their predicted times.
///
/// # Errors
/// [`SimError`] when the costs know no time for an engine.
pub fn stream_lanes(
    flow: Flow,
    batches: &[(Device, Vec<usize>)],
    costs: &dyn Costs,
) -> Result<Vec<StreamLane>, SimError> {
    let mut devices = Devices::<StreamTask>::new(costs, Noise::NONE, 1);
    let mut timed = |stage, device, batch: usize| {
        let cost = devices.cost(stage, device, batch)?;
        let expected = time(cost.submit_us + cost.alone_us);
        Ok::<TimedEngine, SimError>(TimedEngine { batch, expected })
    };
    let merges = |device: Device| flow == Flow::PrefixSuffix && device != Device::Gpu;
    let merging = batches.iter().filter(|(device, _)| merges(*device));
    let mut merged: Vec<usize> = merging.flat_map(|(_, b)| b.iter().copied()).collect();
    merged.sort_unstable();
    merged.dedup();
    let mut lanes = Vec::new();
    for (device, batches) in batches {
        let stage = first_stage(flow, *device);
        let first = batches.iter().map(|batch| timed(stage, *device, *batch));
        let first = first.collect::<Result<Vec<TimedEngine>, SimError>>()?;
        lanes.push(StreamLane {
            device: *device,
            first,
            suffix: Vec::new(),
            merges: merges(*device),
        });
    }
    if !merged.is_empty() {
        let suffix = merged
            .iter()
            .map(|batch| timed(StageKind::Suffix, Device::Gpu, *batch));
        let suffix = suffix.collect::<Result<Vec<TimedEngine>, SimError>>()?;
        match lanes.iter_mut().find(|lane| lane.device == Device::Gpu) {
            Some(gpu) => gpu.suffix = suffix,
            None => lanes.push(StreamLane {
                device: Device::Gpu,
                first: Vec::new(),
                suffix,
                merges: false,
            }),
        }
    }
    Ok(lanes)
}

/// Runs a stream over items that arrive at these times (ascending). Its answers are taken at once.
///
/// # Errors
/// [`SimError`] when the bound cannot be kept at all, or the costs know no time for an execution.
pub fn simulate_stream(
    rules: &StreamRules,
    flow: Flow,
    arrivals: &[Duration],
    costs: &dyn Costs,
    noise: Noise,
) -> Result<SimulatedStream, SimError> {
    let mut world = World {
        flow,
        stream: Stream::new(rules)?,
        devices: Devices::new(costs, noise, 1),
        merge_us: costs.host(flow == Flow::PrefixSuffix).merge_us,
        arrivals,
        arrived: 0,
        closed: false,
        now: 0.0,
        answers: Vec::new(),
        done: false,
    };
    while !world.done {
        world.step()?;
    }
    Ok(SimulatedStream {
        answers: world.answers,
        devices: world.devices.used(),
        makespan_us: world.now,
    })
}

struct World<'a> {
    flow: Flow,
    stream: Stream,
    devices: Devices<'a, StreamTask>,
    merge_us: f64,
    arrivals: &'a [Duration],
    /// How many of them have.
    arrived: usize,
    closed: bool,
    now: f64,
    answers: Vec<AnsweredItem>,
    done: bool,
}

impl World<'_> {
    /// To the next arrival, launch or end of an execution.
    fn step(&mut self) -> Result<(), SimError> {
        let room = self.stream.room();
        let next = self.arrivals.get(self.arrived).filter(|_| room > 0);
        let arrival = next.map(|at| micros(*at));
        let close = (self.arrived == self.arrivals.len() && !self.closed).then_some(self.now);
        let wake = self.stream.wake_at(time(self.now)).map(micros);
        let change = self.devices.until_change(self.now)?;
        let moments = [arrival, close, wake].into_iter().flatten();
        let steps = moments.map(|at| (at - self.now).max(0.0)).chain(change);
        let step = steps.min_by(f64::total_cmp).ok_or(SimError::NoProgress)?;
        let ended = self.devices.advance(step);
        self.now += step;
        for active in ended {
            let task = &active.task;
            let rows = match task.phase {
                Phase::Prefix => task.items.len(),
                Phase::Suffix => 0,
            };
            self.devices.count(task.device, rows, active.cost.bytes);
            self.tell(StreamEvent::Finished(task.id))?;
        }
        if arrival.is_some_and(|at| at <= self.now + SAME) {
            return self.arrive();
        }
        if close.is_some() {
            self.closed = true;
            return self.tell(StreamEvent::Closed);
        }
        self.tell(StreamEvent::Tick)
    }

    /// The next item, and those that come at the same time.
    fn arrive(&mut self) -> Result<(), SimError> {
        let left = &self.arrivals[self.arrived..];
        let Some(at) = left.first().copied() else {
            return Ok(());
        };
        let together = left.iter().take(self.stream.room());
        let items = together.take_while(|other| **other == at).count();
        self.arrived += items;
        self.tell(StreamEvent::Arrived { at, items })
    }

    fn tell(&mut self, event: StreamEvent) -> Result<(), SimError> {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for command in self.stream.handle(time(self.now), event) {
                match command {
                    StreamCommand::Run(task) => self.queue(task)?,
                    StreamCommand::Keep(_) => {}
                    StreamCommand::Deliver(item, fate) => {
                        self.answers.push(AnsweredItem {
                            item,
                            fate,
                            arrived_us: micros(self.arrivals[item.0 as usize]),
                            answered_us: self.now,
                        });
                        events.push(StreamEvent::Taken);
                    }
                    StreamCommand::Done => self.done = true,
                }
            }
        }
        Ok(())
    }

    fn queue(&mut self, task: StreamTask) -> Result<(), SimError> {
        let (stage, ready) = match task.phase {
            Phase::Prefix => (first_stage(self.flow, task.device), self.now),
            Phase::Suffix => (StageKind::Suffix, self.now + self.merge_us),
        };
        let execution = Execution {
            stage,
            device: task.device,
            batch: task.batch,
            id: task.id,
        };
        self.devices.queue(task, execution, ready)
    }
}

/// On the GPU a stream runs a network that is cut uncut.
fn first_stage(flow: Flow, device: Device) -> StageKind {
    match (flow, device) {
        (Flow::Prefix, _) | (Flow::PrefixSuffix, Device::Dla(_)) => StageKind::Prefix,
        (Flow::Whole, _) | (Flow::PrefixSuffix, Device::Gpu) => StageKind::Whole,
    }
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

fn time(micros: f64) -> Duration {
    Duration::from_nanos((micros * 1e3).round() as u64)
}
