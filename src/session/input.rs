//! Checks a batch against the network's inputs.

use super::SessionError;
use crate::engine::Array;
use crate::graph::Graph;

/// Rows of the batch, when every input fits.
pub fn batch(graph: &Graph, inputs: &[Array]) -> Result<usize, SessionError> {
    let tensors: Vec<_> = graph.inputs.iter().map(|id| graph.tensor(*id)).collect();
    if inputs.len() != tensors.len() {
        return Err(SessionError::InputCount {
            given: inputs.len(),
            names: tensors.iter().map(|t| t.name.clone()).collect(),
        });
    }
    let rows = inputs[0].shape.first().copied().unwrap_or(0);
    for (array, tensor) in inputs.iter().zip(tensors) {
        let name = tensor.name.clone();
        let given = array.shape.clone();
        if given.len() != tensor.shape.len() || given[1..] != tensor.shape[1..] {
            let rest: Vec<String> = tensor.shape[1..].iter().map(usize::to_string).collect();
            let want = format!("[rows, {}]", rest.join(", "));
            return Err(SessionError::InputShape { name, given, want });
        }
        if given[0] != rows {
            return Err(SessionError::InputRows {
                name,
                given: given[0],
                rows,
            });
        }
        if given.iter().product::<usize>() != array.data.len() {
            return Err(SessionError::InputData {
                name,
                elements: array.data.len(),
                shape: given,
            });
        }
    }
    match rows {
        0 => Err(SessionError::NoRows),
        rows => Ok(rows),
    }
}
