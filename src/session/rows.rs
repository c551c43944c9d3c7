//! Batches as rows and rows as batches, for items of a stream.

use std::sync::Arc;

use super::{Session, SessionError, inputs};
use crate::artifact::{Around, Element};
use crate::engine::{Array, Rows};

impl Session {
    /// Rows of an item in a stream: one, unless rows are computed only in executions as compiled.
    pub fn item_rows(&self) -> usize {
        match self.by_execution() {
            Some(execution) => execution.rows,
            None => self.network_rows(),
        }
    }

    /// The network's own rows in an item of a stream.
    pub(super) fn network_rows(&self) -> usize {
        let fixed = self.fixed.is_some() || self.longest().fixed();
        if fixed || self.by_execution().is_some() {
            self.alone.unit
        } else {
            1
        }
    }

    /// A batch as the items of a stream: of every input of the network, [`Session::item_rows`] rows each. Nothing is copied,
    /// unless axes come in the model's order and the network has another; which order an array is in is told as in
    /// [`Session::run`].
    ///
    /// # Errors
    /// Inputs that are not what the model takes, or rows that are no number of items, as [`Session::run`] says them.
    pub fn rows(&self, batch: &[Array]) -> Result<Vec<Vec<Rows>>, SessionError> {
        let entered = self.entered(batch)?;
        let (rows, batch) = inputs::check(&self.graph, self.origin(), &entered)?;
        self.whole_units(rows)?;
        let unit = self.network_rows();
        let row = |array: &Array, at: usize| {
            let len = array.data.len() / rows * unit;
            Rows {
                data: array.data.clone(),
                offset: at * len,
                len,
            }
        };
        let item = |at: usize| batch.iter().map(|array| row(array, at)).collect();
        Ok((0..rows / unit).map(item).collect())
    }

    /// Answers of a stream as a batch in the order given: per output of the model, the rows one after the other, in its
    /// order of axes. `inputs` are the model's of the same rows, which only a model needs that
    /// [`takes its inputs again`](Session::needs_inputs_again).
    ///
    /// # Errors
    /// A model whose outputs need its inputs again where there are none; what TVM computes behind the network fails.
    pub fn batch(&self, inputs: &[Array], answers: &[Vec<Rows>]) -> Result<Vec<Array>, SessionError> {
        let outputs = self.network_batch(answers);
        match &self.around {
            Some(around) => {
                let rows = answers.len() * self.item_rows();
                Ok(self.leave(around, inputs, &outputs, rows)?)
            }
            None => Ok(outputs),
        }
    }

    /// Whether outputs of the model need its inputs once more, behind the network.
    pub fn needs_inputs_again(&self) -> bool {
        self.around().is_some_and(Around::needs_inputs_again)
    }

    fn network_batch(&self, answers: &[Vec<Rows>]) -> Vec<Array> {
        let outputs = self.alone.route.outputs.iter().enumerate();
        let outputs = outputs
            .map(|(at, output)| {
                let rows = answers.iter().map(|answer| answer[at].as_slice());
                Array {
                    data: Arc::new(rows.collect::<Vec<_>>().concat()),
                    shape: output.shape.of(answers.len() * self.network_rows()),
                }
            })
            .collect();
        inputs::returned(self.origin(), outputs)
    }

    /// The types in which callers hold the outputs.
    pub fn output_types(&self) -> Vec<Element> {
        let outputs = self.outputs().into_iter();
        outputs.map(|end| end.dtype).collect()
    }

    /// The shape of every input for `rows` rows.
    pub fn input_shapes(&self, rows: usize) -> Vec<Vec<usize>> {
        let shapes = self.graph.row_shapes(&self.graph.inputs);
        shapes.iter().map(|shape| shape.of(rows)).collect()
    }
}
