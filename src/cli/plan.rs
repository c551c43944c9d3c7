//! `tvm-dla plan`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde::Serialize;

use super::around::network;
use super::engines::Engines;
use super::output::Output;
use super::{Answer, Outcome};
use crate::artifact::Artifact;
use crate::plan::Plan;
use crate::session::{ChosenPlan, PlanOrigin};

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle; with one network for dla
    artifact: PathBuf,
    /// Rows of the batch
    #[arg(long, value_parser = crate::cli::rows::one)]
    batch: u32,
    #[command(flatten)]
    engines: Engines,
}

#[derive(Serialize)]
struct PlanReport {
    text: String,
    summary: String,
    plan_from: PlanOrigin,
    plan: Plan,
}

pub fn run(arguments: &Arguments, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    let artifact = Artifact::read(&arguments.artifact)?;
    let path = &arguments.artifact;
    let engines = &arguments.engines;
    let bundle = network(&artifact, output)?.clone();
    let session = engines.session(bundle, path, cancel, output)?;
    let missing = engines.unplanned(&session, arguments.batch as usize);
    missing.iter().for_each(|remark| output.say(remark));
    let ChosenPlan { plan, origin } = session.chosen(arguments.batch as usize)?;
    let planned = PlanReport {
        text: plan.to_string(),
        summary: plan.summary(),
        plan_from: origin,
        plan,
    };
    output.say(&format!("{}; {}", planned.summary, planned.plan_from));
    output.answer(&planned, || planned.text.clone(), Answer::Yes)
}
