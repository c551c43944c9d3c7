//! Where a node may run, and why not elsewhere.

use std::fmt;

use serde::Serialize;

use super::expr::{Facts, Value};
use super::facts::{layers, map_facts};
use super::rules::{Broken, first_broken, knows};
use super::target::DlaTarget;
use crate::graph::{Graph, Node, Op, TensorId};

/// Where a node may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Dla,
    Gpu(GpuReason),
}

/// Why a node is kept off the DLA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GpuReason {
    /// A rule of the table: its id, what breaks it in words, and the facts that the words do not say.
    Rule {
        id: String,
        rule: String,
        values: Vec<(String, String)>,
    },
    /// The DLA has no such layer.
    NoLayer { layer: String },
    /// The user said so.
    Requested { name: String },
}

/// What the rule table says about one node.
pub fn verdict(graph: &Graph, node: &Node, target: &DlaTarget) -> Verdict {
    let activation = |id: &&TensorId| graph.tensor(**id).weight.is_none();
    let x = node.inputs.iter().find(activation);
    let x = map_facts(graph.tensor(*x.unwrap_or(&node.inputs[0])));
    for layer in layers(graph, node) {
        if !knows(layer.name, target) {
            return Verdict::Gpu(GpuReason::NoLayer {
                layer: layer.name.to_string(),
            });
        }
        let mut facts = x.clone();
        facts.extend(layer.facts);
        if let Some(broken) = first_broken(layer.name, target, &facts) {
            return Verdict::Gpu(broken.into());
        }
    }
    node.inputs
        .iter()
        .chain([&node.output])
        .map(|id| graph.tensor(*id))
        .filter(|tensor| tensor.weight.is_none())
        .find_map(|tensor| first_broken("*", target, &map_facts(tensor)))
        .map_or(Verdict::Dla, |broken| Verdict::Gpu(broken.into()))
}

/// The rule that one loadable's total weights break, in bytes at the target's precision.
pub fn weight_limit(target: &DlaTarget, bytes: usize) -> Option<GpuReason> {
    let facts = Facts::from([("weight_bytes", Value::from(bytes))]);
    first_broken("*", target, &facts).map(GpuReason::from)
}

/// The rule that an engine of `batch` rows breaks; `row_bytes` are the internal tensors of one row.
pub fn batch_limit(target: &DlaTarget, batch: usize, row_bytes: usize) -> Option<GpuReason> {
    let facts = Facts::from([
        ("batch", Value::from(batch)),
        ("internal_tensor_bytes", (batch * row_bytes).into()),
    ]);
    first_broken("*", target, &facts).map(GpuReason::from)
}

/// Bytes of one row of the tensors inside a loadable, at the target's precision. What a layer only scales, shifts or
/// clips is fused into the layer before it and is no tensor of its own.
pub fn internal_row_bytes(prefix: &Graph, target: &DlaTarget) -> usize {
    let readers = |id: TensorId| prefix.nodes.iter().filter(move |n| n.inputs.contains(&id));
    let fused = |id: TensorId| {
        let mut readers = readers(id);
        let only = readers.next().filter(|_| readers.next().is_none());
        only.is_some_and(|node| is_fused(prefix, node))
    };
    let inside = |node: &&Node| !prefix.outputs.contains(&node.output) && !fused(node.output);
    let elements = |node: &Node| prefix.tensor(node.output).shape[1..].iter().product::<usize>();
    let sizes = prefix.nodes.iter().filter(inside).map(elements);
    sizes.sum::<usize>() * target.precision.bytes()
}

pub(super) fn is_fused(graph: &Graph, node: &Node) -> bool {
    match node.op {
        Op::BiasAdd { .. } | Op::BatchNorm { .. } | Op::Activation(_) | Op::PRelu => true,
        Op::Binary(_) => {
            let weight = |id: &TensorId| graph.tensor(*id).weight.is_some();
            node.inputs.iter().any(weight)
        }
        _ => false,
    }
}

/// The rule that says this chip has no DLA under this TensorRT.
pub fn platform_limit(target: &DlaTarget) -> Option<GpuReason> {
    first_broken("*", target, &Facts::new()).map(GpuReason::from)
}

impl From<Broken> for GpuReason {
    fn from(broken: Broken) -> GpuReason {
        let id = broken.rule.id.clone();
        let (rule, values) = broken.said();
        GpuReason::Rule { id, rule, values }
    }
}

impl fmt::Display for GpuReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GpuReason::Rule { id, rule, values } => {
                write!(f, "{rule} [{id}")?;
                for (index, (name, value)) in values.iter().enumerate() {
                    write!(f, "{}{name}={value}", if index == 0 { ": " } else { ", " })?;
                }
                f.write_str("]")
            }
            GpuReason::NoLayer { layer } => write!(f, "the DLA has no layer for {layer}"),
            GpuReason::Requested { name } => write!(f, "gpu_only names `{name}`"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Dla => f.write_str("DLA"),
            Verdict::Gpu(reason) => write!(f, "GPU: {reason}"),
        }
    }
}
