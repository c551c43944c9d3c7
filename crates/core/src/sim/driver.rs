//! Obeys the scheduler's commands in virtual time.

use std::collections::BTreeMap;

use super::devices::{Devices, Execution};
use super::lane::Active;
use super::{Costs, Noise, SimError, Use};
use crate::plan::{Device, Mode, Plan, StageKind};
use crate::schedule::{Command, Event, Phase, Schedule, Task};
use crate::trace::{Span, Timeline, Track, Work};

/// The stages rows flow through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The network uncut.
    Whole,
    /// The prefix is all there is.
    Prefix,
    /// The prefix, a merge, the suffix on the GPU.
    PrefixSuffix,
}

/// One simulated run.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedRun {
    pub rows: usize,
    /// Microseconds from the call to the last row.
    pub makespan_us: f64,
    pub devices: BTreeMap<Device, Use>,
    /// What the scheduler was told, in order.
    pub events: Vec<Event>,
    pub spans: Vec<Span>,
}

impl SimulatedRun {
    /// Rows per second.
    pub fn rate(&self) -> f64 {
        self.rows as f64 * 1e6 / self.makespan_us.max(f64::MIN_POSITIVE)
    }

    /// DRAM traffic of all devices in bytes.
    pub fn bytes(&self) -> u64 {
        self.devices.values().map(|d| d.bytes).sum()
    }

    /// The timeline under a title, which ought to say that it is simulated and on which board.
    pub fn timeline(&self, title: &str) -> Timeline {
        Timeline {
            title: title.to_string(),
            spans: self.spans.clone(),
        }
    }
}

/// Runs `plan` once.
///
/// # Errors
/// [`SimError`] when the costs know no time for an execution, or are not times, or the plan has nothing to run.
pub fn simulate(plan: &Plan, flow: Flow, costs: &dyn Costs, noise: Noise) -> Result<SimulatedRun, SimError> {
    let mut world = World::new(plan, flow, costs, noise);
    let commands = world.schedule.start(&[]);
    world.obey(commands)?;
    while !world.done {
        world.step()?;
    }
    Ok(world.finish(plan))
}

struct World<'a> {
    flow: Flow,
    schedule: Schedule,
    now: f64,
    /// From when the next commands may start.
    ready: f64,
    devices: Devices<'a, Task>,
    mode: Mode,
    merge_us: f64,
    /// When the last merge ends.
    merged: Option<f64>,
    events: Vec<Event>,
    spans: Vec<Span>,
    done: bool,
}

impl<'a> World<'a> {
    fn new(plan: &Plan, flow: Flow, costs: &'a dyn Costs, noise: Noise) -> World<'a> {
        let host = costs.host(flow == Flow::PrefixSuffix);
        let mut world = World {
            flow,
            schedule: Schedule::new(plan, flow == Flow::PrefixSuffix),
            now: 0.0,
            ready: host.run_us,
            devices: Devices::new(costs, noise, plan.engines),
            mode: plan.mode,
            merge_us: host.merge_us,
            merged: None,
            events: Vec::new(),
            spans: Vec::new(),
            done: false,
        };
        world.host("start", 0.0, host.run_us);
        world
    }

    fn obey(&mut self, commands: Vec<Command>) -> Result<(), SimError> {
        for command in commands {
            match command {
                Command::Run(task) => self.queue(task)?,
                Command::Keep(_) => {}
                Command::Done => self.done = true,
                Command::Fail(_) => return Err(SimError::NoProgress),
            }
        }
        Ok(())
    }

    fn queue(&mut self, task: Task) -> Result<(), SimError> {
        let ready = match task.phase {
            Phase::Prefix => self.ready,
            Phase::Suffix => self.merge(),
        };
        let execution = Execution {
            stage: self.stage(task.phase),
            device: task.device,
            batch: task.window.len(),
            id: task.id,
        };
        self.devices.queue(task, execution, ready.max(self.now))
    }

    /// The moment from which a suffix execution may start: one merge before the first of them, or, when they are
    /// pipelined, one before each. The host merges one after the other, beside the devices.
    fn merge(&mut self) -> f64 {
        match (self.merged, self.mode) {
            (Some(end), Mode::Merged) => end,
            (before, _) => {
                let start = before.unwrap_or(0.0).max(self.now);
                self.host("merge", start, self.merge_us);
                *self.merged.insert(start + self.merge_us)
            }
        }
    }

    fn stage(&self, phase: Phase) -> StageKind {
        match (phase, self.flow) {
            (Phase::Suffix, _) => StageKind::Suffix,
            (Phase::Prefix, Flow::Whole) => StageKind::Whole,
            (Phase::Prefix, Flow::Prefix | Flow::PrefixSuffix) => StageKind::Prefix,
        }
    }

    /// To the next moment at which an execution starts, begins to compute or ends.
    fn step(&mut self) -> Result<(), SimError> {
        let step = self.devices.until_change(self.now)?;
        let step = step.ok_or(SimError::NoProgress)?;
        self.now += step;
        let ended = self.devices.advance(step);
        ended.into_iter().try_for_each(|active| self.end(active))
    }

    fn end(&mut self, active: Active<Task>) -> Result<(), SimError> {
        let Active {
            task, start, cost, ..
        } = active;
        let stage = self.stage(task.phase);
        let rows = match task.phase {
            Phase::Prefix => task.rows.len(),
            Phase::Suffix => 0,
        };
        self.devices.count(task.device, rows, cost.bytes);
        self.spans.push(Span {
            track: Track::Device(task.device),
            work: Work::Stage {
                stage,
                rows: task.rows.clone(),
                padding: task.padding(),
                bytes: Some(cost.bytes),
            },
            start_us: start,
            duration_us: self.now - start,
        });
        self.events.push(Event::Finished(task.id));
        let commands = self.schedule.handle(Event::Finished(task.id));
        self.obey(commands)
    }

    fn host(&mut self, what: &'static str, start_us: f64, us: f64) {
        if us > 0.0 {
            self.spans.push(Span {
                track: Track::Host,
                work: Work::Runtime(what),
                start_us,
                duration_us: us,
            });
        }
    }

    fn finish(self, plan: &Plan) -> SimulatedRun {
        SimulatedRun {
            rows: plan.total(),
            makespan_us: self.now,
            devices: self.devices.used(),
            events: self.events,
            spans: self.spans,
        }
    }
}
