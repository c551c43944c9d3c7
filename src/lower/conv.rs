//! Convolution and dense layers.

use super::{Convolution, FullyConnected, LowerError, Lowering, Shuffle, Value, Weights};
use crate::graph::{Conv2d, Node, Padding2d};

impl Lowering<'_> {
    pub(super) fn conv2d(
        &mut self,
        index: usize,
        node: &Node,
        conv: &Conv2d,
    ) -> Result<Value, LowerError> {
        let (source, extra) = self.fusions.source(node.inputs[0]);
        let layer = Convolution {
            kernel: self.weights(&node.name, node.inputs[1])?,
            bias: self.fusions.shift(index).cloned(),
            geometry: Conv2d {
                padding: sum(conv.padding, extra),
                ..conv.clone()
            },
        };
        let x = self.value(&node.name, source)?;
        self.builder
            .convolution(&node.name, x, &layer)
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn dense(&mut self, index: usize, node: &Node) -> Result<Value, LowerError> {
        let shape = self.shape(node.inputs[0]).to_vec();
        let x = self.operand(node, 0)?;
        let (rows, inputs) = (
            shape[..shape.len() - 1].iter().product(),
            shape[shape.len() - 1],
        );
        let x = match shape.len() {
            2 => x,
            _ => self.reshaped(node, x, vec![rows, inputs])?,
        };
        let value = match self.graph.tensor(node.inputs[1]).weight {
            Some(_) => {
                let kernel = self.weights(&node.name, node.inputs[1])?;
                let bias = self.fusions.shift(index).cloned();
                self.fully_connected(node, x, kernel, bias)?
            }
            None => {
                let kernel = self.operand(node, 1)?;
                self.builder
                    .matrix_multiply_transposed(&node.name, x, kernel)
                    .map_err(|e| e.at(&node.name))?
            }
        };
        match shape.len() {
            2 => Ok(value),
            _ => self.reshaped(node, value, self.shape(node.output).to_vec()),
        }
    }

    fn fully_connected(
        &mut self,
        node: &Node,
        x: Value,
        kernel: Weights,
        bias: Option<Weights>,
    ) -> Result<Value, LowerError> {
        self.builder
            .fully_connected(&node.name, x, &FullyConnected { kernel, bias })
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn reshaped(
        &mut self,
        node: &Node,
        x: Value,
        shape: Vec<usize>,
    ) -> Result<Value, LowerError> {
        let layer = Shuffle {
            permutation: None,
            shape: Some(shape),
        };
        self.builder
            .shuffle(&node.name, x, &layer)
            .map_err(|e| e.at(&node.name))
    }
}

fn sum(a: Padding2d, b: Padding2d) -> Padding2d {
    Padding2d {
        top: a.top + b.top,
        left: a.left + b.left,
        bottom: a.bottom + b.bottom,
        right: a.right + b.right,
    }
}
