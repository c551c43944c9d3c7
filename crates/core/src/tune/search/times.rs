//! Looked-up costs of single executions.

use std::cell::RefCell;
use std::collections::HashMap;

use super::{Space, Way};
use crate::plan::{Device, StageKind};
use crate::sim::{Costs, ExecutionCost, SimError};

/// Rows per execution that are tried, besides all rows of a device.
const ROWS: [usize; 30] = [
    1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256,
    320, 384, 512,
];

/// Place of a cut in [`Space::ways`]; `None` is the network uncut.
type At = Option<usize>;

/// The costs of every cut, asked once each.
pub(super) struct Times<'a> {
    pub space: &'a Space<'a>,
    known: RefCell<HashMap<(At, StageKind, Device, usize), ExecutionCost>>,
}

impl<'a> Times<'a> {
    pub fn new(space: &'a Space<'a>) -> Times<'a> {
        Times {
            space,
            known: RefCell::default(),
        }
    }

    pub fn way(&self, at: usize) -> &'a Way<'a> {
        &self.space.ways[at]
    }

    pub fn costs(&self, at: At) -> &'a dyn Costs {
        at.map_or(self.space.whole, |at| self.space.ways[at].costs)
    }

    /// One execution of the stage that is dealt to `device`.
    pub fn first(&self, at: At, device: Device, rows: usize) -> Result<ExecutionCost, SimError> {
        self.cost(at, self.first_stage(at), device, rows)
    }

    /// The stage that is dealt to devices.
    pub fn first_stage(&self, at: At) -> StageKind {
        match at {
            None => StageKind::Whole,
            Some(_) => StageKind::Prefix,
        }
    }

    /// Every cost of these executions that was asked for so far.
    pub fn each(&self, at: At, stage: StageKind, device: Device, mut see: impl FnMut(usize, &ExecutionCost)) {
        for ((other, kind, unit, rows), cost) in self.known.borrow().iter() {
            if (*other, *kind, *unit) == (at, stage, device) {
                see(*rows, cost);
            }
        }
    }

    /// One execution of the suffix; free where there is none.
    pub fn suffix(&self, at: usize, rows: usize) -> Result<ExecutionCost, SimError> {
        if self.way(at).suffix {
            self.cost(Some(at), StageKind::Suffix, Device::Gpu, rows)
        } else {
            Ok(ExecutionCost::time(0.0))
        }
    }

    fn cost(
        &self,
        at: At,
        stage: StageKind,
        device: Device,
        batch: usize,
    ) -> Result<ExecutionCost, SimError> {
        let key = (at, stage, device, batch);
        if let Some(cost) = self.known.borrow().get(&key) {
            return Ok(*cost);
        }
        let (rows, executions) = match self.space.unit {
            Some(_) => (1, batch),
            None => (batch, 1),
        };
        let cost = self.costs(at).execution(stage, device, rows);
        let cost = cost.map(|one| one.times(executions));
        let cost = cost.map_err(|reason| SimError::NoCost {
            stage,
            device,
            batch,
            reason,
        })?;
        self.known.borrow_mut().insert(key, cost);
        Ok(cost)
    }

    /// Most rows of one execution on `device`.
    pub fn most_rows(&self, at: At, device: Device) -> usize {
        match (device, at) {
            (Device::Dla(_), Some(at)) => self.way(at).dla_rows,
            (Device::Gpu | Device::Dla(_), _) => usize::MAX,
        }
    }

    /// Rows per execution worth trying on `device` when it has up to `most` rows.
    pub fn rows(&self, at: At, device: Device, most: usize) -> Vec<usize> {
        let limit = self.most_rows(at, device).min(most);
        let usual = ROWS.into_iter().filter(|rows| *rows <= limit);
        let mut rows: Vec<usize> = usual.collect();
        if most <= limit && most <= ROWS[ROWS.len() - 1] && !rows.contains(&most) {
            rows.push(most);
        }
        rows
    }

    /// The `count` of [`Times::rows`] that take least time per row, of those whose execution takes no longer than `within`
    /// microseconds.
    pub fn best_rows(
        &self,
        at: At,
        device: Device,
        most: usize,
        count: usize,
        within: f64,
    ) -> Result<Vec<usize>, SimError> {
        let mut timed = Vec::new();
        for rows in self.rows(at, device, most) {
            let cost = self.first(at, device, rows)?;
            if cost.alone_us <= within {
                timed.push(((cost.alone_us + cost.submit_us) / rows as f64, rows));
            }
        }
        timed.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(timed.into_iter().take(count).map(|(_, rows)| rows).collect())
    }
}
