//! The cut in figures, for `inspect`.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::cut::{Side, Stages};
use super::verdict::Verdict;
use crate::graph::{Graph, Node, TensorId};

/// One node: where it may run, where it does, and what it costs for the network's batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeReport {
    pub name: String,
    pub op: String,
    /// Output shape.
    pub shape: Vec<usize>,
    pub side: Side,
    pub may_run_on_dla: bool,
    /// Why it is not in the prefix; empty for a prefix node.
    pub reason: String,
    pub macs: u64,
    /// Whether its multiplications only copy, by ones and zeros: they are none of the model's.
    #[serde(default)]
    pub copies: bool,
}

/// Totals of one side.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SideReport {
    pub nodes: usize,
    /// Multiply-accumulates for the network's batch.
    pub macs: u64,
    /// Bytes of the weights as stored.
    pub weight_bytes: u64,
    /// Bytes of all node outputs for the network's batch, as float32.
    pub activation_bytes: u64,
}

/// A tensor that crosses the cut.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TensorReport {
    pub name: String,
    pub shape: Vec<usize>,
    /// Bytes for the network's batch, as float32.
    pub bytes: u64,
}

/// An input or output of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndReport {
    pub name: String,
    /// As the model declares it, in its own order of axes.
    pub shape: Vec<usize>,
    /// As the network has it, which may be in another order.
    pub network_shape: Vec<usize>,
}

/// Everything `inspect` says about one network.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    pub network: String,
    pub batch: usize,
    #[serde(default)]
    pub inputs: Vec<EndReport>,
    #[serde(default)]
    pub outputs: Vec<EndReport>,
    pub nodes: Vec<NodeReport>,
    pub prefix: SideReport,
    pub suffix: SideReport,
    pub cut: Vec<TensorReport>,
}

/// Describes `graph` and its cut, with inputs and outputs as the network has them.
pub fn report(graph: &Graph, stages: &Stages) -> Report {
    let nodes = (0..graph.nodes.len())
        .map(|index| node_report(graph, stages, index))
        .collect();
    Report {
        network: graph.name.clone(),
        batch: graph.batch(),
        inputs: ends(graph, &graph.inputs),
        outputs: ends(graph, &graph.outputs),
        nodes,
        prefix: side_report(stages.prefix.as_ref()),
        suffix: side_report(stages.suffix.as_ref()),
        cut: cut_tensors(stages),
    }
}

fn ends(graph: &Graph, ids: &[TensorId]) -> Vec<EndReport> {
    let end = |id: &TensorId| EndReport {
        name: graph.tensor(*id).name.clone(),
        shape: graph.tensor(*id).shape.clone(),
        network_shape: graph.tensor(*id).shape.clone(),
    };
    ids.iter().map(end).collect()
}

fn node_report(graph: &Graph, stages: &Stages, index: usize) -> NodeReport {
    let node = &graph.nodes[index];
    NodeReport {
        name: node.name.clone(),
        op: node.op.name().to_string(),
        shape: graph.tensor(node.output).shape.clone(),
        side: stages.side[index],
        may_run_on_dla: stages.verdicts[index] == Verdict::Dla,
        reason: reason(graph, stages, index),
        macs: graph.node_macs(node),
        copies: graph.copies(node),
    }
}

fn reason(graph: &Graph, stages: &Stages, index: usize) -> String {
    match (&stages.verdicts[index], stages.side[index]) {
        (Verdict::Gpu(reason), _) => reason.to_string(),
        (Verdict::Dla, Side::Prefix) => String::new(),
        (Verdict::Dla, Side::Suffix) => match blocker(graph, stages, &graph.nodes[index]) {
            Some(name) => format!("comes after `{name}`, which the DLA does not run"),
            None => unworthy(graph, stages),
        },
    }
}

/// Why a prefix of nodes that a DLA runs is none: it has no convolution or pooling.
fn unworthy(graph: &Graph, stages: &Stages) -> String {
    let what = "no convolution or pooling makes a hand-over to the DLA worth while";
    let nodes = graph.nodes.iter().zip(&stages.verdicts);
    let mut refused = nodes.filter(|(_, verdict)| **verdict != Verdict::Dla);
    match refused.next() {
        Some((first, _)) => {
            let name = &first.name;
            format!("{what}: there is none before `{name}`, which the DLA does not run")
        }
        None => what.to_string(),
    }
}

/// The nearest node before `node` that the DLA does not run.
fn blocker<'a>(graph: &'a Graph, stages: &Stages, node: &Node) -> Option<&'a str> {
    let mut left: VecDeque<TensorId> = node.inputs.iter().copied().collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = left.pop_front() {
        let producer = graph.nodes.iter().position(|n| n.output == id);
        let Some(at) = producer.filter(|_| seen.insert(id)) else {
            continue;
        };
        match stages.verdicts[at] {
            Verdict::Gpu(_) => return Some(&graph.nodes[at].name),
            Verdict::Dla => left.extend(&graph.nodes[at].inputs),
        }
    }
    None
}

fn side_report(part: Option<&Graph>) -> SideReport {
    part.map_or_else(SideReport::default, |graph| SideReport {
        nodes: graph.nodes.len(),
        macs: graph.macs(),
        weight_bytes: graph.weight_bytes(),
        activation_bytes: graph.activation_bytes(),
    })
}

fn cut_tensors(stages: &Stages) -> Vec<TensorReport> {
    let (Some(prefix), Some(_)) = (&stages.prefix, &stages.suffix) else {
        return Vec::new();
    };
    prefix
        .outputs
        .iter()
        .map(|id| prefix.tensor(*id))
        .map(|tensor| TensorReport {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            bytes: tensor.shape.iter().map(|d| *d as u64).product::<u64>() * tensor.dtype.size() as u64,
        })
        .collect()
}
