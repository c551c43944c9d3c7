//! `tvm-dla build`: the engines of a plan before they are needed, one after another.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::engines::Engines;
use super::output::{seconds, table, Output};
use super::{Answer, Outcome};
use crate::artifact::Artifact;
use crate::engine::{EngineSpec, StageKind};

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle; all of it compiled for dla
    artifact: PathBuf,
    /// Rows of the batch whose plan is built; not needed with --plan, whose rows are counted
    #[arg(long, required_unless_present = "plan", conflicts_with = "plan", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    #[command(flatten)]
    engines: Engines,
}

#[derive(Serialize)]
struct Report {
    plan: String,
    devices: String,
    engines: Vec<Engine>,
    seconds: f64,
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
    let session = options.tuned_session(&artifact, &arguments.artifact, cancel, output)?;
    let plan = match (arguments.batch, arguments.engines.plan()?) {
        (_, Some(plan)) => plan,
        (rows, None) => session.plan_for(rows.unwrap_or(1) as usize)?,
    };
    output.say(&format!("building for {plan}"));
    let progress = output.progress(session.engines(&plan)?.len(), "engines");
    let mut engines = Vec::new();
    let outcome = session.prepare_each(
        &plan,
        |spec| progress.set_message(format!("{} x{} on {}", spec.stage, spec.batch, spec.device)),
        |spec, time| {
            progress.inc(1);
            engines.push(Engine::of(spec, time));
        },
    );
    progress.finish_and_clear();
    outcome?;
    let report = Report {
        plan: plan.to_string(),
        devices: session.backend().describe(),
        seconds: engines.iter().map(|engine| engine.seconds).sum(),
        engines,
    };
    output.answer(&report, || human(&report), Answer::Yes)
}

fn human(report: &Report) -> String {
    let row = |engine: &Engine| {
        let Engine {
            stage,
            device,
            batch,
            ..
        } = engine;
        vec![
            format!("{stage} x{batch}"),
            device.clone(),
            seconds(engine.seconds),
        ]
    };
    let rows: Vec<Vec<String>> = report.engines.iter().map(row).collect();
    let (count, all) = (report.engines.len(), seconds(report.seconds));
    let devices = &report.devices;
    format!("{}\n{count} engines in {all}, {devices}", table(&rows))
}
