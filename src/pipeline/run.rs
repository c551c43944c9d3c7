//! One batch: obeys the schedule's commands and tells it what happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Job;
use super::error::PipelineError;
use super::gather::Gather;
use super::order::{End, EngineKey, Report, Ticket};
use super::route::Size;
use super::stats::Stats;
use super::workers::{Next, Workers};
use crate::engine::{Array, Rows, StageKind};
use crate::plan::{Device, Mode};
use crate::schedule::{Command, Event, Failure, Loss, Phase, Schedule, Task};
use crate::split::{OutputSource, SuffixInput};
use crate::trace::{Span, Track, Work};

/// Runs `job` as number `id`; workers drop what is left of it when this returns.
pub(super) fn run(
    workers: &mut Workers,
    id: u64,
    job: &Job<'_>,
    cancel: &AtomicBool,
) -> Result<(Vec<Array>, Stats), PipelineError> {
    let start = Instant::now();
    workers.open(id);
    let mut run = Run::new(workers, id, job, start);
    let result = run.drive(cancel);
    run.workers.open(0);
    result.map(|()| run.finish())
}

struct Run<'a> {
    workers: &'a mut Workers,
    id: u64,
    job: &'a Job<'a>,
    schedule: Schedule,
    running: Vec<Task>,
    prefix: Gather,
    suffix: Gather,
    /// Prefix rows that are not kept yet.
    open: usize,
    stats: Stats,
    start: Instant,
    merge: Duration,
    done: bool,
}

impl<'a> Run<'a> {
    fn new(workers: &'a mut Workers, id: u64, job: &'a Job<'a>, start: Instant) -> Run<'a> {
        let (plan, route) = (job.plan, job.route);
        let total = plan.total();
        let suffix_outputs = route.suffix.as_ref().map_or(&[][..], |s| &s.outputs);
        let mut stats = Stats {
            rows: total,
            uncut: route.first == StageKind::Whole,
            ..Stats::default()
        };
        let group = match plan.mode {
            Mode::Merged => total,
            Mode::Pipelined => plan.suffix_batch,
        };
        let suffix_device = route.suffix.iter().map(|_| Device::Gpu);
        for device in plan.devices().into_iter().chain(suffix_device) {
            stats.device(device);
        }
        Run {
            schedule: Schedule::new(plan, route.suffix.is_some()),
            running: Vec::new(),
            prefix: Gather::new(total, group, &route.first_outputs),
            suffix: Gather::new(total, total, suffix_outputs),
            open: total,
            stats,
            merge: Duration::ZERO,
            done: false,
            workers,
            id,
            job,
            start,
        }
    }

    fn drive(&mut self, cancel: &AtomicBool) -> Result<(), PipelineError> {
        let gone = self.gone();
        let commands = self.schedule.start(&gone);
        self.obey(commands, None)?;
        while !self.done {
            if cancel.load(Ordering::Relaxed) {
                return Err(PipelineError::Cancelled);
            }
            match self.workers.next() {
                Next::Report(report) if report.ticket.run == self.id => self.on_report(report)?,
                Next::Report(_) | Next::Tick => {}
                Next::Hung(device) => {
                    let message =
                        "did not finish a round within the time limit; this session does not use it again";
                    self.stats.device(device).hung = true;
                    self.lose(device, Loss::TimedOut, message.to_string())?;
                }
            }
        }
        Ok(())
    }

    /// Devices of this run that hung in an earlier one.
    fn gone(&mut self) -> Vec<(Device, Loss)> {
        let mut gone = self.workers.hung();
        gone.retain(|device| self.stats.devices.contains_key(&device.to_string()));
        for device in &gone {
            let stats = self.stats.device(*device);
            stats.hung = true;
            stats.failure =
                Some("did not finish a round of an earlier run within the time limit".to_string());
        }
        gone.into_iter().map(|d| (d, Loss::TimedOut)).collect()
    }

    fn on_report(&mut self, report: Report) -> Result<(), PipelineError> {
        let at = self.running.iter().position(|t| t.id == report.ticket.task);
        let Some(task) = at.map(|at| self.running.swap_remove(at)) else {
            return Ok(());
        };
        match report.end {
            End::Done {
                outputs,
                started,
                busy,
            } => {
                let stage = match task.phase {
                    Phase::Prefix => &self.prefix,
                    Phase::Suffix => &self.suffix,
                };
                if let Err(message) = stage.check(&task, &outputs) {
                    return self.lose(report.device, Loss::Failed, message);
                }
                self.count(&task, busy);
                self.trace(&task, started, busy);
                let commands = self.schedule.handle(Event::Finished(task.id));
                self.obey(commands, Some(outputs))
            }
            End::Failed { message, .. } => self.lose(report.device, Loss::Failed, message),
            End::Skipped => Ok(()),
        }
    }

    fn lose(&mut self, device: Device, loss: Loss, message: String) -> Result<(), PipelineError> {
        self.running.retain(|task| task.device != device);
        self.stats.device(device).failure.get_or_insert(message);
        let commands = self.schedule.handle(Event::Lost(device, loss));
        self.obey(commands, None)
    }

    fn obey(
        &mut self,
        commands: Vec<Command>,
        mut outputs: Option<Vec<Vec<f32>>>,
    ) -> Result<(), PipelineError> {
        let mut refused = Vec::new();
        for command in commands {
            match command {
                Command::Run(task) => {
                    let device = task.device;
                    if !refused.contains(&device) && !self.send(task) {
                        refused.push(device);
                    }
                }
                Command::Keep(task) => self.keep(&task, outputs.take().unwrap_or_default()),
                Command::Done => self.done = true,
                Command::Fail(failure) => return Err(self.failure(failure)),
            }
        }
        for device in refused {
            let message = "its worker takes no more orders".to_string();
            self.lose(device, Loss::Failed, message)?;
        }
        Ok(())
    }

    fn keep(&mut self, task: &Task, outputs: Vec<Vec<f32>>) {
        let start = Instant::now();
        match task.phase {
            Phase::Prefix => {
                self.prefix.keep(task, outputs);
                self.open -= task.rows.len();
            }
            Phase::Suffix => self.suffix.keep(task, outputs),
        }
        self.merge += start.elapsed();
        if self.open == 0 && task.phase == Phase::Prefix {
            self.stats.prefix_seconds = self.start.elapsed().as_secs_f64();
        }
    }

    fn trace(&mut self, task: &Task, started: Instant, busy: Duration) {
        let since = started.saturating_duration_since(self.start);
        self.stats.spans.push(Span {
            track: Track::Device(task.device),
            work: Work::Stage {
                stage: self.stage(task),
                rows: task.rows.clone(),
                padding: task.padding(),
                bytes: None,
            },
            start_us: since.as_secs_f64() * 1e6,
            duration_us: busy.as_secs_f64() * 1e6,
        });
    }

    fn stage(&self, task: &Task) -> StageKind {
        match task.phase {
            Phase::Prefix => self.job.route.first,
            Phase::Suffix => StageKind::Suffix,
        }
    }

    fn send(&mut self, task: Task) -> bool {
        let inputs = match task.phase {
            Phase::Prefix => self.network_inputs(&task),
            Phase::Suffix => self.suffix_inputs(&task),
        };
        let key = EngineKey {
            stage: self.stage(&task),
            batch: task.window.len(),
            route: self.job.route.id,
            copy: 0,
        };
        let ticket = Ticket {
            run: self.id,
            task: task.id,
        };
        let beside = self.job.plan.engines > 1;
        let sent = self.workers.run(task.device, ticket, key, inputs, beside);
        self.running.push(task);
        sent
    }

    fn network_inputs(&self, task: &Task) -> Vec<Rows> {
        let inputs = self.job.inputs.iter().zip(&self.job.route.inputs);
        inputs
            .map(|(array, size)| rows(&array.data, *size, task))
            .collect()
    }

    fn suffix_inputs(&mut self, task: &Task) -> Vec<Rows> {
        let (merged, first) = self.prefix.group(task.window.start);
        let route = self.job.route.suffix.iter().flat_map(|s| &s.inputs);
        route
            .map(|(source, size)| match source {
                SuffixInput::Cut(index) => Rows {
                    data: merged[*index].clone(),
                    offset: size.of(task.window.start - first),
                    len: size.of(task.window.len()),
                },
                SuffixInput::GraphInput(index) => rows(&self.job.inputs[*index].data, *size, task),
            })
            .collect()
    }

    fn finish(mut self) -> (Vec<Array>, Stats) {
        let total = self.job.plan.total();
        let merged = self.prefix.finish();
        let suffix = self.suffix.finish();
        let outputs = self.job.route.outputs.iter();
        let outputs = outputs
            .map(|output| Array {
                shape: output.shape.of(total),
                data: match output.source {
                    OutputSource::Prefix(index) => merged[index].clone(),
                    OutputSource::Suffix(index) => suffix[index].clone(),
                },
            })
            .collect();
        (outputs, self.stats())
    }

    fn stats(mut self) -> Stats {
        for device in self.job.plan.devices() {
            self.stats.device(device).redealt = self.schedule.redealt(device);
        }
        let mut stats = self.stats;
        stats.seconds = self.start.elapsed().as_secs_f64();
        stats.merge_seconds = self.merge.as_secs_f64();
        match self.job.route.suffix {
            Some(_) => stats.suffix_seconds = stats.seconds - stats.prefix_seconds,
            None => stats.prefix_seconds = stats.seconds,
        }
        stats
    }

    fn count(&mut self, task: &Task, busy: Duration) {
        let device = self.stats.device(task.device);
        device.padding += task.padding();
        device.rounds += 1;
        device.busy += busy.as_secs_f64();
        match task.phase {
            Phase::Prefix => device.rows += task.rows.len(),
            Phase::Suffix => {
                device.suffix_rows += task.rows.len();
                device.suffix_rounds += 1;
                device.suffix_busy += busy.as_secs_f64();
            }
        }
    }

    fn failure(&self, failure: Failure) -> PipelineError {
        let devices = self.stats.devices.iter();
        let said: Vec<String> = devices
            .filter_map(|(name, d)| d.failure.as_ref().map(|message| format!("{name}: {message}")))
            .collect();
        match failure {
            Failure::SuffixNeedsGpu(_) => PipelineError::GpuLost {
                reason: self
                    .stats
                    .devices
                    .get(&Device::Gpu.to_string())
                    .and_then(|d| d.failure.clone())
                    .unwrap_or_default(),
            },
            Failure::NoDeviceLeft { rows } => PipelineError::NoDeviceLeft {
                rows,
                reason: said.join("; "),
            },
        }
    }
}

fn rows(data: &Arc<Vec<f32>>, size: Size, task: &Task) -> Rows {
    Rows {
        data: data.clone(),
        offset: size.of(task.window.start),
        len: size.of(task.window.len()),
    }
}
