//! `tvm-dla inspect`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::around::foreign;
use super::environments::python;
use super::output::{Output, bytes, count, counted, table};
use super::{Answer, Outcome, helped};
use crate::artifact::{Artifact, ArtifactError, Layout, Source};
use crate::bundle::{KeptCalls, Origin};
use crate::split::{self, EndReport, NodeReport, Report, Side, SideReport};

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle
    #[arg(required_unless_present = "relay")]
    artifact: Option<PathBuf>,
    /// A Relay module instead, as text or as TVM's JSON; needs a Python with TVM and the plugin
    #[arg(long, conflicts_with = "artifact")]
    relay: Option<PathBuf>,
    /// Options of the target for --relay, e.g. chip=orin
    #[arg(long, requires = "relay")]
    option: Vec<String>,
    /// The Python for --relay (default: of the first environment that has TVM and the plugin)
    #[arg(long, env = "TVM_DLA_PYTHON")]
    python: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Inspection {
    networks: Vec<Report>,
    #[serde(default)]
    kept: Vec<KeptCalls>,
    /// Where the model's outputs are from, if not all are the one network's in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<OutputReport>,
    /// How the model runs; only a compiled one says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    runs: Option<String>,
    /// What is to be known of an artifact for another processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine: Option<String>,
}

/// An output of the model.
#[derive(Serialize, Deserialize)]
struct OutputReport {
    name: String,
    shape: Vec<usize>,
    from: String,
}

pub fn run(arguments: &Arguments, output: &Output) -> Outcome {
    let inspection = match (&arguments.artifact, &arguments.relay) {
        (Some(artifact), _) => of_artifact(artifact)?,
        (None, Some(relay)) => of_relay(arguments, relay)?,
        (None, None) => return Err("give an artifact or --relay FILE".into()),
    };
    output.answer(&inspection, || human(&inspection), Answer::Yes)
}

fn of_artifact(path: &Path) -> Result<Inspection, Box<dyn Error>> {
    let artifact = Artifact::read(path)?;
    let report = |bundle: &crate::bundle::Bundle| -> Result<Report, Box<dyn Error>> {
        let options = &bundle.options;
        let stages = split::cut(&bundle.graph, &options.target, &options.gpu_only)?;
        let mut report = split::report(&bundle.graph, &stages);
        Origin::declare(bundle.origin.as_ref(), &mut report);
        Ok(report)
    };
    let networks: Result<Vec<Report>, _> = artifact.bundles.iter().map(report).collect();
    let layout = artifact.layout();
    let bundles = artifact.bundles.iter();
    Ok(Inspection {
        networks: networks?,
        kept: bundles.flat_map(|bundle| bundle.kept.clone()).collect(),
        outputs: layout.as_ref().map_or_else(Vec::new, outputs),
        runs: runs(&artifact, layout.as_ref()),
        machine: foreign(&artifact),
    })
}

fn outputs(layout: &Layout) -> Vec<OutputReport> {
    if layout.is_plain() {
        return Vec::new();
    }
    let from = |source: &Source| match source {
        Source::Input(at) => format!("input {}, as it is", layout.inputs[*at].name),
        Source::Network(at) => format!("the network, its output {at}"),
        Source::Part(_) => "TVM, behind the network".to_string(),
        Source::Constant(_) => "constant".to_string(),
    };
    let outputs = layout.outputs.iter();
    outputs
        .map(|placed| OutputReport {
            name: placed.declared.name.clone(),
            shape: placed.declared.shape.clone(),
            from: from(&placed.source),
        })
        .collect()
}

/// How a model runs of which not everything is one network.
fn runs(artifact: &Artifact, layout: Option<&Layout>) -> Option<String> {
    match (artifact.network(), layout) {
        (Err(ArtifactError::Parts { reason, .. }), _) => Some(format!(
            "{reason}, so TVM drives this model, at the batch it was compiled for: only `tvm-dla run` does that"
        )),
        (Err(error), _) => Some(error.to_string()),
        (Ok(_), Some(layout)) if layout.needs_tvm() => Some(format!(
            "TVM computes {}, row after row; the network has plans and runs at any batch",
            layout.describe()
        )),
        (Ok(_), _) => None,
    }
}

/// Relay needs TVM's own passes first: the Python bridge runs them and asks the plugin.
fn of_relay(arguments: &Arguments, relay: &Path) -> Result<Inspection, Box<dyn Error>> {
    let python = arguments.python.clone().or_else(python);
    let python = python.ok_or_else(|| {
        helped(
            "no Python environment here has TVM and the plugin",
            "run ./scripts/setup, or name one with --python",
        )
    })?;
    let done = Command::new(&python)
        .args(["-m", "tvm_dla.inspect"])
        .arg(relay)
        .args(&arguments.option)
        .output()
        .map_err(|e| {
            helped(
                format!("cannot run {}: {e}", python.display()),
                "name a Python that has TVM and tvm_dla with --python, or run ./scripts/setup",
            )
        })?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).trim().to_string().into());
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}

fn human(inspection: &Inspection) -> String {
    let mut parts: Vec<String> = inspection.networks.iter().map(network).collect();
    for kept in &inspection.kept {
        parts.push(format!(
            "stays with TVM: {} ({}x): {}",
            kept.op, kept.count, kept.reason
        ));
    }
    let outputs = inspection.outputs.iter();
    let outputs = outputs.map(|o| format!("output {} {:?}: {}", o.name, o.shape, o.from));
    let outputs: Vec<String> = outputs.collect();
    parts.extend((!outputs.is_empty()).then(|| outputs.join("\n")));
    parts.extend(inspection.runs.clone());
    parts.extend(inspection.machine.clone());
    parts.join("\n\n")
}

fn network(report: &Report) -> String {
    let mut rows = vec![
        ["node", "op", "output", "runs on", "why not on the DLA"]
            .map(String::from)
            .to_vec(),
    ];
    rows.extend(report.nodes.iter().map(node));
    let cut: Vec<String> = report
        .cut
        .iter()
        .map(|t| format!("{} {:?} ({})", t.name, t.shape, bytes(t.bytes)))
        .collect();
    let cut = if cut.is_empty() {
        "none".to_string()
    } else {
        cut.join(", ")
    };
    let inputs = report.inputs.iter().map(input);
    let outputs = report.outputs.iter().map(output);
    let ends: String = inputs.chain(outputs).collect();
    format!(
        "network {} (batch {})\n{ends}{}\n\ncut: {cut}\n{}",
        report.network,
        report.batch,
        table(&rows),
        table(&[
            side("prefix", "GPU + DLA", &report.prefix),
            side("suffix", "GPU", &report.suffix),
        ])
    )
}

/// An input, and what to know of one whose axes the network has in another order.
fn input(end: &EndReport) -> String {
    let (name, own, network) = (&end.name, &end.shape, &end.network_shape);
    if own == network {
        format!("input {name} is {own:?}\n")
    } else {
        format!("input {name} is {own:?}; an array of {network:?}, as the network has it, is taken too\n")
    }
}

/// Likewise of an output.
fn output(end: &EndReport) -> String {
    let (name, own, network) = (&end.name, &end.shape, &end.network_shape);
    if own == network {
        format!("output {name} is {own:?}\n")
    } else {
        format!("output {name} is {own:?}, and {network:?} in the network\n")
    }
}

fn node(node: &NodeReport) -> Vec<String> {
    let place = match node.side {
        Side::Prefix => "GPU + DLA",
        Side::Suffix => "GPU",
    };
    vec![
        node.name.clone(),
        node.op.clone(),
        format!("{:?}", node.shape),
        place.to_string(),
        node.reason.clone(),
    ]
}

fn side(name: &str, place: &str, side: &SideReport) -> Vec<String> {
    vec![
        format!("{name} ({place})"),
        counted(side.nodes, "node"),
        format!("{} MACs", count(side.macs)),
        format!("{} weights", bytes(side.weight_bytes)),
        format!("{} activations", bytes(side.activation_bytes)),
    ]
}
