//! Finds the plan that serves a goal best, by simulation.
//!
//! The space: where the network is cut, which devices take part, rows per execution and rounds on each, a merged or a
//! pipelined suffix and its batch, one engine of a kind or two. Every combination is estimated by arithmetic; cuts whose
//! bound is worse than what was found are left out; the best estimates are simulated, with the GPU alone and the named
//! strategies, and the best of those improved step by step. Where few plans are left that could be better, all of those are
//! simulated too.

mod bound;
mod climb;
mod estimate;
mod exhaustive;
mod figures;
mod floor;
mod genome;
mod goal;
mod memory;
mod open;
mod shape;
mod strategies;
#[cfg(test)]
mod tests;
mod times;
mod units;

pub use bound::Bound;
pub use exhaustive::exhaustive;
pub use figures::Figures;
pub use goal::{Goal, Infeasible, Limits, Power, PowerError};
pub use memory::{Footprint, footprint};
pub use open::{MOST_ROWS, search_any};
pub use strategies::{gpu_only, kcc, paper};

use crate::plan::{Cut, Device, Plan};
use crate::sim::{Costs, SimError};
use climb::climb;
use estimate::estimates;
use exhaustive::try_everything;
use figures::Judge;
use genome::Genome;
use times::Times;
use units::in_units;

/// One place to cut, and what its stages cost.
pub struct Way<'a> {
    pub cut: Cut,
    /// Something is left for the GPU after it.
    pub suffix: bool,
    /// Most rows of one execution on a DLA.
    pub dla_rows: usize,
    pub costs: &'a dyn Costs,
    pub prefix_bytes: Footprint,
    pub suffix_bytes: Footprint,
    /// Bytes per row of the tensors that cross.
    pub crossing: u64,
}

/// What a network and a board allow.
pub struct Space<'a> {
    /// The network uncut on the GPU.
    pub whole: &'a dyn Costs,
    pub whole_bytes: Footprint,
    /// Bytes per row of the network's inputs and outputs.
    pub io: u64,
    /// The longest prefix first; none when the network runs on the GPU alone.
    pub ways: Vec<Way<'a>>,
    /// The DLA cores to use.
    pub dlas: Vec<Device>,
    /// The rows of every execution, where those of the network or of a stage cannot be proved apart.
    pub unit: Option<usize>,
    /// How far execution times vary on the board, for percentiles: 0.05 is 5 % either way.
    pub jitter: f64,
    pub limits: Limits,
}

impl Space<'_> {
    /// `plan` with its rows in the executions that are possible. Searches are in units, each like a row.
    fn executed(&self, plan: Plan) -> Plan {
        match self.unit {
            Some(_) => plan.one_by_one(),
            None => plan,
        }
    }
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct SearchOutcome {
    /// The best plans, best first; at least one.
    pub best: Vec<Figures>,
    pub bound: Bound,
    /// Combinations that were estimated, and plans that were simulated.
    pub estimated: usize,
    pub simulated: usize,
    /// No plan of the space can be better: it was simulated, or is bound to take longer.
    pub exhaustive: bool,
}

/// Plans that a search returns, for measuring the best of them.
const KEPT: usize = 8;

/// Starting points that are improved.
const STARTS: usize = 16;

/// The best plans for exactly `rows` rows.
///
/// # Errors
/// [`Infeasible`] when no plan keeps the goal's bound and the limits, with the nearest that could be kept; an error of
/// the simulation.
pub fn search(space: &Space<'_>, rows: usize, goal: &Goal) -> Result<SearchOutcome, SearchError> {
    in_units(space, rows, |space, rows| {
        let times = Times::new(space);
        let mut judge = Judge::new(space, goal);
        let estimated = heuristic(&times, &mut judge, rows, goal)?;
        let (_, all) = try_everything(&times, &mut judge, rows, goal)?;
        judge.finish(Bound::of(&times, rows)?, estimated, all)
    })
}

/// Simulates the GPU alone, the named strategies and the best estimates, and improves the best of them; returns how many
/// combinations were estimated.
fn heuristic(
    times: &Times<'_>,
    judge: &mut Judge<'_>,
    rows: usize,
    goal: &Goal,
) -> Result<usize, SearchError> {
    for batch in times.rows(None, Device::Gpu, rows) {
        judge.judge_genome(&Genome::alone(batch, rows, 1), rows)?;
    }
    for plan in [paper(times.space, rows)?, kcc(times.space, rows)?] {
        judge.judge(None, plan)?;
    }
    let estimated = estimates(times, rows, goal)?;
    let count = estimated.count;
    for (genome, plan) in estimated.best() {
        judge.judge(Some(genome), plan)?;
    }
    for start in judge.starts(STARTS) {
        climb(times, judge, rows, start)?;
    }
    Ok(count)
}

/// No plan, or none that can be had.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Infeasible(#[from] Infeasible),
    #[error(transparent)]
    Sim(#[from] SimError),
}
