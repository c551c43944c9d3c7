//! Graph -> layers: one exhaustive match over [`Op`] drives any [`NetworkBuilder`], so what the CPU computes is what TensorRT is asked for.

mod builder;
mod conv;
mod elementwise;
mod error;
mod fuse;
mod geometry;
mod normalise;
mod pool;
mod reduce;
mod shape;
#[cfg(test)]
mod tests;

pub use builder::{
    BuildError, Convolution, Deconvolution, FullyConnected, LayerResult, MatrixMultiply, NetworkBuilder,
    Pooling, Reduction, Resize, Scale, Shuffle, Slice, Value, Weights,
};
pub use error::LowerError;
pub use fuse::channel_operand;
pub use geometry::Geometry;

use crate::graph::{DType, Graph, Node, Op, TensorId};
use fuse::Fusions;

/// Hands every node of `graph` to `builder` as layers, with inputs first and outputs last.
///
/// Four exact rewrites happen on the way: a constant added per channel becomes the bias of the convolution,
/// dense layer or scale before it, zero padding becomes the padding of the convolution after it, copies of one value per
/// channel are left to an element-wise layer that broadcasts,
/// and pooling windows are spelled out so that no builder has to know TVM's rounding rules.
///
/// # Errors
/// [`LowerError`] names the node that no layer expresses, or what the builder said about it.
pub fn lower(graph: &Graph, builder: &mut dyn NetworkBuilder) -> Result<(), LowerError> {
    graph.validate()?;
    let mut lowering = Lowering {
        graph,
        values: vec![None; graph.tensors.len()],
        fusions: Fusions::find(graph, builder.broadcasts()),
        builder,
    };
    lowering.inputs()?;
    for (index, node) in graph.nodes.iter().enumerate() {
        if !lowering.fusions.absorbed(index) {
            lowering.node(index, node)?;
        }
    }
    lowering.outputs()
}

/// One walk over a network: which value stands for which tensor so far.
struct Lowering<'a> {
    graph: &'a Graph,
    builder: &'a mut dyn NetworkBuilder,
    values: Vec<Option<Value>>,
    fusions: Fusions,
}

impl Lowering<'_> {
    fn inputs(&mut self) -> Result<(), LowerError> {
        for id in &self.graph.inputs {
            let tensor = self.graph.tensor(*id);
            let built = self.builder.input(&tensor.name, &tensor.shape);
            let value = built.map_err(|e| e.at(&tensor.name))?;
            self.builder.tensor(&tensor.name, value);
            self.values[id.0 as usize] = Some(value);
        }
        Ok(())
    }

    fn outputs(&mut self) -> Result<(), LowerError> {
        for id in &self.graph.outputs {
            let tensor = self.graph.tensor(*id);
            let value = self.value(&tensor.name, *id)?;
            self.builder
                .output(&tensor.name, value, &tensor.shape)
                .map_err(|e| e.at(&tensor.name))?;
        }
        Ok(())
    }

    fn node(&mut self, index: usize, node: &Node) -> Result<(), LowerError> {
        let value = match &node.op {
            Op::Conv1d(conv) => self.conv1d(index, node, conv)?,
            Op::Conv2d(conv) => self.conv2d(index, node, conv)?,
            Op::Conv3d(conv) => self.conv3d(index, node, conv)?,
            Op::Deconv2d(deconv) => self.deconv(index, node, deconv)?,
            Op::Deconv3d(deconv) => self.deconv(index, node, deconv)?,
            Op::Dense => self.dense(index, node)?,
            Op::BiasAdd { axis } => self.bias_add(node, *axis)?,
            Op::BatchNorm { epsilon, axis } => self.batch_norm(node, *epsilon, *axis)?,
            Op::LayerNorm { epsilon, axis } => self.layer_norm(node, *epsilon, *axis)?,
            Op::Activation(function) => self.activation(node, *function)?,
            Op::Unary(function) => self.unary(node, *function)?,
            Op::PRelu => self.prelu(node)?,
            Op::Binary(kind) => self.binary(index, node, *kind)?,
            Op::Pool2d(pool) => self.pool2d(node, pool)?,
            Op::Pool3d(pool) => self.pool3d(node, pool)?,
            Op::Resize2d(resize) => self.resize(node, resize)?,
            Op::GlobalPool(kind) => self.global_pool(node, *kind)?,
            Op::AdaptivePool { kind, output } => self.adaptive_pool(node, *kind, *output)?,
            Op::Concat { axis } => self.concat(node, *axis)?,
            Op::Pad(pad) => self.pad(node, pad)?,
            Op::Lrn(lrn) => self.lrn(node, lrn)?,
            Op::Reduce { kind, axes, keepdims } => self.reduce(node, *kind, axes, *keepdims)?,
            Op::Flatten | Op::Reshape { .. } | Op::Squeeze { .. } | Op::ExpandDims { .. } => {
                self.reshape(node)?
            }
            Op::Transpose { axes } => self.transpose(node, axes)?,
            Op::Slice { ranges } => self.slice(node, ranges)?,
            Op::BatchMatmul {
                transpose_a,
                transpose_b,
            } => {
                let layer = MatrixMultiply {
                    transpose_a: *transpose_a,
                    transpose_b: *transpose_b,
                };
                self.batch_matmul(node, &layer)?
            }
            Op::Softmax { axis } => self.softmax(node, *axis)?,
        };
        let output = self.fusions.output_of(index).unwrap_or(node.output);
        self.builder.tensor(&self.graph.tensor(output).name, value);
        self.values[output.0 as usize] = Some(value);
        Ok(())
    }

    /// The value that stands for a tensor; a weight becomes a constant layer where it is first needed.
    fn value(&mut self, node: &str, id: TensorId) -> Result<Value, LowerError> {
        if let Some(value) = self.values[id.0 as usize] {
            return Ok(value);
        }
        let weights = self.weights(node, id)?;
        let name = &self.graph.tensor(id).name;
        let value = self.builder.constant(name, &weights).map_err(|e| e.at(node))?;
        self.values[id.0 as usize] = Some(value);
        Ok(value)
    }

    fn operand(&mut self, node: &Node, index: usize) -> Result<Value, LowerError> {
        self.value(&node.name, node.inputs[index])
    }

    /// A constant float32 tensor, shared with the graph.
    fn weights(&self, node: &str, id: TensorId) -> Result<Weights, LowerError> {
        let tensor = self.graph.tensor(id);
        let wrong = |reason: String| LowerError::Weight {
            node: node.to_string(),
            tensor: tensor.name.clone(),
            reason,
        };
        let data = tensor
            .weight
            .clone()
            .ok_or_else(|| wrong("must be a constant".into()))?;
        if tensor.dtype != DType::F32 {
            return Err(wrong(format!("is {} and must be float32", tensor.dtype)));
        }
        Ok(Weights {
            shape: tensor.shape.clone(),
            data,
        })
    }

    fn shape(&self, id: TensorId) -> &[usize] {
        &self.graph.tensor(id).shape
    }
}
