//! `tvm-dla fit-boards`: for maintainers, called by `scripts/fit_boards`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::files::TextFile;
use super::output::{Output, counted, table};
use super::{Answer, Outcome};
use crate::board::{Constants, FittedModel, Level, Processor};
use crate::fit::{
    Errors, Observation, UnusedRow, calibration, fit, fit_paper, leave_one_source_out, medians, observations,
    rows,
};

#[derive(Args)]
pub struct Arguments {
    /// Where to write the constants file
    #[arg(long)]
    write: Option<PathBuf>,
    /// Show the error of every row
    #[arg(long)]
    rows: bool,
}

#[derive(Serialize)]
struct FitReport {
    used: usize,
    left_out: BTreeMap<String, usize>,
    #[serde(flatten)]
    calibration: FittedModel,
}

pub fn run(arguments: &Arguments, output: &Output) -> Outcome {
    let file = arguments.write.as_deref().map(TextFile::create).transpose()?;
    let rows = rows().map_err(|e| format!("data/measurements.csv: {e}"))?;
    let (used, unused) = observations(&rows);
    output.say("fitting");
    let all: Vec<&Observation> = used.iter().collect();
    let constants = fit_paper(&fit(&all, &Constants::prior()))?;
    output.say("fitting again without each source");
    let errors = leave_one_source_out(&used, &constants);
    let fitted = FitReport {
        used: used.len(),
        left_out: reasons(&unused),
        calibration: calibration(&used, &errors, &constants),
    };
    if let Some(file) = file {
        file.write(&(serde_json::to_string_pretty(&fitted.calibration)? + "\n"))?;
    }
    output.answer(&fitted, || human(arguments, &used, &errors, &fitted), Answer::Yes)
}

fn reasons(unused: &[UnusedRow]) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for row in unused {
        *reasons.entry(row.reason.clone()).or_default() += 1;
    }
    reasons
}

fn human(arguments: &Arguments, used: &[Observation], errors: &[Errors], fitted: &FitReport) -> String {
    let mut parts = vec![
        format!(
            "{} used; errors of time, median without sign\n",
            counted(fitted.used, "row")
        ),
        by_group(used, errors),
        totals(fitted),
        constants(fitted),
    ];
    let left_out = fitted
        .left_out
        .iter()
        .map(|(reason, count)| vec![format!("{count}"), reason.clone()]);
    parts.push("\nrows left out".into());
    parts.push(table(&left_out.collect::<Vec<_>>()));
    if arguments.rows {
        parts.push("\nevery row".into());
        parts.push(each(used, errors));
    }
    parts.join("\n")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn head(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|c| c.to_string()).collect()
}

/// Per source, processor, precision and model.
fn by_group(used: &[Observation], errors: &[Errors]) -> String {
    let key = |o: &Observation| {
        (
            o.source.clone(),
            o.processor,
            o.level,
            o.arithmetic,
            o.model.clone(),
        )
    };
    let mut keys: Vec<_> = used.iter().map(key).collect();
    keys.sort();
    keys.dedup();
    let mut lines = vec![head(&[
        "source",
        "processor",
        "level",
        "precision",
        "model",
        "rows",
        "in sample",
        "source left out",
    ])];
    for wanted in keys {
        let found = medians(used, errors, |o| key(o) == wanted);
        if let Some((count, inside, outside)) = found {
            let (source, processor, level, arithmetic, model) = wanted;
            lines.push(vec![
                source,
                processor_name(processor).into(),
                level_name(level).into(),
                arithmetic.to_string(),
                model,
                count.to_string(),
                percent(inside),
                percent(outside),
            ]);
        }
    }
    table(&lines)
}

fn totals(fitted: &FitReport) -> String {
    let mut lines = vec![head(&["", "", "", "rows", "in sample", "source left out"])];
    for a in &fitted.calibration.accuracy {
        lines.push(vec![
            processor_name(a.processor).into(),
            level_name(a.level).into(),
            a.precision.map_or("all".into(), |p| p.to_string()),
            a.rows.to_string(),
            percent(a.in_sample),
            percent(a.out_of_sample),
        ]);
    }
    format!("\n{}", table(&lines))
}

fn constants(fitted: &FitReport) -> String {
    let mut lines = vec![head(&["constant", "value", "unit", "what"])];
    for c in &fitted.calibration.constants {
        let name = serde_json::to_value(c.name)
            .ok()
            .and_then(|n| n.as_str().map(str::to_string));
        lines.push(vec![
            name.unwrap_or_default(),
            c.value.to_string(),
            c.unit.clone(),
            c.what.clone(),
        ]);
    }
    format!("\n{}", table(&lines))
}

fn each(used: &[Observation], errors: &[Errors]) -> String {
    let lines = used.iter().zip(errors).map(|(o, e)| {
        vec![
            o.id.clone(),
            o.source.clone(),
            processor_name(o.processor).into(),
            o.arithmetic.to_string(),
            o.model.clone(),
            format!("{:.1} us", o.measured),
            format!("{:+.1} %", 100.0 * e.inside),
            format!("{:+.1} %", 100.0 * e.outside),
            format!("weight {:.2}", o.weight),
        ]
    });
    table(&lines.collect::<Vec<_>>())
}

fn processor_name(processor: Processor) -> &'static str {
    match processor {
        Processor::Gpu => "gpu",
        Processor::Dla => "dla",
        Processor::Combined => "gpu+dla",
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Network => "network",
        Level::Layer => "layer",
    }
}
