//! Normalisations, as scales and element-wise layers.

use super::{LowerError, Lowering, Reduction, Value, Weights};
use crate::graph::{BinaryKind, Node, ReduceKind, UnaryKind};

impl Lowering<'_> {
    /// Inference-time normalisation is one scale and one shift per channel.
    pub(super) fn batch_norm(&mut self, node: &Node, epsilon: f32, axis: usize) -> Result<Value, LowerError> {
        let mut operands = Vec::with_capacity(4);
        for id in &node.inputs[1..] {
            operands.push(self.weights(&node.name, *id)?.values());
        }
        let [gamma, beta, mean, variance] = &operands[..] else {
            unreachable!("validation counts the operands")
        };
        let factor = |c: usize| f64::from(gamma[c]) / f64::from(variance[c] + epsilon).sqrt();
        let channels = gamma.len();
        let scale: Vec<f32> = (0..channels).map(|c| factor(c) as f32).collect();
        let shift: Vec<f32> = (0..channels)
            .map(|c| (f64::from(beta[c]) - f64::from(mean[c]) * factor(c)) as f32)
            .collect();
        let scale = Weights::from_values(&[channels], &scale);
        let shift = Weights::from_values(&[channels], &shift);
        if axis == 1 {
            return self.scale(node, node.inputs[0], Some(scale), Some(shift));
        }
        let rank = self.shape(node.output).len();
        let x = self.operand(node, 0)?;
        let scaled = self.with_constant(node, BinaryKind::Mul, x, &scale.along(axis, rank))?;
        self.with_constant(node, BinaryKind::Add, scaled, &shift.along(axis, rank))
    }

    /// `(x - mean) / sqrt(variance + epsilon) * gamma + beta` along one axis, from layers that every TensorRT has.
    pub(super) fn layer_norm(&mut self, node: &Node, epsilon: f32, axis: usize) -> Result<Value, LowerError> {
        let rank = self.shape(node.output).len();
        let gamma = self.weights(&node.name, node.inputs[1])?.along(axis, rank);
        let beta = self.weights(&node.name, node.inputs[2])?.along(axis, rank);
        let epsilon = Weights::from_values(&vec![1; rank], &[epsilon]);
        let x = self.operand(node, 0)?;
        let mean = self.mean_along(node, x, axis)?;
        let centred = self.elementwise(node, BinaryKind::Sub, x, mean)?;
        let squares = self.elementwise(node, BinaryKind::Mul, centred, centred)?;
        let variance = self.mean_along(node, squares, axis)?;
        let variance = self.with_constant(node, BinaryKind::Add, variance, &epsilon)?;
        let deviation = self
            .builder
            .unary(&node.name, variance, UnaryKind::Sqrt)
            .map_err(|e| e.at(&node.name))?;
        let normal = self.elementwise(node, BinaryKind::Div, centred, deviation)?;
        let scaled = self.with_constant(node, BinaryKind::Mul, normal, &gamma)?;
        self.with_constant(node, BinaryKind::Add, scaled, &beta)
    }

    fn mean_along(&mut self, node: &Node, x: Value, axis: usize) -> Result<Value, LowerError> {
        let layer = Reduction {
            kind: ReduceKind::Mean,
            axes: vec![axis],
        };
        self.builder
            .reduce(&node.name, x, &layer)
            .map_err(|e| e.at(&node.name))
    }
}
