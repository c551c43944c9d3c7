//! Every batch with every strategy, by simulation.

use std::error::Error;
use std::time::Instant;

use super::found::Point;
use super::values::{Batch, Strategy};
use super::Arguments;
use crate::cli::helped;
use crate::cli::output::counted;
use crate::sim::Noise;
use crate::trace::Timeline;
use crate::tune::search::{self, Found, Goal, SearchError, Space};

/// Every batch with every strategy, by simulation.
pub fn searched(
    arguments: &Arguments,
    space: &Space<'_>,
    goal: &Goal,
) -> Result<Vec<Point>, Box<dyn Error>> {
    let mut points = Vec::new();
    for &strategy in &arguments.strategy {
        match (&arguments.batch, strategy) {
            (Batch::Any, Strategy::Search) => {
                let start = Instant::now();
                let (found, _) =
                    search::search_any(space, search::MOST_ROWS, goal).map_err(refusal)?;
                points.push(Point::new(space, strategy, found, start.elapsed())?);
            }
            (Batch::Any, _) => {
                return Err(helped(
                    format!("--strategy {} needs a batch", strategy.name()),
                    "give --batch a number",
                ))
            }
            (Batch::Of(batches), _) => {
                for &batch in batches {
                    let start = Instant::now();
                    let found = strategic(space, strategy, batch, goal)?;
                    points.push(Point::new(space, strategy, found, start.elapsed())?);
                }
            }
        }
    }
    points.sort_by_key(|point| point.batch);
    Ok(points)
}

fn strategic(
    space: &Space<'_>,
    strategy: Strategy,
    batch: usize,
    goal: &Goal,
) -> Result<Found, Box<dyn Error>> {
    let found = match strategy {
        Strategy::Exhaustive => search::exhaustive(space, batch, goal),
        Strategy::Search | Strategy::Kcc2020 | Strategy::Paper | Strategy::Single => {
            search::search(space, batch, goal)
        }
    };
    let found = found.map_err(refusal)?;
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
    Ok(Found {
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
    let chosen = points
        .iter()
        .filter(|p| p.strategy == Strategy::Search.name());
    let Some(point) = chosen.max_by_key(|p| p.batch) else {
        return Ok(None);
    };
    let run = space.run(&point.plan, Noise::NONE)?;
    Ok(Some(run.timeline(&format!(
        "{}, simulated",
        counted(point.batch, "row")
    ))))
}
