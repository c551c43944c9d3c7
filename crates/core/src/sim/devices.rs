//! All devices in virtual time: each runs its queue, and those that compute slow each other down.

use std::collections::{BTreeMap, HashMap};

use super::lane::{Active, Lane, WaitingTask};
use super::{Costs, ExecutionCost, Load, Noise, SimError};
use crate::plan::{Device, StageKind};
use crate::schedule::TaskId;

/// What one device did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Use {
    /// Microseconds inside executions, submission included.
    pub busy_us: f64,
    pub executions: usize,
    /// Prefix (or uncut) rows.
    pub rows: usize,
    /// DRAM traffic in bytes.
    pub bytes: u64,
}

/// What has to be known of a task to time it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Execution {
    pub stage: StageKind,
    pub device: Device,
    /// Rows of the engine.
    pub batch: usize,
    pub id: TaskId,
}

/// `T` is a scheduler's task.
pub(super) struct Devices<'a, T> {
    costs: &'a dyn Costs,
    noise: Noise,
    /// Engines of a kind per device.
    engines: usize,
    lanes: Vec<Lane<T>>,
    known: HashMap<(StageKind, Device, usize), ExecutionCost>,
}

impl<'a, T> Devices<'a, T> {
    pub fn new(costs: &'a dyn Costs, noise: Noise, engines: usize) -> Devices<'a, T> {
        Devices {
            costs,
            noise,
            engines,
            lanes: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// Queues a task that may start from `ready` on.
    pub fn queue(&mut self, task: T, execution: Execution, ready: f64) -> Result<(), SimError> {
        let Execution {
            stage,
            device,
            batch,
            id,
        } = execution;
        let mut cost = self.cost(stage, device, batch)?;
        cost.alone_us *= self.noise.factor(id);
        let waiting = WaitingTask {
            task,
            ready,
            rows: batch,
            cost,
        };
        let lane = self.lanes.iter_mut().find(|l| l.device == device);
        match lane {
            Some(lane) => lane.queue.push_back(waiting),
            None => {
                let mut lane = Lane::new(device, self.engines);
                lane.queue.push_back(waiting);
                self.lanes.push(lane);
                self.lanes.sort_by_key(|l| l.device);
            }
        }
        Ok(())
    }

    /// What an execution takes when it has the board to itself.
    pub fn cost(
        &mut self,
        stage: StageKind,
        device: Device,
        batch: usize,
    ) -> Result<ExecutionCost, SimError> {
        if let Some(cost) = self.known.get(&(stage, device, batch)) {
            return Ok(*cost);
        }
        let cost = self.costs.execution(stage, device, batch);
        let cost = cost.map_err(|reason| SimError::NoCost {
            stage,
            device,
            batch,
            reason,
        })?;
        for value in [cost.alone_us, cost.submit_us] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(SimError::Cost {
                    stage,
                    device,
                    batch,
                    value,
                });
            }
        }
        self.known.insert((stage, device, batch), cost);
        Ok(cost)
    }

    /// Starts what can start at `now`; microseconds until the next moment at which an execution starts, begins to
    /// compute or ends. `None` when there is nothing to do.
    pub fn until_change(&mut self, now: f64) -> Result<Option<f64>, SimError> {
        for lane in &mut self.lanes {
            lane.begin(now);
        }
        self.rate()?;
        let changes = self.lanes.iter().filter_map(|l| l.until_change(now));
        Ok(changes.min_by(f64::total_cmp))
    }

    /// Lets `step` microseconds pass, at most until the next change; gives the executions that ended.
    pub fn advance(&mut self, step: f64) -> Vec<Active<T>> {
        let lanes = self.lanes.iter_mut();
        lanes.filter_map(|l| l.advance(step)).collect()
    }

    /// Notes what an execution did.
    pub fn count(&mut self, device: Device, rows: usize, bytes: u64) {
        if let Some(lane) = self.lanes.iter_mut().find(|l| l.device == device) {
            lane.used.executions += 1;
            lane.used.bytes += bytes;
            lane.used.rows += rows;
        }
    }

    pub fn used(&self) -> BTreeMap<Device, Use> {
        self.lanes.iter().map(|l| (l.device, l.used)).collect()
    }

    /// Gives every computing engine its rate beside the others.
    fn rate(&mut self) -> Result<(), SimError> {
        let lanes = self.lanes.iter();
        let loads: Vec<Load> = lanes.filter_map(Lane::load).collect();
        if loads.is_empty() {
            return Ok(());
        }
        let factors = self.costs.slow_down(&loads);
        for (index, Load { device, .. }) in loads.iter().enumerate() {
            let factor = factors.get(index).copied().unwrap_or(f64::NAN);
            if !(factor.is_finite() && factor >= 1.0) {
                let device = *device;
                return Err(SimError::SlowDown { device, factor });
            }
            let lane = self.lanes.iter_mut().find(|l| l.device == *device);
            if let Some(active) = lane.and_then(|l| l.active.as_mut()) {
                active.slow = factor;
            }
        }
        Ok(())
    }
}
