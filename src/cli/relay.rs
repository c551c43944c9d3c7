//! `inspect --relay`: asks the plugin inside TVM's Python, which can read Relay.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::error::{CliError, Failure};
use super::inspect::{Inspection, Network};
use super::search;
use crate::bundle::Options;
use crate::split::Report;

/// `count` calls of one operator that stay with TVM for the same reason.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    pub op: String,
    pub count: usize,
    pub reason: String,
}

/// The object that `python -m tvm_dla.inspect` prints.
#[derive(Deserialize)]
struct Answer {
    options: Options,
    regions: Vec<Report>,
    kept: Vec<Kept>,
}

/// Partitions the Relay module in `path` as the compiler would, and describes the outcome.
pub fn inspect(
    path: &Path,
    options: &[String],
    python: Option<&Path>,
) -> Result<Inspection, Failure> {
    let answer = ask(path, options, &search::python(python)?)?;
    let network = |report| Network {
        options: answer.options.clone(),
        digest: None,
        plan: None,
        report,
    };
    let networks: Vec<Network> = answer.regions.into_iter().map(network).collect();
    let parts = (networks.len() != 1 || !answer.kept.is_empty()).then(|| {
        let (networks, kept) = (networks.len(), answer.kept.len());
        format!("{networks} networks go to the target dla, and {kept} kinds of calls stay with TVM")
    });
    Ok(Inspection {
        file: path.to_path_buf(),
        whole: parts.is_none(),
        parts,
        networks,
        kept: answer.kept,
    })
}

fn ask(path: &Path, options: &[String], python: &Path) -> Result<Answer, CliError> {
    let wrong = |reason: String| CliError::Python {
        path: python.to_path_buf(),
        reason,
    };
    let output = Command::new(python)
        .args(["-m", "tvm_dla.inspect"])
        .arg(path)
        .args(options.iter().flat_map(|option| ["--option", option]))
        .output()
        .map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => {}
        Some(2) => {
            return Err(CliError::Relay {
                path: path.to_path_buf(),
                reason: last_error(&errors),
            })
        }
        _ => return Err(wrong(errors.trim().to_string())),
    }
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line)
        .map_err(|error| wrong(format!("its answer is not understood: {error}")))
}

/// What the module said after `error: `; TVM may have warned before it.
fn last_error(errors: &str) -> String {
    let message = errors
        .rsplit_once("error: ")
        .map_or(errors, |(_, text)| text);
    message.trim().to_string()
}
