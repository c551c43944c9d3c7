//! `tvm-dla embed-plan`.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use tempfile::NamedTempFile;

use super::output::Output;
use super::{Answer, Outcome, helped};
use crate::artifact::{Artifact, Plans, is_file};
use crate::bundle::digest;
use crate::plan::{Plan, counted};

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle; it is written over
    artifact: PathBuf,
    /// Plan as text or as a JSON file, of one plan or of a tuning; `none` takes a plan out
    #[arg(long)]
    plan: String,
    /// Which of a tuning's plans, by its rows (default: the one with most)
    #[arg(long)]
    batch: Option<usize>,
}

#[derive(Serialize)]
struct EmbedReport {
    artifact: PathBuf,
    plan: Option<String>,
    /// Of the batch that the plan is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
}

pub fn run(arguments: &Arguments, output: &Output) -> Outcome {
    let plan = match arguments.plan.as_str() {
        "none" => None,
        text => Some(chosen(
            plans(text, &arguments.artifact, output)?,
            arguments.batch,
        )?),
    };
    let path = &arguments.artifact;
    let bytes = Artifact::with_plan(path, plan.clone())?;
    let cannot = |error: std::io::Error| {
        helped(
            format!("cannot write {}: {error}", path.display()),
            "check that its folder can be written to",
        )
    };
    // Whole or not at all, whatever interrupts it.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(cannot)?;
    file.write_all(&bytes).map_err(cannot)?;
    let permissions = std::fs::metadata(path).map_err(cannot)?.permissions();
    std::fs::set_permissions(file.path(), permissions).map_err(cannot)?;
    file.persist(path).map_err(|error| cannot(error.error))?;
    let embedded = EmbedReport {
        artifact: path.clone(),
        rows: plan.as_ref().map(Plan::total),
        plan: plan.map(|plan| plan.to_string()),
    };
    let text = || match (&embedded.plan, embedded.rows) {
        (Some(plan), Some(rows)) => format!(
            "{} has the plan {plan}, for batches of {}",
            path.display(),
            counted(rows, "row")
        ),
        _ => format!("{} has no plan", path.display()),
    };
    output.answer(&embedded, text, Answer::Yes)
}

/// The plans of a text or file; those of a tuning must be for this network.
fn plans(text: &str, artifact: &Path, output: &Output) -> Result<Vec<Plan>, Box<dyn Error>> {
    if !is_file(text) {
        return Ok(vec![text.parse()?]);
    }
    let file = match Plans::read(Path::new(text))? {
        Plans::One(plan) => return Ok(vec![plan]),
        Plans::Tuned(file) => file,
    };
    let artifact = Artifact::read(artifact)?;
    let network = digest(&artifact.network()?.graph);
    file.check_network(&network).map_err(|error| {
        helped(
            format!("{text}: {error}"),
            "`tvm-dla tune` writes plans for this network",
        )
    })?;
    output.say(&format!(
        "the plan was tuned for {}; embedded, it is used wherever the artifact runs and has its devices",
        file.board
    ));
    Ok(file.plans)
}

fn chosen(plans: Vec<Plan>, batch: Option<usize>) -> Result<Plan, Box<dyn Error>> {
    let rows: Vec<String> = plans.iter().map(|plan| plan.total().to_string()).collect();
    let fits = |plan: &Plan| batch.is_none_or(|batch| plan.total() == batch);
    let best = plans.into_iter().filter(fits).max_by_key(Plan::total);
    best.ok_or_else(|| {
        helped(
            format!("no plan has {}", counted(batch.unwrap_or_default(), "row")),
            format!("there are plans for {}", rows.join(", ")),
        )
    })
}
