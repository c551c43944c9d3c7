//! `tvm-dla plan`.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::engines::Engines;
use super::output::Output;
use super::{Answer, Outcome};
use crate::artifact::Artifact;
use crate::plan::Plan;

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle; all of it compiled for dla
    artifact: PathBuf,
    /// Rows of the batch
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    #[command(flatten)]
    engines: Engines,
}

#[derive(Serialize)]
struct Planned {
    text: String,
    summary: String,
    plan: Plan,
}

pub fn run(arguments: &Arguments, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    let artifact = Artifact::read(&arguments.artifact)?;
    let path = &arguments.artifact;
    let engines = &arguments.engines;
    let session = engines.tuned_session(&artifact, path, cancel, output)?;
    let plan = session.plan_for(arguments.batch as usize)?;
    let planned = Planned {
        text: plan.to_string(),
        summary: plan.summary(),
        plan,
    };
    output.say(&planned.summary);
    output.answer(&planned, || planned.text.clone(), Answer::Yes)
}
