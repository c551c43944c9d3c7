//! `tvm-dla run`: one batch through an artifact.

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use super::args::{at_least_one, BackendArgs};
use super::error::{CliError, Failure};
use super::inputs::{self, Inputs, Port};
use super::interrupt::Interrupt;
use super::output::Output;
use super::report::{self, DeviceReport};
use super::session::{self, PlanArgs};
use super::top::{self, Class, Labels};
use super::ui::Ui;
use super::{driven, units, Answer};
use crate::artifact::{Artifact, ArtifactError};
use crate::bundle::{Bundle, Preprocess};
use crate::engine::Array;
use crate::plan::Plan;

#[derive(clap::Args)]
pub struct Args {
    /// A compiled model: .tar of tvmc, .so, or a bundle
    artifact: PathBuf,
    /// Images (jpg, png, bmp), folders of images, or arrays (.npy, .npz)
    #[arg(long, short, required = true, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Rows to run: the inputs are repeated in turn up to so many
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    batch: Option<usize>,
    /// Names of the classes, one per line
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Classes to print per row
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = at_least_one)]
    top: usize,
    /// How an image becomes input: unit-symmetric, efficientnet-lite, imagenet or none
    #[arg(long, value_name = "PRESET")]
    preprocess: Option<Preprocess>,
    /// Write the outputs to a file, .npy or .npz
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    backend: BackendArgs,
    /// TVM's runtime library, for a model of which TVM keeps a part
    #[arg(long, value_name = "LIB", env = "TVM_DLA_TVM_RUNTIME")]
    pub tvm_runtime: Option<PathBuf>,
}

/// What one run did.
#[derive(Serialize)]
struct Report {
    artifact: PathBuf,
    backend: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<PlanReport>,
    /// Rows that were given.
    inputs: usize,
    /// Rows that were run.
    rows: usize,
    seconds: f64,
    images_per_second: f64,
    devices: Vec<DeviceReport>,
    outputs: Vec<OutputReport>,
    results: Vec<RowReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<PathBuf>,
}

/// A plan for machines and for people.
#[derive(Serialize)]
pub struct PlanReport {
    pub text: String,
    pub summary: String,
    pub schedule: Plan,
}

impl PlanReport {
    pub fn of(plan: &Plan) -> PlanReport {
        PlanReport {
            text: plan.to_string(),
            summary: plan.summary(),
            schedule: plan.clone(),
        }
    }
}

#[derive(Serialize)]
struct OutputReport {
    name: String,
    shape: Vec<usize>,
}

#[derive(Serialize)]
struct RowReport {
    input: String,
    top: Vec<Class>,
}

/// What came out, however it was run.
pub struct Finished {
    pub outputs: Vec<Array>,
    pub seconds: f64,
    pub backend: String,
    pub plan: Option<Plan>,
    pub devices: Vec<DeviceReport>,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let interrupt = Interrupt::install()?;
    let labels = args.labels.as_deref().map(Labels::read).transpose()?;
    let output = args.output.as_deref().map(Output::create).transpose()?;
    let artifact = Artifact::read(&args.artifact)?;
    let names = output_names(&artifact);
    if let Some(output) = &output {
        output.check(names.len())?;
    }
    let (inputs, finished) = match artifact.whole() {
        Ok(bundle) => whole(args, bundle, labels.as_ref(), ui, &interrupt)?,
        Err(parts @ ArtifactError::Parts { .. }) => {
            in_parts(args, &artifact, parts, ui, &interrupt)?
        }
        Err(error) => return Err(error.into()),
    };
    let report = describe(args, &names, &inputs, &finished, labels.as_ref())?;
    if let Some(output) = output {
        output.write(&names, &finished.outputs)?;
    }
    ui.result("run", &report, human)?;
    Ok(Answer::Yes)
}

/// The network's own, or for a model that TVM drives their places.
fn output_names(artifact: &Artifact) -> Vec<String> {
    match artifact.whole() {
        Ok(Bundle { graph, .. }) => {
            let names = graph
                .outputs
                .iter()
                .map(|id| graph.tensor(*id).name.clone());
            unique(names.collect())
        }
        Err(_) => (0..artifact.outputs())
            .map(|index| format!("output{index}"))
            .collect(),
    }
}

/// Names as keys of an archive.
fn unique(mut names: Vec<String>) -> Vec<String> {
    for index in 1..names.len() {
        if names[..index].contains(&names[index]) {
            names[index] = format!("{}_{index}", names[index]);
        }
    }
    names
}

fn whole(
    args: &Args,
    bundle: &Bundle,
    labels: Option<&Labels>,
    ui: &Ui,
    interrupt: &Interrupt,
) -> Result<(Inputs, Finished), Failure> {
    let session = args.plan.open(bundle.clone(), &args.backend, interrupt)?;
    if let (Some(labels), Some(id)) = (labels, bundle.graph.outputs.first()) {
        let tensor = bundle.graph.tensor(*id);
        labels.check(&tensor.name, top::classes(&tensor.shape).unwrap_or(0))?;
    }
    let inputs = read(args, &session::ports(&session), bundle, ui, interrupt)?;
    let rows = inputs.arrays.first().map_or(0, |array| array.shape[0]);
    let plan = args.plan.choose(&session, rows)?;
    let bar = ui.working("building engines");
    plan.validate(rows, &session.devices())?;
    session.prepare(&plan)?;
    bar.set_message("running");
    let outcome = session.run_with(&plan, &inputs.arrays)?;
    bar.finish_and_clear();
    let finished = Finished {
        seconds: outcome.stats.seconds,
        backend: session.backend().describe(),
        devices: report::devices(&outcome.stats),
        plan: Some(outcome.plan),
        outputs: outcome.outputs,
    };
    Ok((inputs, finished))
}

/// TVM keeps a part of this model, so TVM drives it.
fn in_parts(
    args: &Args,
    artifact: &Artifact,
    why: ArtifactError,
    ui: &Ui,
    interrupt: &Interrupt,
) -> Result<(Inputs, Finished), Failure> {
    if args.plan.plan.is_some() || args.plan.devices.is_some() {
        return Err(CliError::Driven.into());
    }
    let runtime = super::search::tvm_runtime(args.tvm_runtime.as_deref()).map_err(|_| {
        Failure::from(why).with_help("name it with --tvm-runtime, or run scripts/setup")
    })?;
    let ports: Vec<Port> = artifact
        .inputs()
        .into_iter()
        .map(|(name, shape)| Port { name, shape })
        .collect();
    let inputs = read(args, &ports, &artifact.bundles[0], ui, interrupt)?;
    let executor = artifact.executor(&runtime)?;
    let bar = ui.progress("running", driven::runs(&ports, &inputs.arrays)?);
    let started = Instant::now();
    let outputs = driven::run(&executor, &ports, &inputs.arrays, || {
        bar.inc(1);
        interrupt.check()
    })?;
    let seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let finished = Finished {
        outputs,
        seconds,
        backend: format!(
            "driven by TVM's graph executor ({}), which calls the networks of the target dla inside it",
            runtime.display()
        ),
        plan: None,
        devices: Vec::new(),
    };
    Ok((inputs, finished))
}

fn read(
    args: &Args,
    ports: &[Port],
    bundle: &Bundle,
    ui: &Ui,
    interrupt: &Interrupt,
) -> Result<Inputs, Failure> {
    let recorded = bundle.options.preprocess.as_ref();
    let how = args.preprocess.as_ref().or(recorded);
    let mut inputs = inputs::read(&args.input, ports, how, ui, interrupt)?;
    if let Some(batch) = args.batch {
        inputs.repeat_to(batch)?;
    }
    Ok(inputs)
}

fn describe(
    args: &Args,
    names: &[String],
    inputs: &Inputs,
    finished: &Finished,
    labels: Option<&Labels>,
) -> Result<Report, Failure> {
    let rows = inputs.arrays.first().map_or(0, |array| array.shape[0]);
    let first = &finished.outputs[0];
    if let Some(labels) = labels {
        labels.check(&names[0], top::classes(&first.shape).unwrap_or(0))?;
    }
    let tops = top::top(first, inputs.rows.len(), args.top, labels);
    let results = inputs.rows.iter().zip(tops).map(|(input, top)| RowReport {
        input: input.clone(),
        top,
    });
    let outputs = names.iter().zip(&finished.outputs);
    Ok(Report {
        artifact: args.artifact.clone(),
        backend: finished.backend.clone(),
        plan: finished.plan.as_ref().map(PlanReport::of),
        inputs: inputs.rows.len(),
        rows,
        seconds: finished.seconds,
        images_per_second: rows as f64 / finished.seconds,
        devices: finished.devices.clone(),
        outputs: outputs
            .map(|(name, array)| OutputReport {
                name: name.clone(),
                shape: array.shape.clone(),
            })
            .collect(),
        results: results.collect(),
        written: args.output.clone(),
    })
}

/// Rows that are listed for people; `--json` has all.
const LISTED: usize = 64;

fn human(report: &Report) -> String {
    let mut text = String::new();
    for row in report.results.iter().take(LISTED) {
        text += &format!("{}\n", row.input);
        for class in &row.top {
            let name = class.label.as_deref().unwrap_or("class");
            let percent = 100.0 * class.probability;
            text += &format!("  {percent:5.1} %  {name} ({})\n", class.class);
        }
    }
    if report.results.len() > LISTED {
        let more = report.results.len() - LISTED;
        text += &format!("... and {more} more rows (--json has all)\n");
    }
    for output in &report.outputs {
        text += &format!(
            "output {}: float32 [{}]\n",
            output.name,
            units::shape(&output.shape)
        );
    }
    text += &format!("backend: {}\n", report.backend);
    if let Some(plan) = &report.plan {
        text += &format!("plan: {}\n      {}\n", plan.text, plan.summary);
    }
    if report.rows > report.inputs {
        let (given, rows) = (report.inputs, report.rows);
        let s = units::plural(given);
        text += &format!("{given} input row{s} repeated in turn to a batch of {rows}\n");
    }
    text += &format!(
        "{} row{} in {}: {:.1} images/s\n",
        report.rows,
        units::plural(report.rows),
        units::seconds(report.seconds),
        report.images_per_second
    );
    if !report.devices.is_empty() {
        text += &report::text(&report.devices);
    }
    if let Some(path) = &report.written {
        text += &format!("written to {}\n", path.display());
    }
    text
}
