//! Weights that FP16 cannot hold.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::Numerics;
use crate::engine::precision::{Format, PrecisionError, assign, folded};
use crate::graph::{DType, Graph, TensorId};

/// The largest number of FP16.
const MOST: f32 = 65504.0;

/// `graph` with the weights that it computes with in FP16 within FP16, as TensorRT takes them: the nearest finite value. With
/// it the nodes that lose by that; `None` where none does.
///
/// # Errors
/// As [`assign`].
pub(super) fn clamped(
    graph: &Graph,
    numerics: &Numerics,
) -> Result<Option<(Graph, Vec<String>)>, PrecisionError> {
    let mut graph = folded(graph);
    let formats = assign(&graph, numerics)?;
    let (mut nodes, mut weights) = (Vec::new(), BTreeSet::new());
    for (node, format) in graph.nodes.iter().zip(formats) {
        let inputs = node.inputs.iter().copied();
        let large: Vec<TensorId> = inputs.filter(|id| is_beyond(&graph, *id)).collect();
        if matches!(format, Format::F16(_)) && !large.is_empty() {
            nodes.push(node.name.clone());
            weights.extend(large);
        }
    }
    for id in &weights {
        let tensor = &mut graph.tensors[id.0 as usize];
        let bytes = tensor.weight.as_deref().map_or(&[][..], Vec::as_slice);
        let within = |value: f32| value.clamp(-MOST, MOST).to_le_bytes();
        tensor.weight = Some(Arc::new(floats(bytes).flat_map(within).collect()));
    }
    Ok((!nodes.is_empty()).then_some((graph, nodes)))
}

/// Whether a weight has a finite value that rounds to infinity in FP16. Scalars are parameters of their layer, in float32.
fn is_beyond(graph: &Graph, id: TensorId) -> bool {
    let tensor = graph.tensor(id);
    let Some(bytes) = tensor.weight.as_deref() else {
        return false;
    };
    let lost = |value: f32| value.is_finite() && !half::f16::from_f32(value).is_finite();
    tensor.dtype == DType::F32 && !tensor.shape.is_empty() && floats(bytes).any(lost)
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    let values = bytes.chunks_exact(4);
    values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}
