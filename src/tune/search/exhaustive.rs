//! Every plan of a small space.

use super::figures::Judge;
use super::genome::{divisors, Genome};
use super::goal::Goal;
use super::times::Times;
use super::{Bound, Found, SearchError, Space};
use crate::plan::{Device, Mode};

/// Plans that are simulated rather than estimated.
const SMALL: usize = 4_000;

/// Whether every plan of `rows` rows can be simulated in no time.
pub(super) fn is_small(space: &Space<'_>, rows: usize) -> bool {
    // Batches of both kinds, rounds on two cores, suffixes: at most so many.
    let plans = space.ways.len().max(1) * rows * rows * 8;
    rows <= 8 && plans <= SMALL
}

/// Simulates every plan for `rows` rows whose DLA cores have rounds that differ by at most one.
///
/// # Errors
/// As [`super::search`].
pub fn exhaustive(space: &Space<'_>, rows: usize, goal: &Goal) -> Result<Found, SearchError> {
    let times = Times::new(space);
    let mut judge = Judge::new(space, goal);
    let mut count = 0;
    let mut judged = |genome: Genome| {
        count += 1;
        judge.judge_genome(&genome, rows)
    };
    for n_g in times.rows(None, Device::Gpu, rows) {
        for engines in [1, 2] {
            judged(Genome::alone(n_g, rows, engines))?;
        }
    }
    for way in 0..space.ways.len() {
        for genome in shared(&times, way, rows) {
            judged(genome)?;
        }
    }
    let bound = Bound::of(&times, rows)?;
    judge.finish(bound, count, true)
}

fn shared(times: &Times<'_>, way: usize, rows: usize) -> Vec<Genome> {
    let mut all = Vec::new();
    let at = Some(way);
    for r_d in (1..=times.space.dlas.len()).flat_map(|cores| rounds(cores, rows)) {
        for n_d in times.rows(at, times.space.dlas[0], rows) {
            if n_d * r_d.iter().sum::<usize>() > rows {
                continue;
            }
            for (gpu, n_g) in gpus(times, at, rows) {
                for (suffix, mode) in suffixes(times, way, rows) {
                    for engines in [1, 2] {
                        all.push(Genome {
                            way: at,
                            gpu,
                            n_g,
                            n_d,
                            r_d: r_d.clone(),
                            mode,
                            suffix,
                            engines,
                        });
                    }
                }
            }
        }
    }
    all
}

fn rounds(cores: usize, rows: usize) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    for rounds in 1..=rows / cores {
        all.push(vec![rounds; cores]);
        if cores > 1 {
            let mut uneven = vec![rounds; cores];
            uneven[0] += 1;
            all.push(uneven);
        }
    }
    all
}

fn gpus(times: &Times<'_>, at: Option<usize>, rows: usize) -> Vec<(bool, usize)> {
    let with = times.rows(at, Device::Gpu, rows).into_iter();
    std::iter::once((false, 1))
        .chain(with.map(|n_g| (true, n_g)))
        .collect()
}

fn suffixes(times: &Times<'_>, way: usize, rows: usize) -> Vec<(usize, Mode)> {
    if !times.way(way).suffix {
        return vec![(rows, Mode::Merged)];
    }
    let all = divisors(rows).into_iter();
    all.flat_map(|n| [(n, Mode::Merged), (n, Mode::Pipelined)])
        .collect()
}
