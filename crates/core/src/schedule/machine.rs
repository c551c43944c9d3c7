//! The state machine.

use super::lane::{Lane, deal};
use super::redeal::redeal;
use super::suffix::Suffix;
use super::{Command, Event, Failure, Loss, Phase, Task, TaskId};
use crate::plan::{Device, Plan};

/// Executions given to a device at a time: the one it runs, and the next, so that it never waits for us in between.
const DEPTH: usize = 2;

/// One batch on its way through prefix and suffix.
#[derive(Debug)]
pub struct Schedule {
    lanes: Vec<Lane>,
    total: usize,
    suffix: Option<Suffix>,
    /// Prefix rows that are not kept yet.
    open: usize,
    next: u64,
    ended: bool,
}

impl Schedule {
    /// Executions one device is given at a time.
    pub const DEPTH: usize = DEPTH;

    /// A schedule for a valid `plan`. Without `suffix` the run ends with the prefix, and the GPU is one device of many.
    pub fn new(plan: &Plan, suffix: bool) -> Schedule {
        Schedule {
            lanes: deal(plan, suffix),
            total: plan.total(),
            suffix: suffix.then(|| Suffix::new(plan)),
            open: plan.total(),
            next: 0,
            ended: false,
        }
    }

    /// The first commands. `gone` are devices known to be lost before the run.
    pub fn start(&mut self, gone: &[(Device, Loss)]) -> Vec<Command> {
        let mut commands = Vec::new();
        for (device, loss) in gone {
            self.lose(*device, *loss, &mut commands);
        }
        self.fill(&mut commands);
        commands
    }

    /// Answers one event. After `Done` or `Fail` there are no more commands.
    pub fn handle(&mut self, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.ended {
            return commands;
        }
        match event {
            Event::Finished(id) => self.finish(id, &mut commands),
            Event::Lost(device, loss) => self.lose(device, loss, &mut commands),
        }
        self.fill(&mut commands);
        commands
    }

    /// Prefix rows taken from a lost device so far.
    pub fn redealt(&self, device: Device) -> usize {
        let lane = self.lanes.iter().find(|l| l.device == device);
        lane.map_or(0, |l| l.redealt)
    }

    fn finish(&mut self, id: TaskId, commands: &mut Vec<Command>) {
        let Some(task) = self.lanes.iter_mut().find_map(|l| l.finish(id)) else {
            return;
        };
        match (task.phase, &mut self.suffix) {
            (Phase::Prefix, None) => self.open -= task.rows.len(),
            (Phase::Prefix, Some(suffix)) => {
                self.open -= task.rows.len();
                let ready = suffix.kept(&task.rows);
                let gpu = self.lanes.iter_mut().find(|l| l.device == Device::Gpu);
                if let Some(gpu) = gpu {
                    ready.into_iter().for_each(|piece| gpu.prefer(piece));
                }
            }
            (Phase::Suffix, suffix) => {
                let open = suffix.as_mut().map(|s| &mut s.open);
                open.into_iter().for_each(|open| *open -= task.rows.len());
            }
        }
        commands.push(Command::Keep(task));
        if self.open == 0 && self.suffix.as_ref().is_none_or(|s| s.open == 0) {
            self.end(Command::Done, commands);
        }
    }

    fn lose(&mut self, device: Device, loss: Loss, commands: &mut Vec<Command>) {
        let lane = self.lanes.iter_mut().find(|l| l.device == device);
        let Some(lane) = lane.filter(|l| !l.lost && !self.ended) else {
            return;
        };
        let rows = lane.surrender();
        if device == Device::Gpu && self.suffix.is_some() {
            return self.end(Command::Fail(Failure::SuffixNeedsGpu(loss)), commands);
        }
        lane.redealt += rows.iter().map(|r| r.len()).sum::<usize>();
        if let Err(rows) = redeal(&mut self.lanes, rows, self.total) {
            self.end(Command::Fail(Failure::NoDeviceLeft { rows }), commands);
        }
    }

    fn end(&mut self, command: Command, commands: &mut Vec<Command>) {
        self.ended = true;
        commands.push(command);
    }

    /// Gives every device its next executions, one round of devices after the other so that all start early.
    fn fill(&mut self, commands: &mut Vec<Command>) {
        if self.ended {
            return;
        }
        for depth in 1..=DEPTH {
            for lane in self.lanes.iter_mut().filter(|l| !l.lost) {
                if lane.running.len() < depth {
                    let Some(piece) = lane.queue.pop_front() else {
                        continue;
                    };
                    let task = Task {
                        id: TaskId(self.next),
                        phase: piece.phase,
                        device: lane.device,
                        rows: piece.rows,
                        window: piece.window,
                    };
                    self.next += 1;
                    lane.running.push_back(task.clone());
                    commands.push(Command::Run(task));
                }
            }
        }
    }
}
