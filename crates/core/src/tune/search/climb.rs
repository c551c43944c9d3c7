//! Improves a plan step by step.

use super::figures::Judge;
use super::genome::{Genome, divisors, even};
use super::times::Times;
use crate::plan::{Device, Mode};
use crate::sim::SimError;

/// Steps after which a climb ends.
const STEPS: usize = 40;

/// Moves to the best neighbour of `start` until none is better.
pub(super) fn climb(
    times: &Times<'_>,
    judge: &mut Judge<'_>,
    rows: usize,
    start: Genome,
) -> Result<(), SimError> {
    let mut here = (judge.judge_genome(&start, rows)?, start);
    for _ in 0..STEPS {
        let mut best: Option<(f64, Genome)> = None;
        for next in neighbours(times, &here.1, rows) {
            let cost = judge.judge_genome(&next, rows)?;
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, next));
            }
        }
        match best {
            Some(next) if next.0 < here.0 => here = next,
            _ => break,
        }
    }
    Ok(())
}

fn neighbours(times: &Times<'_>, here: &Genome, rows: usize) -> Vec<Genome> {
    let mut next = Vec::new();
    next.push(Genome {
        engines: 3 - here.engines,
        ..here.clone()
    });
    for n_g in beside(&times.rows(here.way, Device::Gpu, rows), here.n_g) {
        next.push(Genome { n_g, ..here.clone() });
    }
    let Some(at) = here.way else {
        return next;
    };
    rounds(&mut next, here);
    let mut batches = beside(&times.rows(here.way, times.space.dlas[0], rows), here.n_d);
    batches.extend([here.n_d.saturating_sub(1), here.n_d + 1]);
    for n_d in batches.into_iter().filter(|n_d| *n_d > 0) {
        next.extend(same_rows(here, n_d));
    }
    for dealt in next.clone() {
        next.extend(equal_rounds(dealt, rows));
    }
    next.extend(equal_rounds(here.clone(), rows));
    for suffix in beside(&divisors(rows), here.suffix) {
        for mode in [Mode::Merged, Mode::Pipelined] {
            next.push(Genome {
                suffix,
                mode,
                ..here.clone()
            });
        }
    }
    let mode = match here.mode {
        Mode::Merged => Mode::Pipelined,
        Mode::Pipelined => Mode::Merged,
    };
    next.push(Genome { mode, ..here.clone() });
    for way in [at.checked_sub(1), Some(at + 1)].into_iter().flatten() {
        if way < times.space.ways.len() {
            next.push(Genome {
                way: Some(way),
                ..here.clone()
            });
        }
    }
    next
}

/// One round more or less on each DLA, or on all.
fn rounds(next: &mut Vec<Genome>, here: &Genome) {
    let mut change = |which: &dyn Fn(usize) -> bool, by: isize| {
        let changed = here.r_d.iter().enumerate();
        let changed = changed.map(|(at, r)| {
            if which(at) {
                r.checked_add_signed(by)
            } else {
                Some(*r)
            }
        });
        if let Some(r_d) = changed.collect::<Option<Vec<usize>>>() {
            next.push(Genome { r_d, ..here.clone() });
        }
    };
    for by in [-4, -1, 1, 4] {
        change(&|_| true, by);
        for core in 0..here.r_d.len() {
            change(&|at| at == core, by);
        }
    }
}

/// The same with what the DLAs leave in one, two or three equal rounds on the GPU, and in one more or less than now.
fn equal_rounds(here: Genome, rows: usize) -> Vec<Genome> {
    let dealt = here.n_d * here.r_d.iter().sum::<usize>();
    let rest = rows.saturating_sub(dealt);
    if !here.gpu || rest == 0 {
        return Vec::new();
    }
    let now = rest.div_ceil(here.n_g);
    let rounds = [1, 2, 3, now.saturating_sub(1), now, now + 1];
    let batches = rounds.into_iter().map(|rounds| even(rest, rounds));
    let mut batches: Vec<usize> = batches.filter(|n_g| *n_g != here.n_g).collect();
    batches.sort_unstable();
    batches.dedup();
    let with = |n_g| Genome { n_g, ..here.clone() };
    batches.into_iter().map(with).collect()
}

/// Another batch on the DLAs with about the same rows.
fn same_rows(here: &Genome, n_d: usize) -> [Genome; 2] {
    let rounds = |up: usize| {
        let rounds = here.r_d.iter().map(|r| (r * here.n_d + up * (n_d - 1)) / n_d);
        Genome {
            n_d,
            r_d: rounds.collect(),
            ..here.clone()
        }
    };
    [rounds(0), rounds(1)]
}

/// The values of an ascending list on either side of `value`.
fn beside(list: &[usize], value: usize) -> Vec<usize> {
    let below = list.iter().rev().find(|n| **n < value);
    let above = list.iter().find(|n| **n > value);
    below.into_iter().chain(above).copied().collect()
}
