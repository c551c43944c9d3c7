//! Where every operator of the network runs, from its cases, in canonical form: what `inspect` says of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tvm_dla_core::graph::cases::{self, Case};
use tvm_dla_core::split::layer_names;

use crate::canon::canonicalise;
use crate::engine::cpu::onnx_model;
use crate::engine::precision::{Format, Ranges, assign};
use crate::engine::{Numerics, Precision};
use crate::graph::{Graph, Node};
use crate::split::{self, Chip, DlaTarget, GpuReason, Verdict, Version, verdict};

/// Whether a DLA runs an operator.
#[derive(Debug, Clone, PartialEq)]
pub enum Dla {
    /// As these layers, where their limits and those of every layer are kept.
    Within(BTreeSet<&'static str>),
    No(String),
}

/// What is known of one operator.
#[derive(Debug)]
pub struct Support {
    /// Whether every case of it has layers.
    pub gpu: bool,
    /// By chip and precision.
    pub dla: BTreeMap<(&'static str, &'static str), Dla>,
    pub int8: bool,
}

/// The chips, each with its last TensorRT of a JetPack, and the precisions.
pub fn targets() -> [(&'static str, &'static str, DlaTarget); 4] {
    let target = |chip, tensorrt, precision| DlaTarget {
        chip,
        tensorrt,
        precision,
    };
    let xavier = |precision| target(Chip::Xavier, Version(8, 5, 2), precision);
    let orin = |precision| target(Chip::Orin, Version(10, 3, 0), precision);
    let (fp16, int8) = (split::Precision::Fp16, split::Precision::Int8);
    [
        ("Xavier", "FP16", xavier(fp16)),
        ("Xavier", "INT8", xavier(int8)),
        ("Orin", "FP16", orin(fp16)),
        ("Orin", "INT8", orin(int8)),
    ]
}

/// Every operator that has a case, by name.
pub fn all() -> BTreeMap<&'static str, Support> {
    let mut cases: BTreeMap<&'static str, Vec<Case>> = BTreeMap::new();
    for case in cases::all() {
        cases.entry(case.op.name()).or_default().push(case);
    }
    let of = |(name, cases): (&'static str, Vec<Case>)| (name, Support::of(&cases));
    cases.into_iter().map(of).collect()
}

impl Support {
    fn of(cases: &[Case]) -> Support {
        let gpu = cases.iter().all(|case| onnx_model(&case.graph()).is_ok());
        let canonical = |case: &Case| canonicalise(case.graph(), &HashSet::new()).unwrap().graph;
        let graphs: Vec<Graph> = cases.iter().map(canonical).collect();
        let dla = targets().map(|(chip, precision, target)| ((chip, precision), dla(&graphs, &target)));
        Support {
            gpu,
            dla: dla.into(),
            int8: graphs.iter().any(has_int8),
        }
    }
}

/// The nodes that an operator became, without those that prepare its operands.
fn own(graph: &Graph) -> impl Iterator<Item = (usize, &Node)> {
    let nodes = graph.nodes.iter().enumerate();
    nodes.filter(|(_, node)| !["abs", "above"].contains(&node.name.as_str()))
}

fn dla(graphs: &[Graph], target: &DlaTarget) -> Dla {
    let refusal = |graph: &Graph| own(graph).find_map(|(_, node)| refused(graph, node, target));
    let mut within = BTreeSet::new();
    for graph in graphs.iter().filter(|graph| refusal(graph).is_none()) {
        within.extend(own(graph).flat_map(|(_, node)| layer_names(graph, node)));
    }
    if !within.is_empty() {
        return Dla::Within(within);
    }
    // Cases differ in what forbids them: the page gives the reason of most.
    let reasons: Vec<String> = graphs.iter().filter_map(refusal).map(|r| said(&r)).collect();
    let often = |reason: &&String| reasons.iter().filter(|other| other == reason).count();
    let most = reasons.iter().rev().max_by_key(often).cloned();
    Dla::No(most.unwrap_or("it leaves the network".to_string()))
}

fn refused(graph: &Graph, node: &Node, target: &DlaTarget) -> Option<GpuReason> {
    match verdict(graph, node, target) {
        Verdict::Dla => None,
        Verdict::Gpu(reason) => Some(reason),
    }
}

/// A reason without the numbers of the case that it was found by.
fn said(reason: &GpuReason) -> String {
    match reason {
        GpuReason::Rule { id, rule, .. } => format!("{rule} [{id}]"),
        GpuReason::NoLayer { .. } | GpuReason::Requested { .. } => reason.to_string(),
    }
}

fn has_int8(graph: &Graph) -> bool {
    let mut ranges = Ranges::default();
    for tensor in &graph.tensors {
        ranges.insert(&tensor.name, 1.0).unwrap();
    }
    let numerics = Numerics {
        precision: Precision::Int8,
        ranges,
        ..Numerics::default()
    };
    let formats = assign(graph, &numerics).unwrap();
    own(graph).any(|(at, _)| formats[at] == Format::Int8)
}
