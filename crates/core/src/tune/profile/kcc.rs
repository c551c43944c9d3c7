//! The greedy search of KCC 2020, to compare with.
//!
//! Lee, Choi, Park: "A study on performance-based batch distribution for efficient inference in heterogeneous systems",
//! Korea Computer Congress 2020, pp. 1745-1747. Every unit runs its rows in one execution. All rows start on the unit
//! that is fastest alone, the base; rows move from it, while no other unit would then take longer than the base, to the
//! unit that would have most time left. When nothing has moved for some tries with larger steps, the busiest unit
//! becomes the base.

use super::{Profile, Split};

/// Tries with steps of 1, 2, 4 and 8 rows before the base changes, and how often it changes.
const FAILURES: u32 = 3;
const BASES: usize = 5;

/// Splits `rows` rows.
pub fn kcc2020(profile: &Profile, rows: usize) -> Split {
    let mut greedy = Greedy {
        profile,
        rows: vec![0; profile.units.len()],
    };
    let times = profile.units.iter().map(|unit| unit.ms(rows));
    let mut base = extreme(times, |new, old| new < old);
    greedy.rows[base] = rows;
    let (mut failures, mut bases) = (0, 0);
    while bases < BASES && greedy.rows[base] > 1 {
        if greedy.offload(base, 1 << failures) {
            failures = 0;
            continue;
        }
        failures += 1;
        if failures > FAILURES {
            base = extreme(greedy.times(), |new, old| new > old);
            (failures, bases) = (0, bases + 1);
        }
    }
    let batches = greedy.rows.iter().map(|n| match n {
        0 => Vec::new(),
        n => vec![*n],
    });
    Split::new(profile, batches.collect())
}

struct Greedy<'a> {
    profile: &'a Profile,
    rows: Vec<usize>,
}

impl Greedy<'_> {
    fn ms(&self, unit: usize, rows: usize) -> f64 {
        match rows {
            0 => 0.0,
            rows => self.profile.units[unit].ms(rows),
        }
    }

    fn times(&self) -> impl Iterator<Item = f64> + '_ {
        self.rows.iter().enumerate().map(|(u, n)| self.ms(u, *n))
    }

    /// Moves `step` rows off the base, if that leaves no other unit busy for longer than the base with one row less.
    fn offload(&mut self, base: usize, step: usize) -> bool {
        if step > self.rows[base] {
            return false;
        }
        let limit = self.ms(base, self.rows[base] - 1);
        let others = (0..self.rows.len()).filter(|unit| *unit != base);
        let mut found: Option<(usize, f64)> = None;
        for unit in others.clone() {
            let after = |other: usize| {
                if other == unit {
                    self.ms(unit, self.rows[unit] + step)
                } else {
                    self.ms(other, self.rows[other])
                }
            };
            let fits = others.clone().all(|other| after(other) <= limit);
            if fits && found.is_none_or(|(_, least)| after(unit) <= least) {
                found = Some((unit, after(unit)));
            }
        }
        let Some((unit, _)) = found else {
            return false;
        };
        self.rows[base] -= step;
        self.rows[unit] += step;
        true
    }
}

/// The index of the first value that no other one beats.
fn extreme(values: impl Iterator<Item = f64>, beats: impl Fn(f64, f64) -> bool) -> usize {
    let mut best: Option<(usize, f64)> = None;
    for (index, value) in values.enumerate() {
        if best.is_none_or(|(_, old)| beats(value, old)) {
            best = Some((index, value));
        }
    }
    best.map_or(0, |(index, _)| index)
}
