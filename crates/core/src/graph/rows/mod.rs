//! The rows of a batch: followed through the network from axis 0 of its inputs to its outputs.
//!
//! A network whose rows stay apart can be computed for any number of them. The proof is one of places: it says for every
//! tensor where the rows lie in it, and every operator keeps them apart there.

mod batch;
mod follow;
mod join;
mod place;
mod step;
#[cfg(test)]
mod tests;

pub use place::Place;

use super::{Graph, GraphError, TensorId};
use follow::follow;

/// The shape of what a network takes or gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowShape {
    /// Dimensions of one row.
    pub row: Vec<usize>,
    /// Whether rows have the first dimension to themselves.
    pub batched: bool,
    /// For the rows that the network was compiled for.
    compiled: Vec<usize>,
    rows: usize,
}

impl RowShape {
    /// Of a tensor whose first dimension is its rows.
    pub fn leading(shape: &[usize]) -> RowShape {
        RowShape {
            row: shape.get(1..).unwrap_or_default().to_vec(),
            batched: true,
            compiled: shape.to_vec(),
            rows: shape.first().copied().unwrap_or(1),
        }
    }

    /// As compiled for the rows it was compiled for; otherwise rows lie along the first axis, which a tensor that has none
    /// for them is given.
    pub fn of(&self, rows: usize) -> Vec<usize> {
        match rows == self.rows {
            true => self.compiled.clone(),
            false => std::iter::once(rows).chain(self.row.clone()).collect(),
        }
    }

    /// The rows in an array of this shape, if it can be one.
    pub fn rows(&self, shape: &[usize]) -> Option<usize> {
        match shape.split_first() {
            Some((rows, rest)) if *rest == self.row && shape.len() > self.row.len() => Some(*rows),
            _ => (shape == self.compiled).then_some(self.rows),
        }
    }
}

impl Graph {
    /// Rows of one execution as compiled: what every input has as its first dimension, and every output, or else one: the
    /// network as a whole.
    pub fn batch(&self) -> usize {
        self.rows().unwrap_or(1)
    }

    /// The rows that inputs and outputs have; `None` where the network is one row as a whole.
    pub fn rows(&self) -> Option<usize> {
        let rows = self.leading()?;
        let first = |id: &TensorId| self.tensor(*id).shape.first() == Some(&rows);
        let all = self.outputs.iter().all(first);
        if rows == 1 && all {
            return Some(1);
        }
        match follow(self) {
            Ok(found) => found.scattered(self).is_none().then_some(rows),
            Err(GraphError::NoBatch { .. }) => None,
            Err(_) => all.then_some(rows),
        }
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
                    Some(place) => format!("holds its rows along axis {}", place.axis),
                    None => "is the same for all rows".to_string(),
                },
            }),
        }
    }

    /// The shapes of these inputs or outputs of the network by rows.
    pub fn row_shapes(&self, ids: &[TensorId]) -> Vec<RowShape> {
        let (rows, places) = (self.rows(), follow(self).ok().map(|found| found.places));
        let shape = |id: &TensorId| {
            let compiled = self.tensor(*id).shape.clone();
            let place = places.as_ref().and_then(|places| places[id.0 as usize]);
            row_shape(compiled, rows, place)
        };
        ids.iter().map(shape).collect()
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

fn row_shape(compiled: Vec<usize>, rows: Option<usize>, place: Option<Place>) -> RowShape {
    let count = rows.unwrap_or(1);
    let own = match (rows, place) {
        (Some(_), Some(place)) => place.alone() && place.axis == 0,
        (Some(_), None) => compiled.first() == Some(&count),
        (None, _) => compiled.first() == Some(&1),
    };
    let row = match place.filter(|place| !own && place.leads(&compiled)) {
        _ if own => compiled[1..].to_vec(),
        Some(place) => place.resized(&compiled, 1),
        None => compiled.clone(),
    };
    RowShape {
        row,
        batched: own,
        compiled,
        rows: count,
    }
}
