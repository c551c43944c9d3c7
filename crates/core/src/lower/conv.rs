//! Convolution, deconvolution and matrix products.

use super::{
    Convolution, Deconvolution, FullyConnected, Geometry, LowerError, Lowering, MatrixMultiply, Shuffle,
    Value, Weights,
};
use crate::graph::{Conv2d, ConvNd, DeconvNd, Node, Pad};

impl Lowering<'_> {
    pub(super) fn conv2d(&mut self, index: usize, node: &Node, conv: &Conv2d) -> Result<Value, LowerError> {
        let (source, extra) = self.fusions.source(node.inputs[0]);
        let kernel = self.weights(&node.name, node.inputs[1])?;
        let x = self.value(&node.name, source)?;
        self.convolution(index, node, x, kernel, Geometry::from(conv).padded(extra))
    }

    pub(super) fn conv3d(
        &mut self,
        index: usize,
        node: &Node,
        conv: &ConvNd<3>,
    ) -> Result<Value, LowerError> {
        let kernel = self.weights(&node.name, node.inputs[1])?;
        let x = self.operand(node, 0)?;
        self.convolution(index, node, x, kernel, Geometry::from(conv))
    }

    /// No layer has one map axis: a second one of length one is put behind it, and taken away again.
    pub(super) fn conv1d(
        &mut self,
        index: usize,
        node: &Node,
        conv: &ConvNd<1>,
    ) -> Result<Value, LowerError> {
        let with_unit_axis = |shape: &[usize]| [shape, &[1]].concat();
        let kernel = self.weights(&node.name, node.inputs[1])?;
        let kernel = kernel.reshaped(with_unit_axis(&kernel.shape));
        let wide = with_unit_axis(self.shape(node.inputs[0]));
        let x = self.operand(node, 0)?;
        let x = self.reshaped(node, x, wide)?;
        let geometry = Geometry::from(conv).with_unit_axis();
        let y = self.convolution(index, node, x, kernel, geometry)?;
        self.reshaped(node, y, self.shape(node.output).to_vec())
    }

    fn convolution(
        &mut self,
        index: usize,
        node: &Node,
        x: Value,
        kernel: Weights,
        geometry: Geometry,
    ) -> Result<Value, LowerError> {
        let layer = Convolution {
            kernel,
            bias: self.fusions.shift(index).cloned(),
            geometry,
        };
        self.builder
            .convolution(&node.name, x, &layer)
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn deconv<const N: usize>(
        &mut self,
        index: usize,
        node: &Node,
        deconv: &DeconvNd<N>,
    ) -> Result<Value, LowerError> {
        let layer = Deconvolution {
            kernel: self.weights(&node.name, node.inputs[1])?,
            bias: self.fusions.shift(index).cloned(),
            geometry: Geometry::from(deconv),
        };
        let x = self.operand(node, 0)?;
        let y = self
            .builder
            .deconvolution(&node.name, x, &layer)
            .map_err(|e| e.at(&node.name))?;
        let overhang = deconv.overhang();
        if overhang == [0; N] {
            return Ok(y);
        }
        let pad = Pad {
            before: vec![0; 2 + N],
            after: [&[0, 0], &overhang[..]].concat(),
            value: 0.0,
        };
        self.builder
            .padding(&node.name, y, &pad)
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn batch_matmul(&mut self, node: &Node, layer: &MatrixMultiply) -> Result<Value, LowerError> {
        let (a, b) = (self.operand(node, 0)?, self.operand(node, 1)?);
        self.builder
            .matrix_multiply(&node.name, a, b, layer)
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn dense(&mut self, index: usize, node: &Node) -> Result<Value, LowerError> {
        let shape = self.shape(node.inputs[0]).to_vec();
        let x = self.operand(node, 0)?;
        let (rows, inputs) = (shape[..shape.len() - 1].iter().product(), shape[shape.len() - 1]);
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

    pub(super) fn reshaped(&mut self, node: &Node, x: Value, shape: Vec<usize>) -> Result<Value, LowerError> {
        let layer = Shuffle {
            permutation: None,
            shape: Some(shape),
        };
        self.builder
            .shuffle(&node.name, x, &layer)
            .map_err(|e| e.at(&node.name))
    }
}
