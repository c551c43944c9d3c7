//! What each node is computed in, and why not in INT8.

use std::fmt;

use super::stored::{has_kernel, head, is_piecewise, stored};
use super::{Numerics, Precision};
use crate::graph::{BinaryKind, DType, Graph, Node, Op, ResizeMode, TensorId};

/// Why an INT8 network computes a node in FP16.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HalfReason {
    /// Neither the DLA nor TensorRT's GPU kernels have it in INT8.
    NoInt8,
    /// The user, or a mixed-precision suggestion, named it.
    Requested,
    /// A model that was quantised before TVM has no range for one of its tensors.
    Unquantised,
    /// It scales what an FP16 layer gives, which INT8 would round once more.
    Behind,
    /// Its inputs would need one scale, and their ranges differ by this factor.
    Scales { factor: f32 },
}

/// What one node is computed in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Format {
    F32,
    F16(Option<HalfReason>),
    Int8,
}

/// INT8 that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrecisionError {
    #[error(
        "tensor `{tensor}` has no range, and node `{node}` needs one in int8\nhelp: make ranges with `tvm-dla calibrate`, or keep `{node}` in fp16"
    )]
    NoRange { tensor: String, node: String },
    #[error("two tensors are called `{0}`, and int8 ranges are given by name")]
    Ambiguous(String),
}

impl fmt::Display for HalfReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HalfReason::NoInt8 => f.write_str("there is no int8 layer for it"),
            HalfReason::Requested => f.write_str("asked for"),
            HalfReason::Unquantised => f.write_str("the model does not quantise it"),
            HalfReason::Behind => {
                f.write_str("it only scales what is in fp16, and int8 would round that once more")
            }
            HalfReason::Scales { factor } => write!(
                f,
                "its inputs would need one int8 scale, and their ranges differ {factor:.0} times"
            ),
        }
    }
}

/// Per node of a folded network.
///
/// # Errors
/// [`PrecisionError`] when INT8 lacks a range, or cannot tell two tensors apart.
pub fn assign(graph: &Graph, numerics: &Numerics) -> Result<Vec<Format>, PrecisionError> {
    let all = |format: Format| Ok(vec![format; graph.nodes.len()]);
    match numerics.precision {
        Precision::F32 => all(Format::F32),
        Precision::F16 => all(Format::F16(None)),
        Precision::Int8 => int8(graph, numerics),
    }
}

fn int8(graph: &Graph, numerics: &Numerics) -> Result<Vec<Format>, PrecisionError> {
    unambiguous(graph)?;
    let stored = stored(graph);
    let mut formats: Vec<Format> = graph
        .nodes
        .iter()
        .map(|node| own(graph, node, numerics))
        .collect();
    // A layer has one precision: that of its first node, and FP16 when any of its nodes is asked for in FP16.
    let heads: Vec<usize> = (0..formats.len()).map(|at| head(graph, &stored, at)).collect();
    for (at, first) in heads.iter().enumerate() {
        if let Format::F16(_) = formats[at] {
            formats[*first] = formats[at];
        }
    }
    for (at, first) in heads.iter().enumerate() {
        let behind = || scaled(graph, at).is_some_and(|before| is_half(formats[before]));
        if *first != at {
            formats[at] = formats[*first];
        } else if formats[at] == Format::Int8 && behind() {
            formats[at] = Format::F16(Some(HalfReason::Behind));
        }
    }
    for (at, node) in graph.nodes.iter().enumerate() {
        if formats[at] == Format::Int8 {
            needed(graph, node, &stored, at)
                .find(|id| numerics.ranges.get(&graph.tensor(*id).name).is_none())
                .map_or(Ok(()), |id| {
                    Err(PrecisionError::NoRange {
                        tensor: graph.tensor(id).name.clone(),
                        node: node.name.clone(),
                    })
                })?;
        }
    }
    Ok(formats)
}

fn is_half(format: Format) -> bool {
    matches!(format, Format::F16(_))
}

/// The node whose output node `at` only scales and shifts by constants.
fn scaled(graph: &Graph, at: usize) -> Option<usize> {
    let node = &graph.nodes[at];
    let constant = |id: &TensorId| graph.tensor(*id).weight.is_some();
    let scales = match node.op {
        Op::BatchNorm { .. } | Op::BiasAdd { .. } => true,
        Op::Binary(_) => node.inputs.iter().any(constant),
        _ => false,
    };
    let operand = node.inputs.iter().find(|id| !constant(id))?;
    let producer = graph.nodes[..at].iter().rposition(|n| n.output == *operand);
    producer.filter(|_| scales)
}

/// The stored activations that a node reads and writes.
fn needed<'a>(
    graph: &'a Graph,
    node: &'a Node,
    stored: &'a [bool],
    at: usize,
) -> impl Iterator<Item = TensorId> + 'a {
    let inside = |id: TensorId| {
        let producer = graph.nodes.iter().position(|node| node.output == id);
        producer.is_some_and(|producer| !stored[producer])
    };
    let reads = node.inputs.iter().copied();
    let reads = reads.filter(move |id| graph.tensor(*id).weight.is_none() && !inside(*id));
    reads.chain(stored[at].then_some(node.output))
}

fn own(graph: &Graph, node: &Node, numerics: &Numerics) -> Format {
    if numerics.half.contains(&node.name) {
        return Format::F16(Some(HalfReason::Requested));
    }
    if has_int8(graph, node) {
        Format::Int8
    } else {
        Format::F16(Some(HalfReason::NoInt8))
    }
}

/// What runs in INT8 on the DLA and, in networks with implicit scales, in TensorRT's GPU kernels; all else, and with
/// it what is not known here, is FP16.
pub(super) fn has_int8(graph: &Graph, node: &Node) -> bool {
    let floats = graph.tensor(node.output).dtype == DType::F32;
    let layer = match &node.op {
        Op::Conv2d(_) | Op::Deconv2d(_) | Op::Dense => has_kernel(graph, node),
        Op::Activation(function) => is_piecewise(*function),
        Op::BiasAdd { .. } | Op::BatchNorm { .. } | Op::PRelu => true,
        Op::Binary(kind) => !matches!(kind, BinaryKind::Div | BinaryKind::Pow),
        Op::Pool2d(_) | Op::GlobalPool(_) | Op::AdaptivePool { .. } => true,
        op => moves(op),
    };
    layer && floats
}

/// Whether an operator only moves or repeats elements (and zeros): what it reads and writes has one scale.
pub(super) fn moves(op: &Op) -> bool {
    match op {
        Op::Pad(pad) => pad.value == 0.0,
        Op::Resize2d(resize) => matches!(resize.mode, ResizeMode::Nearest(_)),
        op => op.only_moves(),
    }
}

fn unambiguous(graph: &Graph) -> Result<(), PrecisionError> {
    let mut names: Vec<&str> = graph
        .tensors
        .iter()
        .filter(|tensor| tensor.weight.is_none())
        .map(|tensor| tensor.name.as_str())
        .collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(PrecisionError::Ambiguous(pair[0].to_string())),
        None => Ok(()),
    }
}
