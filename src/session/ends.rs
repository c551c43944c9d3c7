//! The model's inputs and outputs, where TVM computes something around the network or an output is not the network's.

use std::borrow::Cow;

use super::{Outcome, Session, SessionError};
use crate::artifact::{Around, ArtifactError, Element, Execution, Source};
use crate::bundle::{Origin, Port};
use crate::engine::Array;
use crate::graph::{RowShape, TensorId};

/// A tensor that the model takes or gives.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    pub name: String,
    /// As compiled, in the model's own order of axes.
    pub shape: Vec<usize>,
    /// How it is passed; an output is always given as float32, in the model's order.
    pub port: Port,
    /// One row, in the network's order of axes.
    pub rows: RowShape,
    /// As the model declares it; a quantised model's tensors are real numbers here.
    pub dtype: Element,
    /// Whether it is the same for every batch.
    pub constant: bool,
}

impl Session {
    /// The same session for the whole model.
    #[must_use]
    pub fn within(self, around: Option<Around>) -> Session {
        Session { around, ..self }
    }

    /// What stands around the network, if anything does.
    pub fn around(&self) -> Option<&Around> {
        self.around.as_ref()
    }

    /// What the model takes, in order.
    pub fn inputs(&self) -> Vec<End> {
        match &self.around {
            None => {
                let ids = self.graph.inputs.iter().enumerate();
                let origin = self.origin();
                let end = |(at, id): (usize, &TensorId)| {
                    let port = Origin::input(origin, at);
                    self.own_end(*id, port, port.clone())
                };
                ids.map(end).collect()
            }
            Some(around) => {
                let inputs = around.inputs(self.origin()).into_iter();
                let rows = around.compiled();
                inputs
                    .map(|(declared, port)| End {
                        dtype: declared.passed_as(&port),
                        name: declared.name,
                        rows: RowShape::declared(&port.of_network(&declared.shape), rows),
                        shape: declared.shape,
                        port,
                        constant: false,
                    })
                    .collect()
            }
        }
    }

    /// What the model gives, in order.
    pub fn outputs(&self) -> Vec<End> {
        let origin = self.origin();
        let own = |at: usize| {
            let port = Origin::output(origin, at);
            self.own_end(self.graph.outputs[at], port, Port::PLAIN)
        };
        match &self.around {
            None => (0..self.graph.outputs.len()).map(own).collect(),
            Some(around) => {
                let placed = around.outputs().iter();
                let (rows, by_row) = (around.compiled(), self.by_execution().is_none());
                placed
                    .map(|placed| match placed.source {
                        Source::Network(at) if by_row => End {
                            name: placed.declared.name.clone(),
                            ..own(at)
                        },
                        _ => End {
                            name: placed.declared.name.clone(),
                            rows: RowShape::declared(&placed.declared.shape, rows),
                            dtype: placed.declared.element(),
                            shape: placed.declared.shape.clone(),
                            port: Port::PLAIN,
                            constant: matches!(placed.source, Source::Constant(_)),
                        },
                    })
                    .collect()
            }
        }
    }

    /// A tensor of the network, which the model declares as `declared` says.
    fn own_end(&self, id: TensorId, declared: &Port, port: Port) -> End {
        let tensor = self.graph.tensor(id);
        End {
            name: tensor.name.clone(),
            shape: declared.declared(&tensor.shape),
            rows: self.graph.row_shapes(&[id]).remove(0),
            dtype: tensor.dtype.into(),
            port,
            constant: false,
        }
    }

    /// Runs the network as `run` says, on what the model's inputs become, and gives the model's outputs. The time is the
    /// network's.
    pub(super) fn through(
        &self,
        inputs: &[Array],
        run: impl FnOnce(&[Array]) -> Result<Outcome, SessionError>,
    ) -> Result<Outcome, SessionError> {
        let Some(around) = &self.around else {
            return run(inputs);
        };
        let mut outcome = run(&self.entered(inputs)?)?;
        outcome.outputs = self.leave(around, inputs, &outcome.outputs, rows(inputs))?;
        Ok(outcome)
    }

    pub(super) fn leave(
        &self,
        around: &Around,
        inputs: &[Array],
        outputs: &[Array],
        rows: usize,
    ) -> Result<Vec<Array>, ArtifactError> {
        let by_execution = self.by_execution().is_some();
        let mut left = around.leave(inputs, outputs, rows, self.origin())?;
        for (array, placed) in left.iter_mut().zip(around.outputs()) {
            if by_execution && matches!(placed.source, Source::Network(_)) {
                let shape = RowShape::declared(&placed.declared.shape, around.compiled());
                array.shape = shape.of(rows);
            }
        }
        Ok(left)
    }

    /// What enters the network for these inputs of the model.
    pub(super) fn entered<'a>(&self, inputs: &'a [Array]) -> Result<Cow<'a, [Array]>, ArtifactError> {
        match &self.around {
            None => Ok(Cow::Borrowed(inputs)),
            Some(around) => Ok(Cow::Owned(around.enter(inputs, self.origin(), &self.graph)?)),
        }
    }

    /// How rows go through the model where they do so only in whole executions of it, whatever its network's own do.
    pub(super) fn by_execution(&self) -> Option<Execution> {
        self.around.as_ref()?.by_execution(self.alone.unit)
    }
}

fn rows(inputs: &[Array]) -> usize {
    let first = inputs.first().and_then(|array| array.shape.first());
    first.copied().unwrap_or(1)
}
