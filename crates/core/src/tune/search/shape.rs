//! The combinations of one cut and one set of devices: rounds that end all devices together, at the rates at which they run
//! side by side.

use super::estimate::{Estimates, Least, cost, spent};
use super::genome::{Genome, divisors, even};
use super::goal::Goal;
use super::times::Times;
use crate::plan::{Device, Mode};
use crate::sim::{ExecutionCost, Load, SimError};

/// Batches of each device that are combined.
const BATCHES: usize = 10;

/// Suffix batches that are combined: about so many, evenly over the divisors.
const SUFFIXES: usize = 6;

/// The plans of one cut with these devices.
pub(super) struct Shape<'a> {
    times: &'a Times<'a>,
    rows: usize,
    goal: &'a Goal,
    at: usize,
    dlas: &'a [Device],
    gpu: bool,
    /// Microseconds in which some plan is done: an execution that takes longer is of no use.
    within: f64,
}

/// One batch of each device, with their times side by side.
struct Pair {
    n_g: usize,
    n_d: usize,
    gpu: ExecutionCost,
    dla: ExecutionCost,
    slow_g: f64,
    slow_d: f64,
}

impl<'a> Shape<'a> {
    pub fn new(
        times: &'a Times<'a>,
        rows: usize,
        goal: &'a Goal,
        at: usize,
        dlas: &'a [Device],
        gpu: bool,
        within: f64,
    ) -> Shape<'a> {
        Shape {
            times,
            rows,
            goal,
            at,
            dlas,
            gpu,
            within,
        }
    }

    pub fn all(&self, all: &mut Estimates) -> Result<Least, SimError> {
        let mut least = Least { us: f64::INFINITY };
        let suffixes = self.suffixes()?;
        let gpu_rows = if self.gpu {
            self.batches(Device::Gpu)?
        } else {
            vec![1]
        };
        for n_d in self.batches(self.dlas[0])? {
            for &n_g in &gpu_rows {
                let pair = self.pair(n_g, n_d)?;
                for engines in [1, 2] {
                    for (mode, batch, us) in &suffixes {
                        for rounds in self.rounds(&pair, *mode, *us, engines) {
                            for n_g in self.gpu_batches(&pair, rounds) {
                                let point = Point {
                                    pair: &pair,
                                    n_g,
                                    mode: *mode,
                                    batch: *batch,
                                    suffix: *us,
                                    engines,
                                    rounds,
                                };
                                least = least.lesser(self.add(all, &point)?);
                            }
                        }
                    }
                }
            }
        }
        Ok(least)
    }

    fn batches(&self, device: Device) -> Result<Vec<usize>, SimError> {
        self.times
            .best_rows(Some(self.at), device, self.rows, BATCHES, self.within)
    }

    /// Mode, batch, and microseconds of the whole suffix.
    fn suffixes(&self) -> Result<Vec<(Mode, usize, f64)>, SimError> {
        if !self.times.way(self.at).suffix {
            return Ok(vec![(Mode::Merged, self.rows, 0.0)]);
        }
        let divisors = divisors(self.rows);
        let step = divisors.len().div_ceil(SUFFIXES).max(1);
        let mut found = Vec::new();
        for batch in divisors.into_iter().rev().step_by(step) {
            let one = spent(&self.times.suffix(self.at, batch)?, 1.0, 1);
            let us = one * (self.rows / batch) as f64;
            found.push((Mode::Merged, batch, us));
            if batch < self.rows {
                found.push((Mode::Pipelined, batch, us));
            }
        }
        Ok(found)
    }

    fn pair(&self, n_g: usize, n_d: usize) -> Result<Pair, SimError> {
        let at = Some(self.at);
        let gpu = self.times.first(at, Device::Gpu, n_g)?;
        let dla = self.times.first(at, self.dlas[0], n_d)?;
        let load = |device, rows, cost: &ExecutionCost| Load {
            device,
            rows,
            demand: cost.demand(),
        };
        let dlas = self.dlas.iter();
        let mut loads: Vec<Load> = dlas.map(|d| load(*d, n_d, &dla)).collect();
        if self.gpu {
            loads.push(load(Device::Gpu, n_g, &gpu));
        }
        let slow = self.times.costs(at).slow_down(&loads);
        let factor = |index: usize| slow.get(index).copied().unwrap_or(1.0);
        Ok(Pair {
            n_g,
            n_d,
            gpu,
            dla,
            slow_g: factor(self.dlas.len()),
            slow_d: factor(0),
        })
    }

    /// Rounds per DLA on either side of those that end all devices together.
    fn rounds(&self, pair: &Pair, mode: Mode, suffix: f64, engines: usize) -> Vec<usize> {
        let each = self.dlas.len() * pair.n_d;
        if !self.gpu {
            return (each <= self.rows)
                .then(|| self.rows / each)
                .into_iter()
                .collect();
        }
        let per_row = spent(&pair.gpu, pair.slow_g, engines) / pair.n_g as f64;
        let dla = spent(&pair.dla, pair.slow_d, engines);
        let beside = match mode {
            Mode::Merged => 0.0,
            Mode::Pipelined => suffix,
        };
        let even = (self.rows as f64 * per_row + beside) / (dla + each as f64 * per_row);
        let most = (self.rows - 1) / each;
        let even = even as usize;
        let mut rounds: Vec<usize> = [even, even + 1]
            .iter()
            .map(|r| (*r).clamp(1, most.max(1)))
            .collect();
        rounds.dedup();
        rounds.retain(|r| *r <= most);
        rounds
    }

    /// The pair's batch for the GPU, and the one near it that deals what the DLAs leave in equal rounds.
    fn gpu_batches(&self, pair: &Pair, rounds: usize) -> Vec<usize> {
        let rest = self.rows - self.dlas.len() * pair.n_d * rounds;
        let mut batches = vec![pair.n_g];
        if self.gpu && rest > 0 {
            batches.push(even(rest, rest.div_ceil(pair.n_g)));
        }
        batches.dedup();
        batches
    }

    fn add(&self, all: &mut Estimates, point: &Point<'_>) -> Result<Least, SimError> {
        let Point {
            pair,
            n_g,
            engines,
            rounds,
            ..
        } = *point;
        let way = self.times.way(self.at);
        let dealt = self.dlas.len() * pair.n_d * rounds;
        let rest = self.rows - dealt;
        let host = way.costs.host(way.suffix);
        let dla = spent(&pair.dla, pair.slow_d, engines) * rounds as f64;
        let (gpu, more) = if self.gpu {
            (self.rest_on(Device::Gpu, n_g, rest, pair.slow_g, engines)?, 0.0)
        } else {
            (
                0.0,
                self.rest_on(self.dlas[0], pair.n_d, rest, pair.slow_d, engines)?,
            )
        };
        let merge = if way.suffix { host.merge_us } else { 0.0 };
        let us = host.run_us
            + merge
            + match point.mode {
                Mode::Merged => together(pair, gpu, dla + more) + point.suffix,
                Mode::Pipelined => {
                    let last = point.suffix * point.batch as f64 / self.rows as f64;
                    together(pair, gpu + point.suffix, dla + more + last)
                }
            };
        let dlas = dla * self.dlas.len() as f64 + more;
        let genome = Genome {
            way: Some(self.at),
            gpu: self.gpu && rest > 0,
            n_g,
            n_d: pair.n_d,
            r_d: vec![rounds; self.dlas.len()],
            mode: point.mode,
            suffix: point.batch,
            engines,
        };
        let cost = cost(self.goal, us, gpu + point.suffix, dlas);
        all.add(self.times, self.rows, cost, genome);
        Ok(Least { us })
    }

    /// Microseconds of `rest` rows in batches of `n`, and one execution of what is left.
    fn rest_on(
        &self,
        device: Device,
        n: usize,
        rest: usize,
        slow: f64,
        engines: usize,
    ) -> Result<f64, SimError> {
        let full = self.times.first(Some(self.at), device, n)?;
        let last = match rest % n {
            0 => 0.0,
            left => spent(&self.times.first(Some(self.at), device, left)?, slow, engines),
        };
        Ok(spent(&full, slow, engines) * (rest / n) as f64 + last)
    }
}

/// Microseconds until both are done that take so long side by side: when one is, the other goes on as if alone.
fn together(pair: &Pair, gpu: f64, dla: f64) -> f64 {
    if gpu < dla {
        gpu + (dla - gpu) / pair.slow_d
    } else {
        dla + (gpu - dla) / pair.slow_g
    }
}

/// One combination of a [`Shape`].
#[derive(Clone, Copy)]
struct Point<'a> {
    pair: &'a Pair,
    n_g: usize,
    mode: Mode,
    batch: usize,
    /// Microseconds of the suffix of all rows.
    suffix: f64,
    engines: usize,
    rounds: usize,
}
