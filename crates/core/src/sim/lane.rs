//! One device in virtual time.

use std::collections::VecDeque;

use super::{ExecutionCost, Load, Use};
use crate::plan::Device;

/// Times closer than this many microseconds are the same moment.
pub(super) const SAME: f64 = 1e-6;

/// Computes its tasks in the order given, one at a time. With two engines of a kind the next one is submitted meanwhile.
pub(super) struct Lane<T> {
    pub device: Device,
    pub queue: VecDeque<WaitingTask<T>>,
    pub active: Option<Active<T>>,
    /// Submitted, or being submitted, while `active` computes.
    staged: Option<Active<T>>,
    engines: usize,
    pub used: Use,
}

pub(super) struct WaitingTask<T> {
    pub task: T,
    /// The moment from which it may start.
    pub ready: f64,
    /// Of the engine.
    pub rows: usize,
    pub cost: ExecutionCost,
}

/// An execution: first submitted, then computed at a rate that depends on who else runs.
pub(super) struct Active<T> {
    pub task: T,
    pub start: f64,
    pub submit_left: f64,
    /// Microseconds of work left if it had the board to itself.
    pub work_left: f64,
    pub slow: f64,
    pub rows: usize,
    pub cost: ExecutionCost,
}

impl<T> Lane<T> {
    pub fn new(device: Device, engines: usize) -> Lane<T> {
        Lane {
            device,
            queue: VecDeque::new(),
            active: None,
            staged: None,
            engines,
            used: Use::default(),
        }
    }

    /// Takes up its next tasks, when it has room and they are ready.
    pub fn begin(&mut self, now: f64) {
        if self.active.is_none() {
            self.active = self.staged.take().map(|staged| Active { start: now, ..staged });
        }
        if self.active.is_none() {
            self.active = self.next(now);
        }
        if self.active.is_some() && self.staged.is_none() && self.engines > 1 {
            self.staged = self.next(now);
        }
    }

    fn next(&mut self, now: f64) -> Option<Active<T>> {
        let ready = |w: &WaitingTask<T>| w.ready <= now + SAME;
        self.queue.front().filter(|w| ready(w))?;
        self.queue.pop_front().map(|waiting| Active {
            task: waiting.task,
            start: now,
            submit_left: waiting.cost.submit_us,
            work_left: waiting.cost.alone_us,
            slow: 1.0,
            rows: waiting.rows,
            cost: waiting.cost,
        })
    }

    /// Microseconds until something changes here at the present rate.
    pub fn until_change(&self, now: f64) -> Option<f64> {
        match &self.active {
            Some(active) if active.submit_left > 0.0 => Some(active.submit_left),
            Some(active) => Some(self.until_staging(now, active.work_left * active.slow)),
            None => self.queue.front().map(|w| (w.ready - now).max(0.0)),
        }
    }

    /// At most `step`: until a task that waits to be ready can be submitted beside the one that computes.
    fn until_staging(&self, now: f64, step: f64) -> f64 {
        let waits = self.engines > 1 && self.staged.is_none();
        let front = self.queue.front().filter(|w| waits && w.ready > now + SAME);
        front.map_or(step, |w| step.min(w.ready - now))
    }

    /// What it computes now, if anything.
    pub fn load(&self) -> Option<Load> {
        let computing = self.active.as_ref().filter(|a| a.submit_left == 0.0);
        computing.map(|active| Load {
            device: self.device,
            rows: active.rows,
            demand: active.cost.demand(),
        })
    }

    /// Lets `step` microseconds pass; gives the execution that ended.
    pub fn advance(&mut self, step: f64) -> Option<Active<T>> {
        let active = self.active.as_mut()?;
        // The host submits one after the other.
        if let Some(staged) = self.staged.as_mut().filter(|_| active.submit_left == 0.0) {
            staged.submit_left = left(staged.submit_left - step);
        }
        self.used.busy_us += step;
        if active.submit_left > 0.0 {
            active.submit_left = left(active.submit_left - step);
        } else {
            active.work_left = left(active.work_left - step / active.slow);
        }
        let ended = active.submit_left == 0.0 && active.work_left == 0.0;
        self.active.take_if(|_| ended)
    }
}

fn left(micros: f64) -> f64 {
    if micros > SAME { micros } else { 0.0 }
}
