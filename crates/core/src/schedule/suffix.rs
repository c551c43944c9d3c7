//! Which executions of the suffix wait for which prefix rows.

use std::ops::Range;

use super::Phase;
use super::lane::Piece;
use crate::plan::{Mode, Plan};

/// The suffix of one run. Rows are waited for in groups: all at once when merged, by suffix batch when pipelined.
#[derive(Debug)]
pub(super) struct Suffix {
    batch: usize,
    group: usize,
    total: usize,
    /// Prefix rows that each group still waits for.
    missing: Vec<usize>,
    /// Suffix rows that are not kept yet.
    pub open: usize,
}

impl Suffix {
    pub fn new(plan: &Plan) -> Suffix {
        let (total, batch) = (plan.total(), plan.suffix_batch.max(1));
        let group = match plan.mode {
            Mode::Merged => total.max(1),
            Mode::Pipelined => batch,
        };
        let groups = (0..total).step_by(group);
        Suffix {
            missing: groups.map(|at| group.min(total - at)).collect(),
            open: total,
            batch,
            group,
            total,
        }
    }

    /// Counts prefix rows that were kept, each once; gives the executions that may run now.
    pub fn kept(&mut self, rows: &Range<usize>) -> Vec<Piece> {
        let mut ready = Vec::new();
        let mut start = rows.start;
        while start < rows.end {
            let at = start / self.group;
            let end = rows.end.min((at + 1) * self.group);
            self.missing[at] -= end - start;
            if self.missing[at] == 0 {
                ready.extend(self.pieces(at));
            }
            start = end;
        }
        ready
    }

    fn pieces(&self, at: usize) -> impl Iterator<Item = Piece> {
        let (batch, start) = (self.batch, at * self.group);
        let end = self.total.min(start + self.group);
        let starts = (start..end).step_by(batch);
        starts.map(move |start| {
            let rows = start..end.min(start + batch);
            Piece {
                phase: Phase::Suffix,
                window: rows.clone(),
                rows,
            }
        })
    }
}
