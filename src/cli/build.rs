//! `tvm-dla build`: the engines of a plan before they are needed, one after another.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::around::network;
use super::engines::Engines;
use super::output::{Output, counted, seconds, table};
use super::phases::Phases;
use super::{Answer, Outcome, helped};
use crate::artifact::Artifact;
use crate::engine::{EngineSpec, StageKind};
use crate::plan::Plan;
use crate::session::{ChosenPlan, PlanOrigin, Session};

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle; with one network for dla
    artifact: PathBuf,
    /// Rows of the batch whose plan is built (default: every plan that is given, tuned or embedded)
    #[arg(long, value_parser = crate::cli::rows::one)]
    batch: Option<u32>,
    #[command(flatten)]
    engines: Engines,
}

#[derive(Serialize)]
struct Report {
    plans: Vec<PlannedBatch>,
    devices: String,
    engines: Vec<Engine>,
    seconds: f64,
}

#[derive(Serialize)]
struct PlannedBatch {
    plan: String,
    plan_from: PlanOrigin,
}

#[derive(Serialize)]
struct Engine {
    stage: StageKind,
    device: String,
    batch: usize,
    seconds: f64,
}

impl Engine {
    fn of(spec: &EngineSpec, time: Duration) -> Engine {
        Engine {
            stage: spec.stage,
            device: spec.device.to_string(),
            batch: spec.batch,
            seconds: time.as_secs_f64(),
        }
    }
}

pub fn run(arguments: &Arguments, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    let artifact = Artifact::read(&arguments.artifact)?;
    let mut options = arguments.engines.clone();
    options.tensorrt.must_keep = true;
    let phases = Arc::new(Phases::default());
    options.tensorrt.phases = Some(phases.clone());
    let bundle = network(&artifact, output)?.clone();
    let session = options.session(bundle, &arguments.artifact, cancel, output)?;
    let plans = match arguments.batch {
        Some(rows) => vec![session.chosen(rows as usize)?],
        None => session.plans(),
    };
    if plans.is_empty() {
        return Err(helped(
            "there is no plan to build for",
            "give --batch or --plan, or `tvm-dla tune` the artifact first",
        ));
    }
    let mut engines = Vec::new();
    for ChosenPlan { plan, origin } in &plans {
        output.say(&format!("building for {plan}, {origin}"));
        engines.extend(build(&session, plan, &phases, output)?);
    }
    let plan = |chosen: &ChosenPlan| PlannedBatch {
        plan: chosen.plan.to_string(),
        plan_from: chosen.origin.clone(),
    };
    let report = Report {
        plans: plans.iter().map(plan).collect(),
        devices: session.backend().describe(),
        seconds: engines.iter().map(|engine| engine.seconds).sum(),
        engines,
    };
    output.answer(&report, || human(&report), Answer::Yes)
}

/// Those engines of `plan` that the session lacks, and the time each took.
fn build(
    session: &Session,
    plan: &Plan,
    phases: &Phases,
    output: &Output,
) -> Result<Vec<Engine>, Box<dyn Error>> {
    let progress = output.progress(session.engines(plan)?.len(), "engines");
    phases.beside(&progress);
    let mut engines = Vec::new();
    let outcome = session.prepare_each(
        plan,
        |spec| progress.set_message(format!("{} x{} on {}", spec.stage, spec.batch, spec.device)),
        |spec, time| {
            progress.inc(1);
            engines.push(Engine::of(spec, time));
        },
    );
    progress.finish_and_clear();
    outcome?;
    Ok(engines)
}

fn human(report: &Report) -> String {
    let row = |engine: &Engine| {
        let Engine {
            stage, device, batch, ..
        } = engine;
        vec![
            format!("{stage} x{batch}"),
            device.clone(),
            seconds(engine.seconds),
        ]
    };
    let rows: Vec<Vec<String>> = report.engines.iter().map(row).collect();
    let (count, all) = (counted(report.engines.len(), "engine"), seconds(report.seconds));
    let devices = &report.devices;
    format!("{}\n{count} in {all}, {devices}", table(&rows))
}
