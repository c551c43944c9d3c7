//! A float32 model rewritten so that it computes, and rounds, as a device of another precision does.
//!
//! FP16: weights are rounded; every stored tensor goes through a Cast to float16 and back; sums are float32, as those
//! of tensor cores and of the DLA's accumulators are.
//!
//! INT8: activations are quantised with one symmetric scale per tensor and kernels with one per output channel, as
//! TensorRT has them: `clip(round(x / scale), -128, 127)`, ties to even; kernels within -127..127. A layer with a
//! kernel sums products of integers, held in float32, where they are exact below 2^24; its bias is rounded to an
//! integer of the sums' scale. Other INT8 layers compute on dequantised values and round once, on their way to memory.
//! QuantizeLinear and DequantizeLinear stand in the graph, so the session must not fuse them into other kernels.

mod emit;
mod forms;
mod half;
mod integer;
mod walk;
mod weights;

use std::collections::HashMap;

use super::{OnnxBuilder, proto};
use crate::engine::precision::{Format, Numerics, PrecisionError, assign, folded, has_kernel, head, stored};
use crate::graph::Graph;
use crate::lower::{BuildError, LowerError, lower};
use walk::Walk;

/// Why a network has no model at a precision.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error(transparent)]
    Precision(#[from] PrecisionError),
    /// A weight that the precision cannot hold.
    #[error("node `{node}`: {reason}")]
    Node { node: String, reason: String },
}

/// How the layers of one tensor of the network compute.
#[derive(Debug, Clone, Copy)]
struct Rule {
    format: Format,
    stored: bool,
    /// Whether the layer multiplies by a constant kernel.
    kernel: bool,
    /// One INT8 step of the tensor.
    scale: Option<f32>,
}

/// The model of `graph` in FP16 or INT8.
pub(super) fn model(graph: &Graph, numerics: &Numerics) -> Result<proto::Model, ModelError> {
    let graph = folded(graph);
    let rules = rules(&graph, numerics)?;
    let mut builder = OnnxBuilder::default();
    lower(&graph, &mut builder)?;
    let (mut model, layers) = builder.finish(&graph.name);
    if let Some(network) = model.graph.take() {
        model.graph = Some(Walk::new(network, rules).run(&layers)?);
    }
    Ok(model)
}

/// By the tensor's name. Where FP16 networks have two tensors of one name, both are stored when one is.
fn rules(graph: &Graph, numerics: &Numerics) -> Result<HashMap<String, Rule>, ModelError> {
    let formats = assign(graph, numerics)?;
    let stored = stored(graph);
    let mut rules: HashMap<String, Rule> = HashMap::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        let name = &graph.tensor(node.output).name;
        let rule = rules.entry(name.clone()).or_insert(Rule {
            format: formats[at],
            stored: stored[at],
            kernel: has_kernel(graph, &graph.nodes[head(graph, &stored, at)]),
            scale: numerics.ranges.scale(name),
        });
        rule.stored |= stored[at];
    }
    for id in &graph.inputs {
        let name = &graph.tensor(*id).name;
        rules.insert(
            name.clone(),
            Rule {
                format: Format::F32,
                stored: true,
                kernel: false,
                scale: numerics.ranges.scale(name),
            },
        );
    }
    Ok(rules)
}

impl ModelError {
    fn at(tensor: &str, error: BuildError) -> ModelError {
        ModelError::Node {
            node: tensor.to_string(),
            reason: error.0,
        }
    }
}

type Rewritten<T> = Result<T, BuildError>;
