//! What is written and shown of a tuning.

use std::error::Error;
use std::path::{Path, PathBuf};

use super::Arguments;
use super::found::{Point, TuneOutcome};
use super::values::Strategy;
use crate::artifact::beside;
use crate::cli::files::TextFile;
use crate::cli::helped;
use crate::cli::output::table;
use crate::plan::{Plan, PlanFile};
use crate::tune::{Row, TuneReport};

/// Writes the report and the CSV that were asked for.
pub fn report(arguments: &Arguments, tuned: &TuneOutcome) -> Result<(), Box<dyn Error>> {
    let row = |point: &Point| Row {
        batch: point.batch,
        strategy: point.strategy.to_string(),
        plan: point.text.clone(),
        rows_per_second: point.rows_per_second,
        latency_ms: point.p99_ms.unwrap_or(point.latency_ms),
        joules_per_row: point.joules_per_row,
        bound: point.bound.rows_per_second(),
        over_gpu_only: point.over_gpu_only,
    };
    let report = TuneReport {
        title: format!("Plans for {}", tuned.artifact.display()),
        label: tuned.origin.clone(),
        goal: tuned.goal.to_string(),
        rows: tuned.points.iter().map(row).collect(),
        timeline: tuned.timeline.clone(),
    };
    for (path, text) in [
        (&arguments.report, report.to_html()),
        (&arguments.csv, report.to_csv()),
    ] {
        if let Some(path) = path {
            whole(path, &text, "name another place, or make room")?;
        }
    }
    Ok(())
}

/// Writes a file whole or not at all: what was there before stays where there is no room.
fn whole(path: &Path, text: &str, help: &str) -> Result<(), Box<dyn Error>> {
    let written = TextFile::create(path).and_then(|file| file.write(text));
    written.map_err(|error| helped(error.to_string(), help))
}

/// Writes the plans of the search beside the artifact, or where the user says.
pub fn plans(
    arguments: &Arguments,
    path: &Path,
    tuned: &TuneOutcome,
) -> Result<Option<PathBuf>, Box<dyn Error>> {
    let chosen = tuned
        .points
        .iter()
        .filter(|p| p.strategy == Strategy::Search.name());
    let plans: Vec<Plan> = chosen.map(|p| p.plan.clone()).collect();
    if plans.is_empty() {
        return Ok(None);
    }
    let file = arguments.output.clone().unwrap_or_else(|| beside(path));
    let content = PlanFile::new(
        tuned.network.clone(),
        tuned.board.clone(),
        tuned.goal.to_string(),
        plans,
    );
    let text = serde_json::to_string_pretty(&content)?;
    whole(
        &file,
        &(text + "\n"),
        "name another place with --output, or make room",
    )?;
    Ok(Some(file))
}

pub fn human(tuned: &TuneOutcome) -> String {
    let head = [
        "batch",
        "strategy",
        "images/s",
        "of the bound",
        "over the GPU alone",
        "ms",
        "plan",
    ];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    rows.extend(tuned.points.iter().map(|point| {
        vec![
            point.batch.to_string(),
            point.strategy.to_string(),
            format!("{:.1}", point.rows_per_second),
            format!("{:.1} %", 100.0 * point.of_bound),
            format!("{:.2}", point.over_gpu_only),
            format!("{:.1}", point.p99_ms.unwrap_or(point.latency_ms)),
            point.text.clone(),
        ]
    }));
    format!("{}\n{}", tuned.origin, table(&rows))
}
