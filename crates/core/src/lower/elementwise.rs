//! Functions of single elements: activations, scales, biases and binary operators.

use super::fuse::channel_operand;
use super::{LowerError, Lowering, Scale, Value, Weights};
use crate::graph::{Activation, BinaryKind, Node, TensorId, UnaryKind};

impl Lowering<'_> {
    pub(super) fn activation(&mut self, node: &Node, function: Activation) -> Result<Value, LowerError> {
        let x = self.operand(node, 0)?;
        self.builder
            .activation(&node.name, x, function)
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn unary(&mut self, node: &Node, function: UnaryKind) -> Result<Value, LowerError> {
        let x = self.operand(node, 0)?;
        self.builder
            .unary(&node.name, x, function)
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn prelu(&mut self, node: &Node) -> Result<Value, LowerError> {
        let rank = self.shape(node.output).len();
        let axis = usize::from(rank > 1);
        let slope = self.weights(&node.name, node.inputs[1])?.along(axis, rank);
        let x = self.operand(node, 0)?;
        self.builder
            .parametric_relu(&node.name, x, &slope)
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn bias_add(&mut self, node: &Node, axis: usize) -> Result<Value, LowerError> {
        let rank = self.shape(node.output).len();
        if self.graph.tensor(node.inputs[1]).weight.is_none() {
            let mut wide = vec![1; rank];
            wide[axis] = self.shape(node.inputs[1])[0];
            let (x, bias) = (self.operand(node, 0)?, self.operand(node, 1)?);
            let bias = self.reshaped(node, bias, wide)?;
            return self.elementwise(node, BinaryKind::Add, x, bias);
        }
        let bias = self.weights(&node.name, node.inputs[1])?;
        if axis == 1 {
            return self.scale(node, node.inputs[0], None, Some(bias));
        }
        let x = self.operand(node, 0)?;
        self.with_constant(node, BinaryKind::Add, x, &bias.along(axis, rank))
    }

    /// `x` joined with a constant of the same rank.
    pub(super) fn with_constant(
        &mut self,
        node: &Node,
        kind: BinaryKind,
        x: Value,
        constant: &Weights,
    ) -> Result<Value, LowerError> {
        let constant = self
            .builder
            .constant(&node.name, constant)
            .map_err(|e| e.at(&node.name))?;
        self.elementwise(node, kind, x, constant)
    }

    pub(super) fn binary(
        &mut self,
        index: usize,
        node: &Node,
        kind: BinaryKind,
    ) -> Result<Value, LowerError> {
        if let Some((x, constant)) = channel_operand(self.graph, node) {
            let shift = self.fusions.shift(index).cloned();
            match kind {
                BinaryKind::Mul => return self.scale(node, x, Some(constant), shift),
                BinaryKind::Add => return self.scale(node, x, None, Some(constant)),
                BinaryKind::Sub => {
                    let values: Vec<f32> = constant.values().iter().map(|v| -v).collect();
                    let negated = Weights::from_values(&constant.shape, &values);
                    return self.scale(node, x, None, Some(negated));
                }
                BinaryKind::Max | BinaryKind::Min | BinaryKind::Div | BinaryKind::Pow => {}
            }
        }
        let rank = self.shape(node.output).len();
        let operand = |at: usize| self.fusions.broadcast(node.inputs[at]);
        let (a, b) = (operand(0), operand(1));
        let (a, b) = (self.ranked(node, a, rank)?, self.ranked(node, b, rank)?);
        self.elementwise(node, kind, a, b)
    }

    /// An operand with axes of length one put in front until it has `rank` dimensions.
    fn ranked(&mut self, node: &Node, id: TensorId, rank: usize) -> Result<Value, LowerError> {
        let shape = self.shape(id);
        if shape.len() == rank {
            return self.value(&node.name, id);
        }
        let mut wide = vec![1; rank - shape.len()];
        wide.extend_from_slice(shape);
        if self.graph.tensor(id).weight.is_some() {
            let constant = self.weights(&node.name, id)?.reshaped(wide);
            return self
                .builder
                .constant(&self.graph.tensor(id).name, &constant)
                .map_err(|e| e.at(&node.name));
        }
        let x = self.value(&node.name, id)?;
        self.reshaped(node, x, wide)
    }

    pub(super) fn elementwise(
        &mut self,
        node: &Node,
        kind: BinaryKind,
        a: Value,
        b: Value,
    ) -> Result<Value, LowerError> {
        self.builder
            .elementwise(&node.name, kind, a, b)
            .map_err(|e| e.at(&node.name))
    }

    pub(super) fn scale(
        &mut self,
        node: &Node,
        x: TensorId,
        scale: Option<Weights>,
        shift: Option<Weights>,
    ) -> Result<Value, LowerError> {
        let rank = self.shape(node.output).len();
        let layer = Scale {
            scale: scale.map(|w| w.along(1, rank)),
            shift: shift.map(|w| w.along(1, rank)),
        };
        let x = self.value(&node.name, x)?;
        self.builder
            .scale(&node.name, x, &layer)
            .map_err(|e| e.at(&node.name))
    }
}
