//! `tvm-dla plan`: how a batch would be dealt.

use std::path::PathBuf;

use serde::Serialize;

use super::args::{at_least_one, BackendArgs};
use super::error::Failure;
use super::interrupt::Interrupt;
use super::session::PlanArgs;
use super::ui::Ui;
use super::Answer;
use crate::artifact::Artifact;
use crate::plan::Plan;

#[derive(clap::Args)]
pub struct Args {
    /// A compiled model: .tar of tvmc, .so, or a bundle
    artifact: PathBuf,
    /// Rows of the batch
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    batch: usize,
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

/// With `--json`, a file that `--plan` takes.
#[derive(Serialize)]
struct Report {
    text: String,
    summary: String,
    plan: Plan,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let artifact = Artifact::read(&args.artifact)?;
    let bundle = artifact.whole()?.clone();
    let session = args
        .plan
        .open(bundle, &args.backend, &Interrupt::install()?)?;
    let plan = args.plan.choose(&session, args.batch)?;
    plan.validate(args.batch, &session.devices())?;
    let report = Report {
        text: plan.to_string(),
        summary: plan.summary(),
        plan,
    };
    ui.say(&report.summary);
    ui.result("plan", &report, |report| format!("{}\n", report.text))?;
    Ok(Answer::Yes)
}
