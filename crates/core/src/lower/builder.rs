//! The layer vocabulary, TensorRT's: what a backend has to be able to build.

use std::sync::Arc;

use super::Geometry;
use crate::graph::{
    Activation, BinaryKind, Lrn, Pad, PoolKind, Range, ReduceKind, Resize2d, Tensor, UnaryKind,
};

/// The output of a layer, an input or a constant: a number the builder hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Value(pub u32);

/// Why a builder cannot add a layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(pub String);

/// What adding a layer gives.
pub type LayerResult = Result<Value, BuildError>;

/// A float32 constant: little-endian elements in row-major order, shared and never copied on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    pub shape: Vec<usize>,
    pub data: Arc<Vec<u8>>,
}

impl Weights {
    pub fn from_values(shape: &[usize], values: &[f32]) -> Weights {
        Weights {
            shape: shape.to_vec(),
            data: Arc::new(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        }
    }

    /// The elements of a float32 weight tensor.
    pub fn of(tensor: &Tensor) -> Weights {
        Weights {
            shape: tensor.shape.clone(),
            data: tensor.weight.clone().unwrap_or_default(),
        }
    }

    pub fn values(&self) -> Vec<f32> {
        self.data
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect()
    }

    /// The same elements under another shape of the same size.
    pub fn reshaped(&self, shape: Vec<usize>) -> Weights {
        Weights {
            shape,
            data: self.data.clone(),
        }
    }

    /// Elements per channel: `[C]` -> `[1, C, 1, ...]`, with the channels on `axis` of `rank` dimensions.
    pub fn along(&self, axis: usize, rank: usize) -> Weights {
        let mut shape = vec![1; rank];
        shape[axis] = self.shape.iter().product();
        self.reshaped(shape)
    }
}

/// `x[N,C,..]` with a kernel `[O,C/groups,..]` and a bias `[O]`, over 2 or 3 map axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Convolution {
    pub kernel: Weights,
    pub bias: Option<Weights>,
    pub geometry: Geometry,
}

/// `x[N,C,..]` with a kernel `[C,O/groups,..]` and a bias `[O]`, over 2 or 3 map axes. The geometry's padding is cut
/// off the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Deconvolution {
    pub kernel: Weights,
    pub bias: Option<Weights>,
    pub geometry: Geometry,
}

/// `x[N,I]` with a kernel `[O,I]` and a bias `[O]`.
#[derive(Debug, Clone, PartialEq)]
pub struct FullyConnected {
    pub kernel: Weights,
    pub bias: Option<Weights>,
}

/// `x * scale + shift` per channel of axis 1: both are `[1, C, 1, ...]` with the rank of `x`; at least one is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    pub scale: Option<Weights>,
    pub shift: Option<Weights>,
}

/// Pooling over 2 or 3 map axes with explicit padding: every window starts inside the padded map and ends inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pooling {
    pub kind: PoolKind,
    pub window: Vec<usize>,
    /// One group; dilation of one for averages.
    pub geometry: Geometry,
    /// Average only: whether padded elements count in the divisor.
    pub count_padding: bool,
    /// The window is the whole map.
    pub global: bool,
}

/// Reduces `axes` and keeps them with length one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduction {
    pub kind: ReduceKind,
    pub axes: Vec<usize>,
}

/// A change of layout: first the permutation, then the new shape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shuffle {
    pub permutation: Option<Vec<usize>>,
    pub shape: Option<Vec<usize>>,
}

/// The part of a tensor that `ranges` leave; axes without a range stay whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    pub ranges: Vec<Range>,
    /// All dimensions of the result.
    pub shape: Vec<usize>,
}

/// A map of another size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resize {
    pub resize: Resize2d,
    /// All dimensions of the operand.
    pub input: Vec<usize>,
    /// All dimensions of the result.
    pub shape: Vec<usize>,
}

/// `a` times `b`, both of rank 3 with the batch first; a batch of one is broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixMultiply {
    pub transpose_a: bool,
    pub transpose_b: bool,
}

/// Builds one network layer by layer. `name` is the node's name in the graph; several layers may share it.
pub trait NetworkBuilder {
    /// Whether [`NetworkBuilder::elementwise`] repeats axes of length one at no cost: all devices but a DLA do.
    fn broadcasts(&self) -> bool {
        true
    }
    fn input(&mut self, name: &str, shape: &[usize]) -> LayerResult;
    fn constant(&mut self, name: &str, value: &Weights) -> LayerResult;
    fn convolution(&mut self, name: &str, x: Value, layer: &Convolution) -> LayerResult;
    fn deconvolution(&mut self, name: &str, x: Value, layer: &Deconvolution) -> LayerResult;
    fn fully_connected(&mut self, name: &str, x: Value, layer: &FullyConnected) -> LayerResult;
    /// `a[N,I], b[O,I]` -> `[N,O]`.
    fn matrix_multiply_transposed(&mut self, name: &str, a: Value, b: Value) -> LayerResult;
    fn matrix_multiply(&mut self, name: &str, a: Value, b: Value, layer: &MatrixMultiply) -> LayerResult;
    fn scale(&mut self, name: &str, x: Value, layer: &Scale) -> LayerResult;
    fn activation(&mut self, name: &str, x: Value, function: Activation) -> LayerResult;
    fn unary(&mut self, name: &str, x: Value, function: UnaryKind) -> LayerResult;
    /// `slope` is `[1, C, 1, ...]` with the rank of `x`.
    fn parametric_relu(&mut self, name: &str, x: Value, slope: &Weights) -> LayerResult;
    /// Both operands have the same rank; lengths of one are broadcast.
    fn elementwise(&mut self, name: &str, kind: BinaryKind, a: Value, b: Value) -> LayerResult;
    fn pooling(&mut self, name: &str, x: Value, layer: &Pooling) -> LayerResult;
    fn resize(&mut self, name: &str, x: Value, layer: &Resize) -> LayerResult;
    fn padding(&mut self, name: &str, x: Value, layer: &Pad) -> LayerResult;
    fn lrn(&mut self, name: &str, x: Value, layer: &Lrn) -> LayerResult;
    fn reduce(&mut self, name: &str, x: Value, layer: &Reduction) -> LayerResult;
    fn shuffle(&mut self, name: &str, x: Value, layer: &Shuffle) -> LayerResult;
    fn slice(&mut self, name: &str, x: Value, layer: &Slice) -> LayerResult;
    fn concatenation(&mut self, name: &str, xs: &[Value], axis: usize) -> LayerResult;
    fn softmax(&mut self, name: &str, x: Value, axis: usize) -> LayerResult;
    /// `x` is the network's tensor `tensor`, computed by the layers added since the last call: ranges are given, and
    /// precisions chosen, per tensor of the network.
    fn tensor(&mut self, _tensor: &str, _x: Value) {}
    /// Marks the next output of the network.
    fn output(&mut self, name: &str, x: Value, shape: &[usize]) -> Result<(), BuildError>;
}
