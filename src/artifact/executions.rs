//! Models whose network has not the rows of the model: they run in whole executions, whatever the network's own rows do.

use super::around::Around;
use super::error::ArtifactError;
use crate::bundle::Origin;
use crate::engine::Array;
use crate::graph::Graph;
use crate::plan::counted;

/// A model goes through executions of as many rows as it was compiled for.
pub struct Execution {
    pub rows: usize,
    /// Why rows cannot go one by one.
    pub reason: String,
}

impl Around {
    /// How rows go through a model with a network of `network` rows, where they do so only in whole executions.
    pub fn by_execution(&self, network: usize) -> Option<Execution> {
        let rows = self.compiled();
        let other = || {
            (network != rows).then(|| {
                format!(
                    "its network takes {} at a time, the model {rows}",
                    counted(network, "row")
                )
            })
        };
        let reason = self.not_by_row().or_else(other)?;
        Some(Execution { rows, reason })
    }

    /// The inputs of the network `graph` for these of the model.
    ///
    /// # Errors
    /// [`ArtifactError::Input`] naming an input that is not what the model takes; [`ArtifactError::Executions`] for rows
    /// that are no number of executions where they go only as such; TVM's own errors.
    pub fn enter(
        &self,
        inputs: &[Array],
        origin: Option<&Origin>,
        graph: &Graph,
    ) -> Result<Vec<Array>, ArtifactError> {
        let network = graph.batch();
        let Some(Execution { rows, reason }) = self.by_execution(network) else {
            return self.enter_rows(inputs, origin);
        };
        let first = inputs.first().and_then(|array| array.shape.first());
        let given = first.copied().unwrap_or(rows);
        if !given.is_multiple_of(rows) {
            return Err(ArtifactError::Executions {
                compiled: rows,
                rows: given,
                reason,
            });
        }
        let mut entered = self.enter_rows(inputs, origin)?;
        let shapes = graph.row_shapes(&graph.inputs);
        for (at, (array, shape)) in entered.iter_mut().zip(shapes).enumerate() {
            let shape = shape.of(given / rows * network);
            let port = Origin::input(origin, at);
            array.shape = match port.axes {
                Some(_) => port.declared(&shape),
                None => shape,
            };
        }
        Ok(entered)
    }
}
