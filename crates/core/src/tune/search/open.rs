//! A batch of any size: the one that serves the goal best.

use super::{Goal, Infeasible, SearchError, SearchOutcome, Space, search};

/// Most rows that are tried.
pub const MOST_ROWS: usize = 4096;

/// The best plans of any number of rows up to `most`, with those of every number tried, ascending.
///
/// Numbers 1, 2, 3, 4, 6, 8, 12, ... are tried, then those half-way between the best and its neighbours.
///
/// # Errors
/// [`Infeasible`] when no number of rows reaches the goal; an error of the simulation.
pub fn search_any(
    space: &Space<'_>,
    most: usize,
    goal: &Goal,
) -> Result<(SearchOutcome, Vec<SearchOutcome>), SearchError> {
    let mut tried: Vec<SearchOutcome> = Vec::new();
    let mut refused: Option<Infeasible> = None;
    let mut attempt = |rows: usize, tried: &mut Vec<SearchOutcome>| match search(space, rows, goal) {
        Ok(found) => {
            tried.push(found);
            Ok(())
        }
        Err(SearchError::Infeasible(infeasible)) => {
            let nearer = refused.as_ref().is_none_or(|old| nearer(&infeasible, old));
            if nearer {
                refused = Some(infeasible);
            }
            Ok(())
        }
        Err(error) => Err(error),
    };
    let unit = space.unit.unwrap_or(1);
    for units in ladder((most / unit).max(1)) {
        attempt(units * unit, &mut tried)?;
    }
    for _ in 0..3 {
        for rows in between(&tried, goal, most, unit) {
            attempt(rows, &mut tried)?;
        }
        tried.sort_by_key(rows_of);
    }
    match (best(&tried, goal), refused) {
        (Some(at), _) => Ok((tried[at].clone(), tried)),
        (None, Some(infeasible)) => Err(infeasible.into()),
        (None, None) => Err(crate::sim::SimError::NoProgress.into()),
    }
}

fn ladder(most: usize) -> Vec<usize> {
    let powers = (0..usize::BITS - 1).map(|power| 1usize << power);
    let steps = powers.flat_map(|n| [n, n + n / 2]);
    let mut steps: Vec<usize> = steps.take_while(|n| *n <= most).collect();
    steps.push(most);
    steps.dedup();
    steps
}

fn rows_of(found: &SearchOutcome) -> usize {
    found.best[0].plan.total()
}

fn best(tried: &[SearchOutcome], goal: &Goal) -> Option<usize> {
    let cost = |found: &SearchOutcome| match goal {
        Goal::Throughput | Goal::Latency { .. } => -found.best[0].rows_per_second,
        Goal::Energy(_) => found.best[0].joules_per_row.unwrap_or(f64::INFINITY),
    };
    let all = tried.iter().enumerate();
    all.min_by(|a, b| cost(a.1).total_cmp(&cost(b.1)))
        .map(|(at, _)| at)
}

/// Half-way from the best to its neighbours; with a bound the next larger number may be out of reach.
fn between(tried: &[SearchOutcome], goal: &Goal, most: usize, unit: usize) -> Vec<usize> {
    let Some(at) = best(tried, goal) else {
        return Vec::new();
    };
    let rows = rows_of(&tried[at]);
    let below = at.checked_sub(1).map_or(0, |at| rows_of(&tried[at]));
    let above = tried.get(at + 1).map_or(rows + rows / 2, rows_of);
    let whole = |rows: usize| rows / unit * unit;
    let halves = [whole((below + rows) / 2), whole((rows + above) / 2)];
    let new = |n: &usize| *n > 0 && *n <= most && tried.iter().all(|f| rows_of(f) != *n);
    halves.into_iter().filter(new).collect()
}

/// Whether `new` could be had for less.
fn nearer(new: &Infeasible, old: &Infeasible) -> bool {
    match (new, old) {
        (Infeasible::Latency { nearest: a, .. }, Infeasible::Latency { nearest: b, .. }) => a < b,
        (Infeasible::Memory { nearest: a, .. }, Infeasible::Memory { nearest: b, .. }) => a < b,
        (Infeasible::Engines { nearest: a, .. }, Infeasible::Engines { nearest: b, .. }) => a < b,
        (Infeasible::Latency { .. } | Infeasible::Memory { .. } | Infeasible::Engines { .. }, _) => false,
    }
}
