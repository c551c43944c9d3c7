//! The same network for another number of rows.

use std::sync::Arc;

use super::follow::{RowPlaces, follow};
use super::place::Place;
use crate::graph::{Graph, GraphError, Op, Tensor, TensorId};

impl Graph {
    /// The same network for `batch` rows. Weights are shared, except those that every row needs for itself.
    ///
    /// # Errors
    /// [`GraphError`] when rows cannot be proved to be apart: it names the operator.
    pub fn with_batch(&self, batch: usize) -> Result<Graph, GraphError> {
        let found = match follow(self) {
            Err(_) if batch == self.batch() => return Ok(self.clone()),
            found => found?,
        };
        if batch == found.rows {
            return Ok(self.clone());
        }
        let mut graph = self.clone();
        for id in &self.inputs {
            graph.tensors[id.0 as usize].shape[0] = batch;
        }
        for index in 0..graph.nodes.len() {
            for (operand, place) in &found.repeated[index] {
                let id = repeated(
                    &mut graph,
                    self.nodes[index].inputs[*operand],
                    *place,
                    batch,
                    &found,
                );
                graph.nodes[index].inputs[*operand] = id;
            }
            resize(&mut graph, index, batch, &found)?;
        }
        Ok(graph)
    }
}

/// Gives the result of node `index` its rows; dimensions that a reshape names follow.
fn resize(graph: &mut Graph, index: usize, batch: usize, found: &RowPlaces) -> Result<(), GraphError> {
    let output = graph.nodes[index].output.0 as usize;
    let old = &graph.tensors[output].shape;
    let want = match found.places[output] {
        Some(place) => place.resized(old, batch),
        None => old.clone(),
    };
    let moves = matches!(
        graph.nodes[index].op,
        Op::Flatten | Op::Reshape { .. } | Op::Squeeze { .. }
    );
    let inferred = graph.infer_node(&graph.nodes[index]);
    if moves && inferred.as_ref().ok() != Some(&want) {
        let dims = want.iter().map(|d| *d as i64).collect();
        graph.nodes[index].op = Op::Reshape { dims };
    } else if inferred? != want {
        let node = &graph.nodes[index];
        return Err(GraphError::NotRowIndependent {
            node: node.name.clone(),
            op: node.op.name(),
            reason: format!("its output is not {want:?} for {batch} rows"),
        });
    }
    graph.tensors[output].shape = want;
    Ok(())
}

/// A weight with the elements of one row for each of `batch` rows.
fn repeated(graph: &mut Graph, id: TensorId, place: Place, batch: usize, found: &RowPlaces) -> TensorId {
    let tensor = graph.tensor(id).clone();
    let row = place.after(&tensor.shape) * tensor.dtype.size();
    let data = tensor.weight.iter().flat_map(|data| {
        let groups = data.chunks_exact(row * found.rows);
        groups.flat_map(|group| group[..row].repeat(batch))
    });
    let repeated = Tensor {
        weight: Some(Arc::new(data.collect())),
        shape: place.resized(&tensor.shape, batch),
        ..tensor
    };
    graph.tensors.push(repeated);
    TensorId(graph.tensors.len() as u32 - 1)
}
