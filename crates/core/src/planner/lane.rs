//! One device with what its executions take, and the rounds that it does most in.

use std::cell::Cell;

use super::curve::Curve;
use super::sizes::{self, LADDER};
use crate::plan::Device;

/// Rounds on either side of those that fit a time, which are tried with engines that are there: they have to add up.
const AROUND: std::ops::RangeInclusive<i64> = -4..=1;

/// Most of them: two cores combine each of one's with each of the other's.
const MOST_AROUND: usize = 12;

/// Rounds up to which the size that just fits is looked for; with more of them a usual one is as good.
const FEW_ROUNDS: usize = 4;

/// Equal rounds of one device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rounds {
    pub batch: usize,
    pub rounds: usize,
}

impl Rounds {
    const NONE: Rounds = Rounds { batch: 1, rounds: 0 };

    pub fn rows(&self) -> usize {
        self.batch * self.rounds
    }
}

/// A device with the times of its executions.
pub(super) struct Lane<'a> {
    pub device: Device,
    curve: Option<Curve<'a>>,
    /// Times that were asked for, by rows from one on; infinite where nothing tells, NaN before.
    known: Vec<Cell<f64>>,
    /// Rows per execution of the engines that are there, ascending, where no other may be used.
    built: Option<Vec<usize>>,
}

impl<'a> Lane<'a> {
    /// Executions of up to `most` rows.
    pub fn new(device: Device, curve: Option<Curve<'a>>, most: usize, built: Option<Vec<usize>>) -> Lane<'a> {
        Lane {
            device,
            curve,
            known: vec![Cell::new(f64::NAN); most],
            built,
        }
    }

    /// Whether its times are not known.
    pub fn is_unknown(&self) -> bool {
        self.time(1).is_none()
    }

    /// Microseconds of one execution of `rows` rows, whether there is an engine or not.
    pub fn time(&self, rows: usize) -> Option<f64> {
        let curve = self.curve.as_ref()?;
        let Some(known) = rows.checked_sub(1).and_then(|at| self.known.get(at)) else {
            return curve.at(rows);
        };
        if known.get().is_nan() {
            known.set(curve.at(rows).unwrap_or(f64::INFINITY));
        }
        Some(known.get()).filter(|us| us.is_finite())
    }

    /// The same, if the execution is possible.
    fn us(&self, rows: usize) -> Option<f64> {
        let possible = match &self.built {
            Some(built) => built.binary_search(&rows).is_ok(),
            None => (1..=self.known.len()).contains(&rows),
        };
        self.time(rows).filter(|_| possible)
    }

    /// Rows per execution worth trying for `rows` rows.
    fn tried(&self, rows: usize) -> impl Iterator<Item = usize> + '_ {
        let any = || sizes::even(rows).chain(LADDER.into_iter().take_while(move |n| *n < rows));
        let any = self.built.is_none().then(any);
        let built = self.built.iter().flatten().copied();
        any.into_iter().flatten().chain(built)
    }

    /// The rows per execution with which all of `rows` take least, what is left being one more execution; and their time.
    pub fn all(&self, rows: usize) -> Option<(usize, f64)> {
        let timed = |n| Some((n, self.in_rounds(n, rows)?));
        let timed = self.tried(rows).filter_map(timed);
        timed.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// All rows per execution with which `rows` can be done.
    pub fn sizes_for(&self, rows: usize) -> impl Iterator<Item = usize> + '_ {
        let able = move |n: &usize| self.in_rounds(*n, rows).is_some();
        self.tried(rows).filter(able)
    }

    /// Microseconds of `rows` rows in executions of `n`, and one of what is left.
    pub fn in_rounds(&self, n: usize, rows: usize) -> Option<f64> {
        let full = self.us(n).filter(|_| n <= rows)? * (rows / n) as f64;
        match rows % n {
            0 => Some(full),
            rest => Some(full + self.us(rest)?),
        }
    }

    /// The rounds that do most within `us`: a usual size, or the largest that fits few rounds.
    pub fn within(&self, us: f64) -> Rounds {
        let usual = LADDER.into_iter().rev().filter(|n| *n <= self.known.len());
        let few = (1..=FEW_ROUNDS).map(|rounds| self.largest(us / rounds as f64));
        let mut most = Rounds::NONE;
        for batch in few.chain(usual) {
            let Some(time) = self.us(batch) else { continue };
            let rounds = (us / time) as usize;
            if batch * rounds > most.rows() {
                most = Rounds { batch, rounds };
            }
        }
        most
    }

    /// The most rows of one execution that takes up to `us`, longer executions having more rows.
    fn largest(&self, us: f64) -> usize {
        let (mut fits, mut over) = (0, self.known.len() + 1);
        while over - fits > 1 {
            let rows = fits + (over - fits) / 2;
            match self.time(rows) {
                Some(time) if time <= us => fits = rows,
                Some(_) | None => over = rows,
            }
        }
        fits
    }

    /// Rounds of the engines that are there which take about `us`, the nearest first, and none at all.
    pub fn around(&self, us: f64) -> Vec<Rounds> {
        let mut all = Vec::new();
        for batch in self.built.iter().flatten().copied() {
            let Some(time) = self.us(batch) else { continue };
            let rounds = AROUND.map(|step| (us / time) as i64 + step);
            let some = rounds.filter_map(|r| usize::try_from(r).ok().filter(|r| *r > 0));
            let off = |rounds: usize| (rounds as f64 * time - us).abs();
            all.extend(some.map(|rounds| (off(rounds), Rounds { batch, rounds })));
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let near = all.into_iter().take(MOST_AROUND).map(|(_, rounds)| rounds);
        near.chain([Rounds::NONE]).collect()
    }

    /// Most rows per microsecond.
    pub fn pace(&self) -> f64 {
        let usual = LADDER.into_iter().filter(|_| self.built.is_none());
        let sizes = usual.chain(self.built.iter().flatten().copied());
        let paces = sizes.filter_map(|n| Some(n as f64 / self.us(n)?));
        paces.fold(0.0, f64::max)
    }
}
