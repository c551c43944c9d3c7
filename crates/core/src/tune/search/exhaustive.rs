//! Every plan of the space, without those that cannot be better than one that is known.

use super::figures::Judge;
use super::floor::Floor;
use super::genome::{Genome, divisors, even};
use super::goal::Goal;
use super::times::Times;
use super::units::in_units;
use super::{Bound, SearchError, SearchOutcome, Space, heuristic};
use crate::plan::{Device, Mode};
use crate::sim::SimError;

/// Plans that a search simulates one after the other at most, which takes a fraction of a second.
const BUDGET: usize = 8_000;

/// Rows up to which every batch of a device is tried; beyond, those that a search tries.
const EVERY_BATCH: usize = 32;

/// Equal rounds of the GPU that are tried in any case.
const EQUAL_ROUNDS: usize = 8;

/// The best of all plans for `rows` rows: every cut, every number of rounds on each DLA core, every suffix batch, both
/// modes, one engine of a kind or two, and every batch of each device, which beyond 32 rows are those a search tries.
///
/// What a search finds is simulated first; then every plan whose devices, with nothing in each other's way, would be done
/// sooner than the best so far. Up to 32 rows that takes seconds for a network; it grows with the third power of the rows.
///
/// # Errors
/// As [`super::search`].
pub fn exhaustive(space: &Space<'_>, rows: usize, goal: &Goal) -> Result<SearchOutcome, SearchError> {
    in_units(space, rows, |space, rows| {
        let times = Times::new(space);
        let mut judge = Judge::new(space, goal);
        heuristic(&times, &mut judge, rows, goal)?;
        let (count, _) = sweep(&times, &mut judge, rows, goal, usize::MAX)?;
        judge.finish(Bound::of(&times, rows)?, count, true)
    })
}

/// Tries everything as long as that takes next to no time; returns how many plans that was, and whether it was all.
pub(super) fn try_everything(
    times: &Times<'_>,
    judge: &mut Judge<'_>,
    rows: usize,
    goal: &Goal,
) -> Result<(usize, bool), SearchError> {
    if rows <= EVERY_BATCH {
        sweep(times, judge, rows, goal, BUDGET)
    } else {
        Ok((0, false))
    }
}

/// The most promising cuts come first.
fn sweep(
    times: &Times<'_>,
    judge: &mut Judge<'_>,
    rows: usize,
    goal: &Goal,
    budget: usize,
) -> Result<(usize, bool), SearchError> {
    let mut ways = Vec::new();
    for at in 0..times.space.ways.len() {
        ways.push((Bound::of_way(times, Some(at), rows)?.rows_per_second(), at));
    }
    ways.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut sweep = Sweep {
        floor: Floor { times, rows, goal },
        judge,
        budget,
        count: 0,
    };
    sweep.alone()?;
    for (_, way) in ways {
        sweep.cut(way)?;
    }
    Ok((sweep.count, sweep.count <= budget))
}

struct Sweep<'a, 'b> {
    floor: Floor<'a>,
    judge: &'a mut Judge<'b>,
    /// Plans after which it ends.
    budget: usize,
    /// Plans that were looked at.
    count: usize,
}

impl Sweep<'_, '_> {
    fn alone(&mut self) -> Result<(), SimError> {
        for n_g in self.batches(None, Device::Gpu) {
            for engines in [1, 2] {
                self.see(Genome::alone(n_g, self.floor.rows, engines))?;
            }
        }
        Ok(())
    }

    /// The plans of one cut.
    fn cut(&mut self, way: usize) -> Result<(), SimError> {
        let dlas = self.floor.times.space.dlas.clone();
        for n_d in self.batches(Some(way), dlas[0]) {
            let each = self.floor.each(way, &dlas, n_d)?;
            let all = (1..=dlas.len()).flat_map(|n| rounds(&each[..n], self.floor.rows / n_d));
            for r_d in all.collect::<Vec<_>>() {
                if self.count > self.budget {
                    return Ok(());
                }
                let busy = r_d.iter().zip(&each).map(|(r, us)| *r as f64 * us);
                let (longest, sum) = busy.fold((0.0, 0.0), |(most, sum), us| (us.max(most), sum + us));
                if self.floor.cost(longest, 0.0, sum) < self.judge.least() {
                    self.dealt(way, n_d, &r_d)?;
                }
            }
        }
        Ok(())
    }

    /// The plans with these rounds on the DLAs; the GPU, or what is left of a round of the first DLA, has the rest.
    fn dealt(&mut self, way: usize, n_d: usize, r_d: &[usize]) -> Result<(), SimError> {
        let rest = self.floor.rows - n_d * r_d.iter().sum::<usize>();
        let mut firsts: Vec<(bool, usize)> = Vec::new();
        firsts.extend((rest < n_d).then_some((false, 1)));
        let mut gpu = self.batches(Some(way), Device::Gpu);
        gpu.retain(|n| *n < rest);
        gpu.extend((1..=EQUAL_ROUNDS.min(rest)).map(|rounds| even(rest, rounds)));
        gpu.sort_unstable();
        gpu.dedup();
        firsts.extend(gpu.into_iter().map(|n| (true, n)));
        for (gpu, n_g) in firsts {
            for (suffix, mode) in self.suffixes(way) {
                let genome = Genome {
                    way: Some(way),
                    gpu,
                    n_g,
                    n_d,
                    r_d: r_d.to_vec(),
                    mode,
                    suffix,
                    engines: 1,
                };
                if self.floor.of(&genome)? < self.judge.least() {
                    self.see(Genome {
                        engines: 2,
                        ..genome.clone()
                    })?;
                    self.see(genome)?;
                }
            }
        }
        Ok(())
    }

    fn see(&mut self, genome: Genome) -> Result<(), SimError> {
        self.count += 1;
        if self.count > self.budget {
            return Ok(());
        }
        self.judge.judge_once(genome, self.floor.rows)
    }

    fn batches(&self, at: Option<usize>, device: Device) -> Vec<usize> {
        let (times, rows) = (self.floor.times, self.floor.rows);
        if rows <= EVERY_BATCH {
            (1..=times.most_rows(at, device).min(rows)).collect()
        } else {
            times.rows(at, device, rows)
        }
    }

    fn suffixes(&self, way: usize) -> Vec<(usize, Mode)> {
        let rows = self.floor.rows;
        if !self.floor.times.way(way).suffix {
            return vec![(rows, Mode::Merged)];
        }
        let parts = divisors(rows).into_iter().filter(|n| *n < rows);
        let parts = parts.flat_map(|n| [(n, Mode::Merged), (n, Mode::Pipelined)]);
        std::iter::once((rows, Mode::Merged)).chain(parts).collect()
    }
}

/// One round or more on each core, `most` in total. Cores that take the same time `each` are interchangeable.
fn rounds(each: &[f64], most: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for core in 0..each.len() {
        let alike = core > 0 && each[core] == each[core - 1];
        let longer = |start: Vec<usize>| {
            let left = most - start.iter().sum::<usize>();
            let limit = start
                .last()
                .filter(|_| alike)
                .map_or(left, |last| left.min(*last));
            (1..=limit).map(move |r| [&start[..], &[r]].concat())
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}
