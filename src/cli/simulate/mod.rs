//! `tvm-dla simulate`: what a board would do, without the board.

mod judge;

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::board::{Accuracy, FittedModel, Level, Processor};
use crate::cli::board::{BoardScenario, Where};
use crate::cli::files::TextFile;
use crate::cli::output::{Output, table};
use crate::cli::rows::Batches;
use crate::cli::{Answer, Outcome, helped};
use crate::sim::{Choice, Noise, Point, best, sweep};

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle; with one network for dla
    artifact: PathBuf,
    #[command(flatten)]
    place: Where,
    /// Rows of the batches: numbers and ranges, e.g. 64 or 1-16 or 4,16,32
    #[arg(long, required_unless_present = "plan")]
    batch: Vec<Batches>,
    /// Judge this plan, as text or as a JSON file of one plan, instead of looking for one
    #[arg(long, conflicts_with = "batch")]
    plan: Option<String>,
    /// Vary every execution's time by up to this share, for example 0.05
    #[arg(long, default_value_t = 0.0)]
    jitter: f64,
    /// Seed of the variation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the fastest run of the last batch as trace events, for ui.perfetto.dev
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Where to write the same as an SVG picture
    #[arg(long)]
    gantt: Option<PathBuf>,
}

#[derive(Serialize)]
struct SimulateReport {
    /// Always true: no figure here was measured.
    simulated: bool,
    artifact: PathBuf,
    board: String,
    power_mode: String,
    dla_precision: String,
    gpu_precision: String,
    points: Vec<Point>,
    /// How far such predictions are from published measurements.
    accuracy: Vec<Accuracy>,
}

pub fn run(arguments: &Arguments, output: &Output) -> Outcome {
    if let Some(plan) = &arguments.plan {
        return judge::run(arguments, plan, output);
    }
    let noise = Noise::new(arguments.jitter, arguments.seed)?;
    let trace = arguments.trace.as_deref().map(TextFile::create).transpose()?;
    let gantt = arguments.gantt.as_deref().map(TextFile::create).transpose()?;
    let boarded = arguments.place.load(&arguments.artifact, output)?;
    let batches: Vec<usize> = arguments.batch.iter().flat_map(|b| b.0.clone()).collect();
    if !boarded.network.prefix {
        output.say("no node of this network may run on a DLA of this board: the GPU alone is simulated");
    }
    let points = sweep(&boarded.network, &batches, &boarded.costs, noise)?;
    picture(&boarded, &points, noise, trace, gantt)?;
    let answered = SimulateReport {
        simulated: true,
        artifact: arguments.artifact.clone(),
        board: boarded.machine.board.title.to_string(),
        power_mode: boarded.machine.mode.name.to_string(),
        dla_precision: boarded.precision.to_string(),
        gpu_precision: boarded.gpu.to_string(),
        points,
        accuracy: FittedModel::stored().accuracy,
    };
    output.answer(&answered, || human(&answered), Answer::Yes)
}

/// The fastest choice of the last batch, run again with its timeline.
fn picture(
    boarded: &BoardScenario,
    points: &[Point],
    noise: Noise,
    trace: Option<TextFile>,
    gantt: Option<TextFile>,
) -> Result<(), Box<dyn Error>> {
    let last = points.last().map_or(0, |p| p.batch);
    let fastest = points.iter().filter(|p| p.batch == last);
    let fastest = fastest.max_by(|a, b| a.images_per_second.total_cmp(&b.images_per_second));
    let Some(point) = fastest else { return Ok(()) };
    let (plan, run) = best(&boarded.network, point.choice, last, &boarded.costs, noise)?;
    let title = format!("{plan}, simulated on a {}", boarded.machine.title());
    let timeline = run.timeline(&title);
    if let Some(file) = trace {
        file.write(&timeline.to_trace_events())?;
    }
    if let Some(file) = gantt {
        file.write(&timeline.to_gantt())?;
    }
    Ok(())
}

fn human(answered: &SimulateReport) -> String {
    let head = ["batch", "", "images/s", "latency", "busy", "DRAM", "plan"];
    let mut lines = vec![head.map(str::to_string).to_vec()];
    for point in &answered.points {
        let busy = point
            .devices
            .iter()
            .map(|(device, d)| format!("{device} {:.0} %", 100.0 * d.busy_share));
        lines.push(vec![
            point.batch.to_string(),
            choice_name(point.choice).to_string(),
            format!("{:.1}", point.images_per_second),
            format!("{:.2} ms", point.latency_ms),
            busy.collect::<Vec<_>>().join(", "),
            format!("{:.1} MB", point.traffic_mb),
            if point.loses {
                format!("{}  LOSES to the GPU alone", point.plan)
            } else {
                point.plan.clone()
            },
        ]);
    }
    let setting = format!(
        "simulated, not measured: {} in mode {}, GPU in {}, DLA in {}",
        answered.board, answered.power_mode, answered.gpu_precision, answered.dla_precision
    );
    format!(
        "{setting}\n\n{}\n\n{}",
        table(&lines),
        accuracy(&answered.accuracy)
    )
}

pub(in crate::cli) fn choice_name(choice: Choice) -> &'static str {
    match choice {
        Choice::GpuOnly => "GPU only",
        Choice::DlaOnly => "DLA only",
        Choice::Shared => "GPU + DLA",
    }
}

/// One line per kind of figure.
pub(in crate::cli) fn accuracy(accuracy: &[Accuracy]) -> String {
    let of = |processor, name: &str| {
        let found = accuracy
            .iter()
            .find(|a| a.processor == processor && a.level == Level::Network && a.precision.is_none())?;
        Some(format!(
            "{name}: median error {:.0} % over {} published figures, {:.0} % over sources the model had not seen",
            100.0 * found.in_sample,
            found.rows,
            100.0 * found.out_of_sample
        ))
    };
    let lines = [
        of(Processor::Gpu, "GPU only"),
        of(Processor::Dla, "DLA only"),
        of(Processor::Combined, "GPU + DLA"),
    ];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// What a board file that cannot be read deserves.
pub(in crate::cli) fn unreadable(path: &std::path::Path, error: &dyn std::fmt::Display) -> Box<dyn Error> {
    helped(
        format!("board file {}: {error}", path.display()),
        "data/boards/ in the repository has six to start from",
    )
}
