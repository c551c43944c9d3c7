//! One batch through the workers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::buffers::Gather;
use super::worker::Report;
use super::{DeviceStats, EngineKey, Pipeline, PipelineError, Stats};
use crate::engine::{Array, Rows, StageKind};
use crate::plan::{Device, Plan};
use crate::schedule::{Command, Event, Failure, Loss, Phase, Schedule, Task, TaskId};
use crate::split::SuffixInput;

/// How often a waiting run looks at the cancel flag.
const PATIENCE: Duration = Duration::from_millis(50);

/// What to run.
pub struct Job<'a> {
    pub plan: &'a Plan,
    /// The stage that is dealt to the devices: the prefix, or the whole network.
    pub first: StageKind,
    pub inputs: &'a [Array],
    /// Elements per row of the first stage's outputs.
    pub first_widths: Vec<usize>,
    /// The suffix: where its inputs come from, and elements per row of its outputs.
    pub suffix: Option<(&'a [SuffixInput], Vec<usize>)>,
}

/// The outputs of both stages for the whole batch, row-major.
pub struct Finished {
    pub first: Vec<Arc<Vec<f32>>>,
    pub suffix: Vec<Vec<f32>>,
    pub stats: Stats,
}

impl Pipeline {
    /// Runs one batch; every engine that the plan needs is installed.
    ///
    /// # Errors
    /// [`PipelineError`] when too many devices are lost, or the run is cancelled.
    pub fn run(&mut self, job: &Job<'_>) -> Result<Finished, PipelineError> {
        self.runs += 1;
        let rows = job.plan.total();
        let widths = |widths: &Vec<usize>| Gather::new(widths.clone(), rows);
        let mut run = Run {
            id: self.runs,
            schedule: Schedule::new(job.plan, job.suffix.is_some()),
            first: widths(&job.first_widths),
            merged: Vec::new(),
            suffix: widths(&job.suffix.as_ref().map_or(Vec::new(), |s| s.1.clone())),
            result: Vec::new(),
            running: BTreeMap::new(),
            devices: BTreeMap::new(),
            started: Instant::now(),
            prefix_seconds: 0.0,
            job,
        };
        run.drive(self)
    }
}

/// The executions a device has been given, and since when it is at the first of them.
#[derive(Default)]
struct Lane {
    tasks: VecDeque<TaskId>,
    since: Option<Instant>,
}

struct Run<'a> {
    id: u64,
    job: &'a Job<'a>,
    schedule: Schedule,
    first: Gather,
    merged: Vec<Arc<Vec<f32>>>,
    suffix: Gather,
    /// What the execution that just finished gave.
    result: Vec<Vec<f32>>,
    running: BTreeMap<Device, Lane>,
    devices: BTreeMap<Device, DeviceStats>,
    started: Instant,
    prefix_seconds: f64,
}

impl Run<'_> {
    fn drive(&mut self, pipeline: &mut Pipeline) -> Result<Finished, PipelineError> {
        let gone: Vec<(Device, Loss)> = pipeline.lost.iter().map(|(d, l)| (*d, l.0)).collect();
        let mut commands = self.schedule.start(&gone);
        loop {
            for command in commands {
                if self.obey(command, pipeline)? {
                    return Ok(self.finish(pipeline));
                }
            }
            let event = self.next_event(pipeline)?;
            commands = self.schedule.handle(event);
        }
    }

    /// Carries one command out; true when the run is complete.
    fn obey(&mut self, command: Command, pipeline: &Pipeline) -> Result<bool, PipelineError> {
        match command {
            Command::Run(task) => self.give(&task, pipeline),
            Command::Keep(task) => self.keep(&task)?,
            Command::Done => return Ok(true),
            Command::Fail(failure) => return Err(explain(failure, pipeline)),
        }
        Ok(false)
    }

    fn give(&mut self, task: &Task, pipeline: &Pipeline) {
        let (stage, inputs) = match task.phase {
            Phase::Prefix => (self.job.first, self.prefix_inputs(task)),
            Phase::Suffix => (StageKind::Suffix, self.suffix_inputs(task)),
        };
        let key = EngineKey {
            device: task.device,
            stage,
            batch: task.window.len(),
        };
        let stats = self.devices.entry(task.device).or_default();
        stats.rounds += 1;
        stats.padding += task.padding();
        let lane = self.running.entry(task.device).or_default();
        lane.tasks.push_back(task.id);
        lane.since.get_or_insert_with(Instant::now);
        if let Some(worker) = pipeline.workers.get(&task.device) {
            worker.run(self.id, task.id, key, inputs);
        }
    }

    fn prefix_inputs(&self, task: &Task) -> Vec<Rows> {
        let inputs = self.job.inputs.iter();
        inputs
            .map(|array| window(&array.data, task, self.total()))
            .collect()
    }

    fn suffix_inputs(&mut self, task: &Task) -> Vec<Rows> {
        self.merge();
        let Some((sources, _)) = &self.job.suffix else {
            return Vec::new();
        };
        let data = |source: &SuffixInput| match source {
            SuffixInput::Cut(index) => &self.merged[*index],
            SuffixInput::GraphInput(index) => &self.job.inputs[*index].data,
        };
        let sources = sources.iter();
        sources
            .map(|source| window(data(source), task, self.total()))
            .collect()
    }

    /// Closes the first stage: its outputs become readable by the suffix and by the caller.
    fn merge(&mut self) {
        if self.merged.is_empty() {
            self.merged = self.first.take().into_iter().map(Arc::new).collect();
            self.prefix_seconds = self.started.elapsed().as_secs_f64();
        }
    }

    fn total(&self) -> usize {
        self.job.plan.total()
    }

    fn keep(&mut self, task: &Task) -> Result<(), PipelineError> {
        let result = std::mem::take(&mut self.result);
        let gather = match task.phase {
            Phase::Prefix => {
                self.devices.entry(task.device).or_default().rows += task.rows.len();
                &mut self.first
            }
            Phase::Suffix => &mut self.suffix,
        };
        gather
            .keep(result, &task.rows, &task.window)
            .map_err(|(got, want)| PipelineError::Result {
                device: task.device,
                got,
                want,
            })
    }

    /// Waits for a report, or for a device to be late.
    fn next_event(&mut self, pipeline: &mut Pipeline) -> Result<Event, PipelineError> {
        loop {
            if pipeline.cancel.load(Ordering::Relaxed) {
                return Err(PipelineError::Cancelled);
            }
            if let Some(device) = self.late(pipeline.time_limit) {
                let message = format!("no result within {:?}", pipeline.time_limit);
                pipeline.lose(device, Loss::TimedOut, message);
                self.running.remove(&device);
                return Ok(Event::Lost(device, Loss::TimedOut));
            }
            match pipeline
                .reports
                .recv_timeout(PATIENCE.min(pipeline.time_limit))
            {
                Ok(report) if report.run == self.id => {
                    if let Some(event) = self.read(report, pipeline) {
                        return Ok(event);
                    }
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    unreachable!("the pipeline keeps a sender")
                }
            }
        }
    }

    fn late(&self, limit: Duration) -> Option<Device> {
        let late = |lane: &Lane| lane.since.is_some_and(|since| since.elapsed() > limit);
        let mut lanes = self.running.iter();
        lanes
            .find(|(_, lane)| late(lane))
            .map(|(device, _)| *device)
    }

    fn read(&mut self, report: Report, pipeline: &mut Pipeline) -> Option<Event> {
        let lane = self.running.get_mut(&report.device)?;
        lane.tasks.retain(|task| *task != report.task);
        lane.since = (!lane.tasks.is_empty()).then(Instant::now);
        let stats = self.devices.entry(report.device).or_default();
        stats.busy += report.busy.as_secs_f64();
        match report.result {
            Ok(result) => {
                self.result = result;
                Some(Event::Finished(report.task))
            }
            Err(error) => {
                pipeline.lose(report.device, Loss::Failed, error.to_string());
                self.running.remove(&report.device);
                Some(Event::Lost(report.device, Loss::Failed))
            }
        }
    }

    fn finish(&mut self, pipeline: &Pipeline) -> Finished {
        self.merge();
        let seconds = self.started.elapsed().as_secs_f64();
        for device in self.job.plan.devices() {
            let stats = self.devices.entry(device).or_default();
            stats.redealt = self.schedule.redealt(device);
            stats.failure = pipeline.lost.get(&device).map(|lost| lost.1.clone());
        }
        let devices = std::mem::take(&mut self.devices);
        Finished {
            first: std::mem::take(&mut self.merged),
            suffix: self.suffix.take(),
            stats: Stats {
                rows: self.total(),
                seconds,
                prefix_seconds: self.prefix_seconds,
                devices: devices
                    .into_iter()
                    .map(|(d, s)| (d.to_string(), s))
                    .collect(),
            },
        }
    }
}

/// The rows of `task`'s window in an array of `total` rows.
fn window(data: &Arc<Vec<f32>>, task: &Task, total: usize) -> Rows {
    let width = data.len() / total;
    Rows {
        data: data.clone(),
        offset: task.window.start * width,
        len: task.window.len() * width,
    }
}

fn explain(failure: Failure, pipeline: &Pipeline) -> PipelineError {
    let reason = |device: &Device| pipeline.lost.get(device).map(|lost| lost.1.clone());
    match failure {
        Failure::SuffixNeedsGpu(_) => {
            PipelineError::SuffixNeedsGpu(reason(&Device::Gpu).unwrap_or_default())
        }
        Failure::NoDeviceLeft { rows } => PipelineError::NoDeviceLeft {
            rows,
            reasons: pipeline
                .lost
                .iter()
                .map(|(device, lost)| format!("{device}: {}", lost.1))
                .collect::<Vec<_>>()
                .join("; "),
        },
    }
}
