//! Batches as rows and rows as batches, for items of a stream.

use std::sync::Arc;

use super::{inputs, Session, SessionError};
use crate::engine::{Array, Rows};
use crate::graph::TensorId;

impl Session {
    /// A batch as the items of a stream: per row, one row of every input. Nothing is copied, unless axes come in the
    /// model's order and the network has another; which order an array is in is told as in [`Session::run`].
    ///
    /// # Errors
    /// Inputs that are not what the network takes, as [`Session::run`] says them.
    pub fn rows(&self, batch: &[Array]) -> Result<Vec<Vec<Rows>>, SessionError> {
        let (rows, batch) = inputs::check(&self.graph, self.origin(), batch)?;
        let row = |array: &Array, at: usize| {
            let len = array.data.len() / rows;
            Rows {
                data: array.data.clone(),
                offset: at * len,
                len,
            }
        };
        let item = |at: usize| batch.iter().map(|array| row(array, at)).collect();
        Ok((0..rows).map(item).collect())
    }

    /// Answers of a stream as a batch in the order given: per output, the rows one after the other, with the model's order
    /// of axes.
    pub fn batch(&self, answers: &[Vec<Rows>]) -> Vec<Array> {
        let outputs = self.graph.outputs.iter().enumerate();
        let outputs = outputs
            .map(|(at, id)| {
                let mut data = Vec::with_capacity(answers.len() * self.row_len(*id));
                for answer in answers {
                    data.extend_from_slice(answer[at].as_slice());
                }
                let mut shape = self.graph.tensor(*id).shape.clone();
                shape[0] = answers.len();
                Array {
                    shape,
                    data: Arc::new(data),
                }
            })
            .collect();
        inputs::returned(self.origin(), outputs)
    }

    fn row_len(&self, id: TensorId) -> usize {
        let shape = &self.graph.tensor(id).shape;
        shape.iter().skip(1).product()
    }
}
