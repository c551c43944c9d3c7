//! Every batch with every strategy, by simulation.

use std::error::Error;
use std::time::Instant;

use super::Arguments;
use super::found::Point;
use super::values::{Batch, Strategy};
use crate::cli::helped;
use crate::cli::output::{Output, counted};
use crate::sim::Noise;
use crate::trace::Timeline;
use crate::tune::search::{self, Goal, Infeasible, SearchError, SearchOutcome, Space};

/// What a search found, and why it has no plan for some batches.
pub struct Searched {
    /// By batch.
    pub points: Vec<Point>,
    pub infeasible: Vec<String>,
}

/// Every batch with every strategy, by simulation. A batch for which no plan reaches the goal is left out where others have one.
pub fn searched(
    arguments: &Arguments,
    space: &Space<'_>,
    goal: &Goal,
    output: &Output,
) -> Result<Searched, Box<dyn Error>> {
    let mut points = Vec::new();
    let mut infeasible: Vec<Infeasible> = Vec::new();
    for &strategy in &arguments.strategy {
        match (&arguments.batch, strategy) {
            (Batch::Any, Strategy::Search) => {
                let start = Instant::now();
                let (found, _) = search::search_any(space, search::MOST_ROWS, goal).map_err(refusal)?;
                points.push(Point::new(space, strategy, found, start.elapsed())?);
            }
            (Batch::Any, _) => {
                return Err(helped(
                    format!("--strategy {} needs a batch", strategy.name()),
                    "give --batch a number",
                ));
            }
            (Batch::Of(batches), _) => {
                for &batch in batches {
                    let start = Instant::now();
                    match strategic(space, strategy, batch, goal) {
                        Ok(found) => points.push(Point::new(space, strategy, found, start.elapsed())?),
                        // Every strategy looks for the same goal.
                        Err(SearchError::Infeasible(reason)) if infeasible.contains(&reason) => {}
                        Err(SearchError::Infeasible(reason)) => infeasible.push(reason),
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
    }
    if let (true, Some(reason)) = (points.is_empty(), infeasible.first()) {
        return Err(refusal(reason.clone().into()));
    }
    let infeasible: Vec<String> = infeasible.iter().map(Infeasible::to_string).collect();
    infeasible.iter().for_each(|reason| output.say(reason));
    points.sort_by_key(|point| point.batch);
    Ok(Searched { points, infeasible })
}

fn strategic(
    space: &Space<'_>,
    strategy: Strategy,
    batch: usize,
    goal: &Goal,
) -> Result<SearchOutcome, SearchError> {
    let found = match strategy {
        Strategy::Exhaustive => search::exhaustive(space, batch, goal),
        Strategy::Search | Strategy::Kcc2020 | Strategy::Paper | Strategy::Single => {
            search::search(space, batch, goal)
        }
    }?;
    let plan = match strategy {
        Strategy::Search | Strategy::Exhaustive => return Ok(found),
        Strategy::Kcc2020 => search::kcc(space, batch)?,
        Strategy::Paper => search::paper(space, batch)?,
        Strategy::Single => search::gpu_only(space, batch)?,
    };
    let power = match goal {
        Goal::Energy(power) => Some(*power),
        Goal::Throughput | Goal::Latency { .. } => None,
    };
    Ok(SearchOutcome {
        best: vec![space.figures(&plan, power)?],
        ..found
    })
}

fn refusal(error: SearchError) -> Box<dyn Error> {
    match &error {
        SearchError::Infeasible(infeasible) => helped(infeasible.to_string(), infeasible.help()),
        SearchError::Sim(_) => error.into(),
    }
}

/// A simulated run of the search's plan for the most rows.
pub fn picture(space: &Space<'_>, points: &[Point]) -> Result<Option<Timeline>, Box<dyn Error>> {
    let chosen = points.iter().filter(|p| p.strategy == Strategy::Search.name());
    let Some(point) = chosen.max_by_key(|p| p.batch) else {
        return Ok(None);
    };
    let run = space.run(&point.plan, Noise::NONE)?;
    Ok(Some(run.timeline(&format!(
        "{}, simulated",
        counted(point.batch, "row")
    ))))
}
