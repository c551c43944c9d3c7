//! `tvm-dla tune --profile`: splits a batch by a table of measured times.

use std::error::Error;
use std::path::Path;

use serde::Serialize;

use super::values::{Batch, Strategy, Time};
use super::{Arguments, read_text};
use crate::cli::output::{Output, table};
use crate::cli::{Answer, Outcome, helped};
use crate::tune::profile::{Measure, Part, Profile, ProfileError, Split, kcc2020, optima, read};

/// The optimum's time grows with the square of the largest batch.
const MOST_ROWS: usize = 8_192;

#[derive(Serialize)]
struct TableReport {
    model: String,
    units: Vec<String>,
    points: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    batch: usize,
    strategy: &'static str,
    rows_per_second: f64,
    /// No split can take less time than this.
    bound_ms: f64,
    #[serde(flatten)]
    split: Split,
}

/// What a table of any devices is split by.
const TAKEN: [&str; 7] = ["profile", "model", "time", "batch", "strategy", "json", "quiet"];

pub fn run(arguments: &Arguments, spoken: &[String], path: &Path, output: &Output) -> Outcome {
    if let Some(option) = spoken.iter().find(|option| !TAKEN.contains(&option.as_str())) {
        return Err(helped(
            format!("--{option} says nothing where a table of any devices is split without an artifact"),
            "leave it out, or name the artifact that the times are of",
        ));
    }
    let tuned = tuned(arguments, path)?;
    let unmeasured = tuned.points.iter().filter(|point| {
        let mut executions = point.split.parts.iter().flat_map(|p| &p.executions);
        executions.any(|e| !e.measured)
    });
    let count = unmeasured.count();
    if count > 0 {
        output.say(&format!(
            "{count} of {} splits use batches that were not measured: their times are interpolated",
            tuned.points.len()
        ));
    }
    output.answer(&tuned, || human(&tuned), Answer::Yes)
}

fn tuned(arguments: &Arguments, path: &Path) -> Result<TableReport, Box<dyn Error>> {
    let Batch::Of(batches) = &arguments.batch else {
        return Err(helped(
            "--batch any cannot be found from a table",
            "give --batch numbers",
        ));
    };
    let most = batches.iter().copied().max().unwrap_or(1);
    if most > MOST_ROWS {
        return Err(helped(
            format!("{most} rows are too many to split by a table"),
            format!("use at most {MOST_ROWS}, and run a larger batch in parts"),
        ));
    }
    let text = read_text(path)?;
    let profile = profile(path, &text, measure(arguments.time), arguments.model.as_deref())?;
    let exact = |strategy: &Strategy| matches!(strategy, Strategy::Search | Strategy::Exhaustive);
    let best = if arguments.strategy.iter().any(exact) {
        optima(&profile, most)
    } else {
        Vec::new()
    };
    let mut points = Vec::new();
    for &batch in batches {
        for &strategy in &arguments.strategy {
            let split = match strategy {
                // A search of a table is exact.
                Strategy::Search | Strategy::Exhaustive => best[batch - 1].clone(),
                Strategy::Kcc2020 => kcc2020(&profile, batch),
                Strategy::Paper => {
                    return Err(helped(
                        "the paper's scheme is for a GPU and DLAs, not for any devices",
                        "name an artifact, or another --strategy",
                    ));
                }
                Strategy::Single => Split::best_single(&profile, batch),
            };
            points.push(Point {
                batch,
                strategy: strategy.name(),
                rows_per_second: split.rows_per_second(),
                bound_ms: profile.bound_ms(batch),
                split,
            });
        }
    }
    Ok(TableReport {
        units: profile.units.iter().map(|u| u.name.clone()).collect(),
        model: profile.model,
        points,
    })
}

pub fn measure(time: Time) -> Measure {
    match time {
        Time::Total => Measure::Total,
        Time::Execution => Measure::Execution,
    }
}

/// The times of one model in the table at `path`.
pub fn profile(
    path: &Path,
    text: &str,
    measure: Measure,
    model: Option<&str>,
) -> Result<Profile, Box<dyn Error>> {
    let place = path.display();
    let wrong = |error: ProfileError| helped(format!("{place}: {error}"), COLUMNS);
    choose(read(text, measure).map_err(wrong)?, model)
}

const COLUMNS: &str = "the columns are device, batch, time_per_item_ms (or exec_time_per_item_ms and io_time_per_item_ms) and optionally model";

fn choose(mut profiles: Vec<Profile>, model: Option<&str>) -> Result<Profile, Box<dyn Error>> {
    let names: Vec<String> = profiles.iter().map(|p| p.model.clone()).collect();
    let at = match model {
        Some(name) => names.iter().position(|n| n == name),
        None => (names.len() == 1).then_some(0),
    };
    match (at, model) {
        (Some(at), _) => Ok(profiles.swap_remove(at)),
        (None, None) => Err(helped(
            format!("the table has {} models: {}", names.len(), names.join(", ")),
            "choose one with --model",
        )),
        (None, Some(name)) => {
            let nearest = names.iter().min_by_key(|n| strsim::levenshtein(n, name));
            Err(helped(
                format!("the table has no model `{name}`; it has {}", names.join(", ")),
                format!("the nearest is --model {}", nearest.map_or("", String::as_str)),
            ))
        }
    }
}

fn human(tuned: &TableReport) -> String {
    let head = ["batch", "strategy", "ms", "rows/s", "of the bound", "split"];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    rows.extend(tuned.points.iter().map(|point| {
        vec![
            point.batch.to_string(),
            point.strategy.to_string(),
            format!("{:.3}", point.split.ms),
            format!("{:.1}", point.rows_per_second),
            format!("{:.1} %", 100.0 * point.bound_ms / point.split.ms),
            point.split.parts.iter().map(part).collect::<Vec<_>>().join("; "),
        ]
    }));
    table(&rows)
}

/// `gpu 64x3+8x1`.
fn part(part: &Part) -> String {
    let executions = part.executions.iter();
    let executions: Vec<String> = executions.map(|e| format!("{}x{}", e.batch, e.count)).collect();
    format!("{} {}", part.unit, executions.join("+"))
}
