//! `tvm-dla run`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde::Serialize;

use super::around::TvmRuntime;
use super::arrays::ResultFile;
use super::engines::Engines;
use super::files::TextFile;
use super::finite::NotFinite;
use super::labels::{self, Guess};
use super::model::{Done, Model, preprocess};
use super::output::{Output, counted, seconds, table};
use super::precision::Report;
use super::{Answer, Outcome, inputs};
use crate::artifact::Artifact;
use crate::pipeline::Stats;
use crate::session::PlanOrigin;
use crate::trace::Timeline;

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle
    artifact: PathBuf,
    /// Pictures or folders of pictures (.jpg, .png, .bmp), or one .npy or .npz file
    #[arg(long, short, required = true, num_args = 1..)]
    input: Vec<PathBuf>,
    /// Rows to run: the input is cut, or repeated from its front
    #[arg(long, value_parser = crate::cli::rows::one)]
    batch: Option<u32>,
    /// Class names, one per line
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Classes to show per picture
    #[arg(long, default_value_t = 1)]
    top: usize,
    /// How pictures become input: unit-symmetric, efficientnet-lite, imagenet or none (default: the artifact's)
    #[arg(long)]
    preprocess: Option<String>,
    /// Where to write the outputs: .npy for one, .npz for several
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Where to write what ran when on which device, as trace events for ui.perfetto.dev
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Where to write the same as an SVG picture
    #[arg(long)]
    gantt: Option<PathBuf>,
    #[command(flatten)]
    tvm: TvmRuntime,
    /// Run the batch so many times, and report the last; with --adapt each run learns from those before it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    #[command(flatten)]
    engines: Engines,
}

#[derive(Serialize)]
struct Row {
    input: String,
    top: Vec<Guess>,
}

#[derive(Serialize)]
struct RunReport {
    artifact: PathBuf,
    devices: String,
    /// Those of the session that this batch did without.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unused: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    computed: Option<Report>,
    rows: usize,
    seconds: f64,
    images_per_second: f64,
    plan: Option<String>,
    plan_from: Option<PlanOrigin>,
    stats: Option<Stats>,
    output_names: Vec<String>,
    output_shapes: Vec<Vec<usize>>,
    /// Output values that are infinite or NaN.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_finite: Option<NotFinite>,
    results: Vec<Row>,
}

pub fn run(arguments: &Arguments, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    let file = arguments.output.as_deref().map(ResultFile::create).transpose()?;
    let trace = arguments.trace.as_deref().map(TextFile::create);
    let trace = trace.transpose()?;
    let gantt = arguments.gantt.as_deref().map(TextFile::create);
    let gantt = gantt.transpose()?;
    let artifact = Artifact::read(&arguments.artifact)?;
    let model = Model::load(
        &arguments.artifact,
        &artifact,
        &arguments.engines,
        &arguments.tvm,
        cancel,
        output,
    )?;
    let pictured = trace.is_some() || gantt.is_some();
    if pictured && matches!(model, Model::Tvm(_)) {
        return Err(
            "--trace and --gantt: TVM drives this model and does not say what ran when; leave them out"
                .into(),
        );
    }
    let preprocess = preprocess(arguments.preprocess.as_deref(), &artifact)?;
    let mut batch = inputs::read(&arguments.input, &model.inputs(), preprocess.as_ref(), output)?;
    if let Some(rows) = arguments.batch {
        output.say(&filled(batch.rows(), rows as usize));
        batch.arrays = batch
            .arrays
            .iter()
            .map(|array| inputs::repeat(array, rows as usize))
            .collect();
    }
    let rows = arguments.batch.map_or(batch.rows(), |rows| rows as usize);
    if let Model::Session(session, _) = &model {
        let missing = arguments.engines.unplanned(session, rows);
        missing.iter().for_each(|remark| output.say(remark));
    }
    for _ in 1..arguments.repeat {
        model.run(&batch.arrays)?;
    }
    let done = model.run(&batch.arrays)?;
    let answer = answered(arguments, (&artifact, &model), &done, &batch.names, rows)?;
    if let Some(broken) = &answer.not_finite {
        output.say(&broken.remark(model.computed(), &batch.arrays));
    }
    if let Some(file) = file {
        file.write(&done.outputs, &model.output_types(), &artifact.output_names())?;
    }
    if let (Some(file), Some(detail)) = (trace, &done.detail) {
        file.write(&timeline(&model, &detail.stats).to_trace_events())?;
    }
    if let (Some(file), Some(detail)) = (gantt, &done.detail) {
        file.write(&timeline(&model, &detail.stats).to_gantt())?;
    }
    output.answer(&answer, || human(&answer), Answer::Yes)
}

fn timeline(model: &Model, stats: &Stats) -> Timeline {
    Timeline {
        title: format!("{}, {}", counted(stats.rows, "row"), model.describe()),
        spans: stats.spans.clone(),
    }
}

/// `names` are those of the rows that were given, of which `rows` were run, maybe in turn.
fn answered(
    arguments: &Arguments,
    (artifact, model): (&Artifact, &Model),
    done: &Done,
    names: &[String],
    rows: usize,
) -> Result<RunReport, Box<dyn std::error::Error>> {
    let first = &done.outputs[0];
    let labels = match (&arguments.labels, labels::classes(first)) {
        (Some(path), Some(classes)) => labels::read(path, classes)?,
        (Some(_), None) => {
            return Err(format!("the network's output {:?} has no classes to label", first.shape).into());
        }
        (None, _) => Vec::new(),
    };
    let best = if first.shape.first() == Some(&rows) {
        labels::best(first, names.len(), arguments.top, &labels)
    } else {
        Vec::new()
    };
    let detail = done.detail.as_ref();
    Ok(RunReport {
        artifact: arguments.artifact.clone(),
        devices: model.describe(),
        unused: detail.map_or_else(Vec::new, |detail| unused(model, &detail.stats)),
        computed: model.computed().cloned(),
        rows,
        seconds: done.seconds,
        images_per_second: rows as f64 / done.seconds,
        plan: detail.map(|detail| detail.plan.to_string()),
        plan_from: detail.map(|detail| detail.origin.clone()),
        stats: detail.map(|detail| detail.stats.clone()),
        output_names: artifact.output_names(),
        output_shapes: done.outputs.iter().map(|o| o.shape.clone()).collect(),
        not_finite: NotFinite::of(&done.outputs),
        results: names
            .iter()
            .zip(best)
            .map(|(name, top)| Row {
                input: name.clone(),
                top,
            })
            .collect(),
    })
}

fn unused(model: &Model, stats: &Stats) -> Vec<String> {
    let Model::Session(session, _) = model else {
        return Vec::new();
    };
    let names = session.devices().into_iter().map(|d| d.to_string());
    names.filter(|name| !stats.devices.contains_key(name)).collect()
}

/// Rows that are shown to people.
const LISTED: usize = 64;

/// What `--batch` does to the rows that were given.
fn filled(given: usize, rows: usize) -> String {
    match given {
        0 => "there are no rows to run".to_string(),
        _ if given > rows => format!("only the first {rows} of {} are run", counted(given, "row")),
        1 if rows > 1 => format!("1 row is repeated in turn to a batch of {rows}"),
        _ if given < rows => format!("{given} rows are repeated in turn to a batch of {rows}"),
        _ => format!("the batch is the {} given", counted(rows, "row")),
    }
}

fn human(answer: &RunReport) -> String {
    let mut lines = Vec::new();
    let listed = answer.results.iter().take(LISTED);
    let rows: Vec<Vec<String>> = listed.flat_map(guesses).collect();
    if rows.is_empty() {
        let named = answer.output_names.iter().zip(&answer.output_shapes);
        lines.extend(named.map(|(name, shape)| format!("output   {name} {shape:?}")));
    } else {
        lines.push(table(&rows));
    }
    if answer.results.len() > LISTED {
        let more = answer.results.len() - LISTED;
        lines.push(format!("... and {}: --json has all", counted(more, "more row")));
    }
    lines.push(format!("devices  {}", answer.devices));
    if !answer.unused.is_empty() {
        lines.push(format!(
            "unused   {}: the plan for {} does not take {}",
            answer.unused.join(", "),
            counted(answer.rows, "row"),
            if answer.unused.len() == 1 { "it" } else { "them" }
        ));
    }
    lines.extend(answer.computed.as_ref().and_then(Report::line));
    if let (Some(plan), Some(origin)) = (&answer.plan, &answer.plan_from) {
        lines.push(format!("plan     {plan}, {origin}"));
    }
    lines.push(format!(
        "speed    {} in {}, {:.1} images/s",
        counted(answer.rows, "row"),
        seconds(answer.seconds),
        answer.images_per_second
    ));
    for (device, stats) in answer.stats.iter().flat_map(|stats| &stats.devices) {
        lines.push(format!(
            "{device:8} {}, busy {}",
            stats.describe(),
            seconds(stats.busy)
        ));
        if let Some(failure) = &stats.failure {
            lines.push(format!(
                "lost     {device}: {failure}; {} went to other devices",
                counted(stats.redealt, "row")
            ));
        }
    }
    lines.join("\n")
}

fn guesses(row: &Row) -> Vec<Vec<String>> {
    let file = row.input.rsplit('/').next().unwrap_or(&row.input);
    row.top
        .iter()
        .map(|guess| {
            let label = guess.label.clone();
            let label = label.unwrap_or_else(|| format!("class {}", guess.class));
            vec![file.to_string(), format!("{:.3}", guess.score), label]
        })
        .collect()
}
