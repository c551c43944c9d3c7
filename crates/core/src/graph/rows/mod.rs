//! The rows of a batch: followed through the network from axis 0 of its inputs to its outputs.
//!
//! A network whose rows stay apart can be computed for any number of them. The proof is one of places: it says for every
//! tensor where the rows lie in it, and every operator keeps them apart there.

mod batch;
mod follow;
mod join;
mod located;
mod place;
mod shape;
mod step;
#[cfg(test)]
mod tests;

pub use place::Place;
pub use shape::RowShape;

use super::{Graph, GraphError, TensorId};
use follow::follow;
use located::{Located, is_batch, located};

impl Graph {
    /// Rows of one execution as compiled: what every input has as its first dimension, or one: the network as a whole.
    pub fn batch(&self) -> usize {
        self.rows().unwrap_or(1)
    }

    /// The rows that inputs have; `None` where the network is one row as a whole. The first dimension of the inputs is their
    /// rows where all outputs hold them, apart or not, or where an operator has it for its batch.
    pub fn rows(&self) -> Option<usize> {
        let rows = self.leading()?;
        let first = |id: &TensorId| self.tensor(*id).shape.first() == Some(&rows);
        let all = self.outputs.iter().all(first);
        if rows == 1 && all {
            return Some(1);
        }
        let held = match follow(self) {
            Ok(found) => found.scattered(self).is_none(),
            Err(GraphError::NoBatch { .. }) => return None,
            Err(_) => all,
        };
        (held || is_batch(self, rows)).then_some(rows)
    }

    /// Checks that every output holds its rows one after the other, each independent of the others.
    ///
    /// # Errors
    /// [`GraphError`] names the operator that mixes rows, or the output that holds them elsewhere.
    pub fn apart(&self) -> Result<(), GraphError> {
        let found = follow(self)?;
        match found.scattered(self) {
            None => Ok(()),
            Some(id) => Err(GraphError::Output {
                output: self.tensor(id).name.clone(),
                reason: match found.places[id.0 as usize] {
                    Some(place) if place.alone() => {
                        format!("holds its rows along axis {}", place.axis)
                    }
                    Some(place) => {
                        format!("holds parts of every row apart along axis {}", place.axis)
                    }
                    None => "is the same for all rows".to_string(),
                },
            }),
        }
    }

    /// The shapes of these inputs or outputs of the network by rows.
    pub fn row_shapes(&self, ids: &[TensorId]) -> Vec<RowShape> {
        let shape = |id: &TensorId| &self.tensor(*id).shape;
        let Some(rows) = self.rows() else {
            let whole = |id| RowShape::located(shape(id), 1, Located::Nowhere);
            return ids.iter().map(whole).collect();
        };
        let places = located(self, rows);
        let by_rows = |id: &TensorId| RowShape::located(shape(id), rows, places[id.0 as usize]);
        ids.iter().map(by_rows).collect()
    }

    /// What every input has as its first dimension.
    fn leading(&self) -> Option<usize> {
        let mut rows = self
            .inputs
            .iter()
            .map(|id| self.tensor(*id).shape.first().copied());
        let first = rows.next().flatten()?;
        rows.all(|other| other == Some(first)).then_some(first)
    }
}
