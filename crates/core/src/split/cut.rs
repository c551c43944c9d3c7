//! Cuts a network into the prefix that every device runs and the suffix that the GPU runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::target::DlaTarget;
use super::verdict::{GpuReason, Verdict, verdict, weight_limit};
use crate::graph::{Graph, GraphError, Node, NodeId, Op, TensorId};

/// On which side of the cut a node lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Prefix,
    Suffix,
}

/// Where a suffix input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuffixInput {
    /// Output of the prefix with this index.
    Cut(usize),
    /// Input of the whole network with this index.
    GraphInput(usize),
}

/// Which stage computes an output of the whole network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputSource {
    Prefix(usize),
    Suffix(usize),
}

/// A network in two parts.
#[derive(Debug, Clone)]
pub struct Stages {
    /// Runs on the GPU and on the DLAs; its inputs are all inputs of the network, in order.
    pub prefix: Option<Graph>,
    /// Runs on the GPU only.
    pub suffix: Option<Graph>,
    /// Per node of the network.
    pub verdicts: Vec<Verdict>,
    /// Per node of the network.
    pub side: Vec<Side>,
    /// Per input of the suffix.
    pub suffix_inputs: Vec<SuffixInput>,
    /// Per output of the network.
    pub outputs: Vec<OutputSource>,
}

impl Stages {
    /// Whether the rows of `graph`, whose parts these are, or of one of them, are computed only as compiled.
    pub fn fixed(&self, graph: &Graph) -> bool {
        let parts = self.prefix.iter().chain(&self.suffix);
        let mut stages = parts.chain([graph]);
        stages.any(|stage| stage.apart().is_err() || stage.batch() != graph.batch())
    }

    /// The rows of every execution where there is no other number: those that `graph` was compiled for.
    pub fn unit(&self, graph: &Graph) -> Option<usize> {
        self.fixed(graph).then(|| graph.batch())
    }
}

/// A network that cannot be cut as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    #[error(
        "gpu_only names `{name}`, which is neither a node nor an operator of this network; the nearest is `{nearest}`"
    )]
    UnknownNode { name: String, nearest: String },
    #[error("output `{name}` is an input or a weight passed through: nothing computes it")]
    PassThrough { name: String },
    #[error("the network cannot be cut after `{name}`: {reason}; the nearest place is after `{nearest}`")]
    NoCut {
        name: String,
        reason: &'static str,
        nearest: String,
    },
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// Cuts `graph` for `target`. Nodes named by `gpu_only` (by node or operator name) stay on the GPU.
///
/// # Errors
/// [`SplitError`] when `gpu_only` names nothing, or an output is computed by no node.
pub fn cut(graph: &Graph, target: &DlaTarget, gpu_only: &[String]) -> Result<Stages, SplitError> {
    let (verdicts, side) = judged(graph, target, gpu_only)?;
    stages(graph, verdicts, side)
}

/// Where every node may run, and on which side of the longest prefix it lies.
pub(super) fn judged(
    graph: &Graph,
    target: &DlaTarget,
    gpu_only: &[String],
) -> Result<(Vec<Verdict>, Vec<Side>), SplitError> {
    check_names(graph, gpu_only)?;
    let mut verdicts: Vec<Verdict> = graph
        .nodes
        .iter()
        .map(|node| judge(graph, node, target, gpu_only))
        .collect();
    let side = sides(graph, target, &mut verdicts);
    Ok((verdicts, side))
}

/// The two parts of a network, by the side of every node.
pub(super) fn stages(graph: &Graph, verdicts: Vec<Verdict>, side: Vec<Side>) -> Result<Stages, SplitError> {
    let parts = Parts::new(graph, &side)?;
    Ok(Stages {
        prefix: parts.prefix()?,
        suffix: parts.suffix()?,
        suffix_inputs: parts.suffix_inputs(),
        outputs: parts.outputs()?,
        verdicts,
        side,
    })
}

fn judge(graph: &Graph, node: &Node, target: &DlaTarget, gpu_only: &[String]) -> Verdict {
    let named = |name: &&String| **name == node.name || **name == node.op.name();
    match gpu_only.iter().find(named) {
        Some(name) => Verdict::Gpu(GpuReason::Requested { name: name.clone() }),
        None => verdict(graph, node, target),
    }
}

fn check_names(graph: &Graph, gpu_only: &[String]) -> Result<(), SplitError> {
    let known: BTreeSet<&str> = graph
        .nodes
        .iter()
        .flat_map(|node| [node.name.as_str(), node.op.name()])
        .collect();
    match gpu_only.iter().find(|name| !known.contains(name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let distance = |known: &&&str| strsim::levenshtein(known, name);
            let nearest = known.iter().min_by_key(distance);
            Err(SplitError::UnknownNode {
                name: name.clone(),
                nearest: nearest.copied().unwrap_or_default().to_string(),
            })
        }
    }
}

/// A node is in the prefix when it and all its ancestors may run on the DLA and the weights still fit.
fn sides(graph: &Graph, target: &DlaTarget, verdicts: &mut [Verdict]) -> Vec<Side> {
    let mut in_prefix: Vec<bool> = vec![true; graph.tensors.len()];
    let mut weights = BTreeSet::new();
    let mut bytes = 0;
    let mut side = Vec::with_capacity(graph.nodes.len());
    for (node, verdict) in graph.nodes.iter().zip(verdicts.iter_mut()) {
        let mut ok = *verdict == Verdict::Dla && node.inputs.iter().all(|id| in_prefix[id.0 as usize]);
        if ok {
            let total = bytes + new_weights(graph, node, target, &weights);
            match weight_limit(target, total) {
                Some(reason) => (*verdict, ok) = (Verdict::Gpu(reason), false),
                None => {
                    bytes = total;
                    weights.extend(&node.inputs);
                }
            }
        }
        in_prefix[node.output.0 as usize] = ok;
        side.push(if ok { Side::Prefix } else { Side::Suffix });
    }
    let worth = graph
        .nodes
        .iter()
        .zip(&side)
        .any(|(node, side)| *side == Side::Prefix && is_conv_or_pool(&node.op));
    if !worth {
        side.fill(Side::Suffix);
    }
    side
}

fn new_weights(graph: &Graph, node: &Node, target: &DlaTarget, seen: &BTreeSet<TensorId>) -> usize {
    node.inputs
        .iter()
        .filter(|id| !seen.contains(id))
        .map(|id| graph.tensor(*id))
        .filter(|tensor| tensor.weight.is_some())
        .map(|tensor| tensor.shape.iter().product::<usize>() * target.precision.bytes())
        .sum()
}

/// Without one of these the prefix is not worth a hand-over.
pub(super) fn is_conv_or_pool(op: &Op) -> bool {
    matches!(
        op,
        Op::Conv2d(_) | Op::Deconv2d(_) | Op::Pool2d(_) | Op::GlobalPool(_) | Op::AdaptivePool { .. }
    )
}

/// Which tensors cross the cut.
struct Parts<'a> {
    graph: &'a Graph,
    side: &'a [Side],
    /// Producer of each tensor that a node computes.
    producer: BTreeMap<TensorId, NodeId>,
    prefix_outputs: Vec<TensorId>,
    suffix_inputs: Vec<TensorId>,
    suffix_outputs: Vec<TensorId>,
}

impl<'a> Parts<'a> {
    fn new(graph: &'a Graph, side: &'a [Side]) -> Result<Parts<'a>, SplitError> {
        let producer = graph
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| (node.output, NodeId(index as u32)))
            .collect();
        let mut parts = Parts {
            graph,
            side,
            producer,
            prefix_outputs: Vec::new(),
            suffix_inputs: Vec::new(),
            suffix_outputs: Vec::new(),
        };
        parts.cross();
        for id in &graph.outputs {
            match parts.side_of(*id) {
                Some(Side::Prefix) => push_new(&mut parts.prefix_outputs, *id),
                Some(Side::Suffix) => push_new(&mut parts.suffix_outputs, *id),
                None => {
                    let name = graph.tensor(*id).name.clone();
                    return Err(SplitError::PassThrough { name });
                }
            }
        }
        Ok(parts)
    }

    fn cross(&mut self) {
        for node in self.nodes(Side::Suffix) {
            for id in &node.inputs {
                let weight = self.graph.tensor(*id).weight.is_some();
                let side = self.side_of(*id);
                if !weight && side != Some(Side::Suffix) {
                    push_new(&mut self.suffix_inputs, *id);
                }
                if side == Some(Side::Prefix) {
                    push_new(&mut self.prefix_outputs, *id);
                }
            }
        }
    }

    fn side_of(&self, id: TensorId) -> Option<Side> {
        self.producer.get(&id).map(|node| self.side[node.0 as usize])
    }

    fn nodes(&self, side: Side) -> Vec<&'a Node> {
        let pairs = self.graph.nodes.iter().zip(self.side);
        pairs.filter(|(_, s)| **s == side).map(|(n, _)| n).collect()
    }

    fn prefix(&self) -> Result<Option<Graph>, SplitError> {
        self.part("prefix", Side::Prefix, &self.graph.inputs, &self.prefix_outputs)
    }

    fn suffix(&self) -> Result<Option<Graph>, SplitError> {
        self.part("suffix", Side::Suffix, &self.suffix_inputs, &self.suffix_outputs)
    }

    fn suffix_inputs(&self) -> Vec<SuffixInput> {
        let input = |id: &TensorId| match position(&self.prefix_outputs, *id) {
            Some(index) => SuffixInput::Cut(index),
            None => SuffixInput::GraphInput(
                position(&self.graph.inputs, *id).expect("what no node computes is an input"),
            ),
        };
        self.suffix_inputs.iter().map(input).collect()
    }

    fn outputs(&self) -> Result<Vec<OutputSource>, SplitError> {
        let source = |id: &TensorId| match position(&self.suffix_outputs, *id) {
            Some(index) => OutputSource::Suffix(index),
            None => OutputSource::Prefix(
                position(&self.prefix_outputs, *id).expect("every output is on one side"),
            ),
        };
        Ok(self.graph.outputs.iter().map(source).collect())
    }

    /// The nodes of one side as a network of its own; ids are renumbered, weights shared.
    fn part(
        &self,
        name: &str,
        side: Side,
        inputs: &[TensorId],
        outputs: &[TensorId],
    ) -> Result<Option<Graph>, SplitError> {
        let nodes = self.nodes(side);
        if nodes.is_empty() {
            return Ok(None);
        }
        let mut part = Graph {
            name: format!("{}.{name}", self.graph.name),
            ..Graph::default()
        };
        let mut ids = BTreeMap::new();
        let mut renumber = |part: &mut Graph, id: TensorId| {
            *ids.entry(id).or_insert_with(|| {
                part.tensors.push(self.graph.tensor(id).clone());
                TensorId(part.tensors.len() as u32 - 1)
            })
        };
        part.inputs = inputs.iter().map(|id| renumber(&mut part, *id)).collect();
        for node in nodes {
            let inputs = node.inputs.iter().map(|id| renumber(&mut part, *id)).collect();
            let output = renumber(&mut part, node.output);
            part.nodes.push(Node {
                inputs,
                output,
                ..node.clone()
            });
        }
        part.outputs = outputs.iter().map(|id| renumber(&mut part, *id)).collect();
        part.validate()?;
        Ok(Some(part))
    }
}

fn position(ids: &[TensorId], id: TensorId) -> Option<usize> {
    ids.iter().position(|other| *other == id)
}

fn push_new(ids: &mut Vec<TensorId>, id: TensorId) {
    if !ids.contains(&id) {
        ids.push(id);
    }
}
