//! Equal INT8 scales where the DLA wants them, and nodes that leave INT8 because equal scales would cost too much.

use std::collections::BTreeMap;

use serde::Serialize;

use super::assign::{HalfReason, has_int8, moves};
use super::{Numerics, Precision, Ranges};
use crate::graph::{BinaryKind, Graph, Node, Op, TensorId};

/// Ranges that differ by more than this keep a node in FP16: with one scale for both, the smaller tensor would use
/// fewer than 4 of its 7 bits.
const MOST_COARSENING: f32 = 16.0;
/// Of products, whose relative errors add: of a sum only the larger operand's steps matter, of a product those of both.
const MOST_COARSENING_OF_A_PRODUCT: f32 = 4.0;

/// One scale for several tensors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SharedScale {
    /// The nodes that ask for it.
    pub nodes: Vec<String>,
    /// The tensors with their own ranges.
    pub own: Vec<(String, f32)>,
    /// The range of them all.
    pub range: f32,
}

/// A node that INT8's scales do not suit.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedNode {
    pub node: String,
    pub reason: HalfReason,
}

/// How ranges had to change.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Unification {
    pub unified: Vec<SharedScale>,
    pub moved: Vec<MovedNode>,
}

impl Numerics {
    /// INT8 over `graph` uncut, with the scales made equal that the DLA's rules want equal: input and output of
    /// pooling, all tensors of a concatenation, the operands of an element-wise layer. `on_dla` says per node whether
    /// a DLA runs it; layers that only move elements keep their scale everywhere. Nodes in `half` stay out of it.
    pub fn int8(
        graph: &Graph,
        ranges: &Ranges,
        half: impl IntoIterator<Item = String>,
        on_dla: impl Fn(usize) -> bool,
    ) -> (Numerics, Unification) {
        let mut numerics = Numerics {
            precision: Precision::Int8,
            ranges: ranges.clone(),
            half: half.into_iter().collect(),
        };
        let mut groups = Groups::new(graph, ranges);
        let mut unification = Unification::default();
        for (at, node) in graph.nodes.iter().enumerate() {
            if numerics.half.contains(&node.name) {
                continue;
            }
            let Some(tensors) = equal(graph, node, on_dla(at)) else {
                continue;
            };
            match groups.factor(&tensors) {
                factor if factor > most_coarsening(&node.op) && !moves(&node.op) => {
                    numerics.half.insert(node.name.clone());
                    unification.moved.push(MovedNode {
                        node: node.name.clone(),
                        reason: HalfReason::Scales { factor },
                    });
                }
                _ => groups.unite(&tensors, &node.name),
            }
        }
        unification.unified = groups.apply(graph, &mut numerics.ranges);
        (numerics, unification)
    }
}

fn most_coarsening(op: &Op) -> f32 {
    match op {
        Op::Binary(BinaryKind::Mul) => MOST_COARSENING_OF_A_PRODUCT,
        _ => MOST_COARSENING,
    }
}

/// The activations that must have one scale around `node`.
fn equal(graph: &Graph, node: &Node, on_dla: bool) -> Option<Vec<TensorId>> {
    if !has_int8(graph, node) {
        return None;
    }
    let activations = |ids: &[TensorId]| -> Vec<TensorId> {
        let ids = ids.iter().copied();
        ids.filter(|id| graph.tensor(*id).weight.is_none()).collect()
    };
    let mut inputs = activations(&node.inputs);
    match &node.op {
        Op::Binary(_) if on_dla => {}
        Op::Pool2d(_) | Op::GlobalPool(_) | Op::AdaptivePool { .. } if on_dla => {
            inputs.push(node.output);
        }
        op if moves(op) => inputs.push(node.output),
        _ => return None,
    }
    (inputs.len() > 1).then_some(inputs)
}

/// Tensors by the scale they share.
struct Groups {
    parent: Vec<usize>,
    range: Vec<Option<f32>>,
    nodes: BTreeMap<usize, Vec<String>>,
}

impl Groups {
    fn new(graph: &Graph, ranges: &Ranges) -> Groups {
        let tensors = graph.tensors.iter();
        Groups {
            parent: (0..graph.tensors.len()).collect(),
            range: tensors.map(|t| ranges.get(&t.name)).collect(),
            nodes: BTreeMap::new(),
        }
    }

    fn root(&self, at: usize) -> usize {
        match self.parent[at] {
            parent if parent == at => at,
            parent => self.root(parent),
        }
    }

    /// Between the widest and the narrowest range of the groups of `tensors`.
    fn factor(&self, tensors: &[TensorId]) -> f32 {
        let ranges = tensors.iter();
        let ranges: Vec<f32> = ranges
            .filter_map(|id| self.range[self.root(id.0 as usize)])
            .collect();
        let widest = ranges.iter().copied().fold(0.0, f32::max);
        let narrowest = ranges.iter().copied().fold(f32::INFINITY, f32::min);
        widest / narrowest
    }

    fn unite(&mut self, tensors: &[TensorId], node: &str) {
        let first = self.root(tensors[0].0 as usize);
        for id in &tensors[1..] {
            let other = self.root(id.0 as usize);
            if other != first {
                self.parent[other] = first;
                let widest = self.range[first].into_iter().chain(self.range[other]);
                self.range[first] = widest.reduce(f32::max);
                let nodes = self.nodes.remove(&other).unwrap_or_default();
                self.nodes.entry(first).or_default().extend(nodes);
            }
        }
        self.nodes.entry(first).or_default().push(node.to_string());
    }

    /// Writes the shared ranges, and says what changed.
    fn apply(&self, graph: &Graph, ranges: &mut Ranges) -> Vec<SharedScale> {
        let mut unified = Vec::new();
        for (root, nodes) in &self.nodes {
            let members = (0..self.parent.len()).filter(|at| self.root(*at) == *root);
            let members: Vec<&str> = members.map(|at| graph.tensors[at].name.as_str()).collect();
            let Some(range) = self.range[*root] else {
                continue;
            };
            let own = members.iter();
            let own: Vec<(String, f32)> = own
                .filter_map(|name| Some((name.to_string(), ranges.get(name)?)))
                .collect();
            members.iter().for_each(|name| ranges.set(name, range));
            if own.iter().any(|(_, own)| *own != range) {
                unified.push(SharedScale {
                    nodes: nodes.clone(),
                    own,
                    range,
                });
            }
        }
        unified
    }
}
