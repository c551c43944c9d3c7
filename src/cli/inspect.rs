//! `tvm-dla inspect`: the cut, and the reason for every node.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::Failure;
use super::relay::{self, Kept};
use super::table::Table;
use super::ui::Ui;
use super::{units, Answer};
use crate::artifact::Artifact;
use crate::bundle::{Bundle, Options};
use crate::split::{self, Report, Side, SideReport};

#[derive(clap::Args)]
pub struct Args {
    /// A compiled model: .tar of tvmc, .so, or a bundle
    #[arg(required_unless_present = "relay")]
    artifact: Option<PathBuf>,
    /// A Relay module instead: text, or JSON of tvm.ir.save_json
    #[arg(long, value_name = "FILE", conflicts_with = "artifact")]
    relay: Option<PathBuf>,
    /// Option of the target for --relay, as in chip=orin; may be repeated
    #[arg(long = "option", value_name = "KEY=VALUE", requires = "relay")]
    options: Vec<String>,
    /// The Python that has TVM and the plugin, for --relay
    #[arg(long, value_name = "EXE", env = "TVM_DLA_PYTHON")]
    python: Option<PathBuf>,
}

/// What is said about one file.
#[derive(Serialize)]
pub struct Inspection {
    pub file: PathBuf,
    /// Whether the one network is all of the model, so that it runs at any batch and without TVM.
    pub whole: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<String>,
    pub networks: Vec<Network>,
    /// What stays with TVM; known for a Relay module only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Kept>,
}

/// One network for the target `dla`.
#[derive(Serialize)]
pub struct Network {
    pub options: Options,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    #[serde(flatten)]
    pub report: Report,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let inspection = match (&args.artifact, &args.relay) {
        (Some(path), _) => of_artifact(path)?,
        (None, Some(path)) => relay::inspect(path, &args.options, args.python.as_deref())?,
        (None, None) => unreachable!("clap demands one of the two"),
    };
    ui.result("inspect", &inspection, human)?;
    Ok(Answer::Yes)
}

fn of_artifact(path: &Path) -> Result<Inspection, Failure> {
    let artifact = Artifact::read(path)?;
    let networks: Result<Vec<Network>, Failure> = artifact.bundles.iter().map(network).collect();
    let parts = artifact.whole().err().map(|error| error.to_string());
    Ok(Inspection {
        file: path.to_path_buf(),
        whole: parts.is_none(),
        parts,
        networks: networks?,
        kept: Vec::new(),
    })
}

fn network(bundle: &Bundle) -> Result<Network, Failure> {
    let options = &bundle.options;
    let stages = split::cut(&bundle.graph, &options.target, &options.gpu_only)?;
    Ok(Network {
        options: options.clone(),
        digest: Some(bundle.digest()),
        plan: bundle.plan.as_ref().map(|plan| plan.to_string()),
        report: split::report(&bundle.graph, &stages),
    })
}

fn human(inspection: &Inspection) -> String {
    let mut text = format!("{}\n", inspection.file.display());
    text += match &inspection.parts {
        None => "all of the model is one network: it runs at any batch, without TVM\n",
        Some(why) => why,
    };
    if inspection.parts.is_some() {
        text.push('\n');
    }
    for network in &inspection.networks {
        text += &describe(network);
    }
    for kept in &inspection.kept {
        let Kept { op, count, reason } = kept;
        text += &format!("stays with TVM: {op} ({count}x): {reason}\n");
    }
    text
}

fn describe(network: &Network) -> String {
    let report = &network.report;
    let mut text = format!(
        "\nnetwork {} at batch {}, for {}\n",
        report.network, report.batch, network.options.target
    );
    if let Some(plan) = &network.plan {
        text += &format!("plan in the artifact: {plan}\n");
    }
    text += &nodes(report);
    text += &format!("\nprefix (GPU and DLA): {}\n", side(&report.prefix));
    text += &format!("suffix (GPU only):    {}\n", side(&report.suffix));
    for tensor in &report.cut {
        text += &format!(
            "cut: {} [{}] float32, {}\n",
            tensor.name,
            units::shape(&tensor.shape),
            units::bytes(tensor.bytes)
        );
    }
    text
}

fn nodes(report: &Report) -> String {
    let mut table = Table::new(&[
        "node",
        "op",
        "shape",
        "MACs",
        "runs on",
        "why not on the DLA",
    ]);
    for node in &report.nodes {
        let place = match node.side {
            Side::Prefix => "gpu, dla",
            Side::Suffix => "gpu",
        };
        table.row(vec![
            node.name.clone(),
            node.op.clone(),
            units::shape(&node.shape),
            units::count(node.macs),
            place.to_string(),
            node.reason.clone(),
        ]);
    }
    table.text(2)
}

fn side(side: &SideReport) -> String {
    format!(
        "{} node{}, {} MACs, weights {}, activations {}",
        side.nodes,
        units::plural(side.nodes),
        units::count(side.macs),
        units::bytes(side.weight_bytes),
        units::bytes(side.activation_bytes)
    )
}
