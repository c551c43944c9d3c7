//! `tvm-dla bench`: the GPU alone against GPU and DLAs, in turn in one run.

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use super::args::{at_least_one, BackendArgs};
use super::error::Failure;
use super::inputs::{self, Port};
use super::interrupt::Interrupt;
use super::measure::{self, Coexecution, Overhead, Spread};
use super::report::{self, DeviceReport};
use super::run::PlanReport;
use super::session::{self, PlanArgs};
use super::ui::Ui;
use super::{units, Answer};
use crate::artifact::Artifact;
use crate::bundle::{Bundle, Preprocess};
use crate::engine::Array;
use crate::plan::Plan;
use crate::session::Session;

#[derive(clap::Args)]
pub struct Args {
    /// A compiled model: .tar of tvmc, .so, or a bundle
    artifact: PathBuf,
    /// Rows per run
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    batch: usize,
    /// Runs of each plan, after one that does not count
    #[arg(long, value_name = "R", default_value_t = 5, value_parser = at_least_one)]
    repeats: usize,
    /// Images or arrays to run, repeated in turn up to the batch (default: noise)
    #[arg(long, short, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
    /// How an image becomes input: unit-symmetric, efficientnet-lite, imagenet or none
    #[arg(long, value_name = "PRESET")]
    preprocess: Option<Preprocess>,
    /// Measure also how well two devices run at once, and what a run costs beyond its engines
    #[arg(long)]
    coexec: bool,
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

/// What is printed beside every figure.
const NOTE: &str = "devices are emulated on this machine's CPU: these are not a board's figures";

#[derive(Serialize)]
struct Report {
    artifact: PathBuf,
    backend: String,
    note: &'static str,
    batch: usize,
    repeats: usize,
    plans: Vec<PlanFigures>,
    /// Median images/s of the second plan over that of the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coexecution: Option<Coexecution>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overhead: Vec<Overhead>,
}

#[derive(Serialize)]
struct PlanFigures {
    name: &'static str,
    plan: PlanReport,
    images_per_second: Spread,
    /// Of the last run.
    devices: Vec<DeviceReport>,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let interrupt = Interrupt::install()?;
    let artifact = Artifact::read(&args.artifact)?;
    let bundle = artifact.whole()?;
    let session = args.plan.open(bundle.clone(), &args.backend, &interrupt)?;
    let inputs = read(args, &session, bundle, ui, &interrupt)?;
    let plans = plans(args, &session)?;
    let figures = in_turn(args, &session, &plans, &inputs, ui, &interrupt)?;
    let ratio = match &figures[..] {
        [gpu, both] => Some(both.images_per_second.median / gpu.images_per_second.median),
        _ => None,
    };
    let mut report = Report {
        artifact: args.artifact.clone(),
        backend: session.backend().describe(),
        note: NOTE,
        batch: args.batch,
        repeats: args.repeats,
        plans: figures,
        ratio,
        coexecution: None,
        overhead: Vec::new(),
    };
    drop(session);
    if args.coexec {
        let backend = BackendArgs {
            threads: 1,
            ..args.backend.clone()
        };
        report.coexecution = measure::coexecution(bundle, &backend, args.repeats, ui, &interrupt)?;
        report.overhead = measure::overhead(bundle, &backend, ui, &interrupt)?;
    }
    ui.result("bench", &report, human)?;
    Ok(Answer::Yes)
}

fn read(
    args: &Args,
    session: &Session,
    bundle: &Bundle,
    ui: &Ui,
    interrupt: &Interrupt,
) -> Result<Vec<Array>, Failure> {
    let ports = session::ports(session);
    if args.input.is_empty() {
        return Ok(measure::noise(&ports, args.batch));
    }
    let recorded = bundle.options.preprocess.as_ref();
    let how = args.preprocess.as_ref().or(recorded);
    let mut inputs = inputs::read(&args.input, &ports as &[Port], how, ui, interrupt)?;
    inputs.repeat_to(args.batch)?;
    Ok(inputs.arrays)
}

/// The GPU alone; and the plan to compare with it, unless that is the same.
fn plans(args: &Args, session: &Session) -> Result<Vec<(&'static str, Plan)>, Failure> {
    let chosen = args.plan.choose(session, args.batch)?;
    let alone = Plan::gpu_only(args.batch);
    let mut plans = vec![("gpu only", alone)];
    if !chosen.gpu_alone() {
        plans.push(("gpu + dla", chosen));
    } else if args.plan.plan.is_some() {
        plans.push(("given", chosen));
    }
    for (_, plan) in &plans {
        plan.validate(args.batch, &session.devices())?;
    }
    Ok(plans)
}

fn in_turn(
    args: &Args,
    session: &Session,
    plans: &[(&'static str, Plan)],
    inputs: &[Array],
    ui: &Ui,
    interrupt: &Interrupt,
) -> Result<Vec<PlanFigures>, Failure> {
    let bar = ui.progress("running", (args.repeats + 1) * plans.len());
    let mut rates = vec![Vec::new(); plans.len()];
    let mut devices = vec![Vec::new(); plans.len()];
    for repeat in 0..=args.repeats {
        for (index, (_, plan)) in plans.iter().enumerate() {
            interrupt.check()?;
            session.prepare(plan)?;
            let started = Instant::now();
            let outcome = session.run_with(plan, inputs)?;
            let rate = args.batch as f64 / started.elapsed().as_secs_f64();
            devices[index] = report::devices(&outcome.stats);
            if repeat > 0 {
                rates[index].push(rate);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let figures = plans.iter().zip(rates).zip(devices);
    Ok(figures
        .map(|(((name, plan), rates), devices)| PlanFigures {
            name,
            plan: PlanReport::of(plan),
            images_per_second: Spread::of(rates),
            devices,
        })
        .collect())
}

fn human(report: &Report) -> String {
    let mut text = format!("backend: {}\n{}\n", report.backend, report.note);
    for figures in &report.plans {
        let rate = &figures.images_per_second;
        text += &format!(
            "\n{}: {:.1} images/s (median of {}, {:.1}..{:.1})\n  plan: {}\n        {}\n",
            figures.name,
            rate.median,
            report.repeats,
            rate.min,
            rate.max,
            figures.plan.text,
            figures.plan.summary
        );
        text += &report::text(&figures.devices);
    }
    text.push('\n');
    match (report.ratio, &report.plans[..]) {
        (Some(ratio), [first, second]) => {
            text += &format!("{} over {}: {ratio:.2}x\n", second.name, first.name);
        }
        _ => text += "the DLAs have no part in this plan\n",
    }
    if let Some(both) = &report.coexecution {
        text += &both.text();
    }
    for overhead in &report.overhead {
        text += &format!(
            "runtime beyond the engines at batch {}: {:.1} us, {:.2} % of the engines' {}\n",
            overhead.batch,
            overhead.runtime_us,
            100.0 * overhead.share,
            units::seconds(overhead.engine_us / 1e6)
        );
    }
    text
}
