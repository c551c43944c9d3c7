//! Splitting a batch over units whose execution times are in a table: any devices, not only a board's.
//!
//! Two strategies: the exact optimum over every way to run the rows of a unit in one or more executions, and the greedy
//! search of KCC 2020, kept to compare with.

mod costs;
mod kcc;
mod optimum;
mod table;
#[cfg(test)]
mod tests;

pub use costs::{NoDevice, TableCosts};
pub use kcc::kcc2020;
pub use optimum::optima;
pub use table::{Measure, Profile, ProfileError, Unit, read};

use serde::Serialize;

/// How a batch is split over the units of a [`Profile`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Split {
    pub rows: usize,
    /// Milliseconds until the last unit is done; units run at the same time.
    pub ms: f64,
    /// The units that take part.
    pub parts: Vec<Part>,
}

/// One unit's part of a [`Split`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    pub unit: String,
    pub rows: usize,
    pub ms: f64,
    pub executions: Vec<Executions>,
}

/// Equal executions of one unit, one after the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Executions {
    /// Rows of each.
    pub batch: usize,
    pub count: usize,
    /// This batch was measured; otherwise its time is interpolated.
    pub measured: bool,
}

impl Split {
    /// `batches` holds, per unit of `profile`, the rows of every execution.
    fn new(profile: &Profile, batches: Vec<Vec<usize>>) -> Split {
        let parts = profile.units.iter().zip(batches);
        let parts: Vec<Part> = parts
            .filter(|(_, batches)| !batches.is_empty())
            .map(|(unit, batches)| part(unit, batches))
            .collect();
        Split {
            rows: parts.iter().map(|p| p.rows).sum(),
            ms: parts.iter().map(|p| p.ms).fold(0.0, f64::max),
            parts,
        }
    }

    /// All rows on the unit that is fastest with one execution of them.
    pub fn best_single(profile: &Profile, rows: usize) -> Split {
        let splits = (0..profile.units.len()).map(|unit| {
            let mut batches = vec![Vec::new(); profile.units.len()];
            batches[unit] = vec![rows];
            Split::new(profile, batches)
        });
        let best = splits.min_by(|a, b| a.ms.total_cmp(&b.ms));
        best.expect("a profile has units")
    }

    pub fn rows_per_second(&self) -> f64 {
        self.rows as f64 * 1e3 / self.ms
    }
}

impl Profile {
    /// No split of `rows` rows takes fewer milliseconds: every unit at its best rate all the time, and no execution cut
    /// in two.
    pub fn bound_ms(&self, rows: usize) -> f64 {
        let best = |unit: &Unit| {
            let rates = (1..=rows).map(|n| n as f64 / unit.ms(n));
            rates.fold(0.0, f64::max)
        };
        rows as f64 / self.units.iter().map(best).sum::<f64>()
    }
}

fn part(unit: &Unit, mut batches: Vec<usize>) -> Part {
    batches.sort_unstable_by(|a, b| b.cmp(a));
    let mut executions: Vec<Executions> = Vec::new();
    for &batch in &batches {
        match executions.last_mut() {
            Some(last) if last.batch == batch => last.count += 1,
            _ => executions.push(Executions {
                batch,
                count: 1,
                measured: unit.is_measured(batch),
            }),
        }
    }
    Part {
        unit: unit.name.clone(),
        rows: batches.iter().sum(),
        ms: nanoseconds(batches.iter().map(|batch| unit.ms(*batch)).sum()),
        executions,
    }
}

/// Milliseconds rounded to nanoseconds, so that sums of the same times in another order are equal.
fn nanoseconds(ms: f64) -> f64 {
    (ms * 1e6).round() / 1e6
}
