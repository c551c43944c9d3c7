//! Layers that move elements.

use super::{LowerError, Lowering, Resize, Shuffle, Slice, Value};
use crate::graph::{Node, Pad, Range, Resize2d};

impl Lowering<'_> {
    pub(super) fn reshape(&mut self, node: &Node) -> Result<Value, LowerError> {
        let x = self.operand(node, 0)?;
        self.reshaped(node, x, self.shape(node.output).to_vec())
    }

    pub(super) fn transpose(&mut self, node: &Node, axes: &[usize]) -> Result<Value, LowerError> {
        let layer = Shuffle {
            permutation: Some(axes.to_vec()),
            shape: None,
        };
        let x = self.operand(node, 0)?;
        self.builder
            .shuffle(&node.name, x, &layer)
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn concat(&mut self, node: &Node, axis: usize) -> Result<Value, LowerError> {
        let mut values = Vec::with_capacity(node.inputs.len());
        for index in 0..node.inputs.len() {
            values.push(self.operand(node, index)?);
        }
        self.builder
            .concatenation(&node.name, &values, axis)
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn pad(&mut self, node: &Node, pad: &Pad) -> Result<Value, LowerError> {
        let x = self.operand(node, 0)?;
        self.builder
            .padding(&node.name, x, pad)
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn slice(&mut self, node: &Node, ranges: &[Range]) -> Result<Value, LowerError> {
        let layer = Slice {
            ranges: ranges.to_vec(),
            shape: self.shape(node.output).to_vec(),
        };
        let x = self.operand(node, 0)?;
        self.builder
            .slice(&node.name, x, &layer)
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn resize(&mut self, node: &Node, resize: &Resize2d) -> Result<Value, LowerError> {
        let layer = Resize {
            resize: *resize,
            input: self.shape(node.inputs[0]).to_vec(),
            shape: self.shape(node.output).to_vec(),
        };
        let x = self.operand(node, 0)?;
        self.builder
            .resize(&node.name, x, &layer)
            .map_err(|e| e.at(&node.name))
    }
}
