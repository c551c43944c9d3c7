//! The neutral network: typed operators over named tensors, in topological order. Pure: no I/O, no TVM.

mod array;
mod bounds;
mod builder;
#[cfg(any(test, feature = "testing"))]
pub mod cases;
mod check;
mod cost;
mod elements;
mod error;
mod infer;
mod op;
mod real;
#[cfg(any(test, feature = "testing"))]
pub mod reference;
mod rows;
mod spatial;
#[cfg(test)]
mod tests;
mod text;

pub use array::Array;
pub use bounds::Bounds;
pub use builder::GraphBuilder;
pub use elements::permuted;
pub use error::GraphError;
pub use infer::{elements, infer_shape};
pub use op::{Activation, BinaryKind, Lrn, Op, Pad, Range, ReduceKind, UnaryKind};
pub use rows::{Place, RowShape};
pub use spatial::{
    Conv2d, ConvNd, Coordinates, DeconvNd, Padding2d, PaddingNd, Pool2d, PoolKind, PoolNd, Resize2d,
    ResizeMode, Rounding,
};

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    F32,
    F16,
    I8,
    I32,
    I64,
}

impl DType {
    /// Size of one element in bytes.
    pub const fn size(self) -> usize {
        match self {
            DType::I8 => 1,
            DType::F16 => 2,
            DType::F32 | DType::I32 => 4,
            DType::I64 => 8,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "float32",
            DType::F16 => "float16",
            DType::I8 => "int8",
            DType::I32 => "int32",
            DType::I64 => "int64",
        })
    }
}

/// Index of a tensor in [`Graph::tensors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TensorId(pub u32);

/// Index of a node in [`Graph::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

/// A tensor: a graph input, the output of one node, or a weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub name: String,
    /// All dimensions, batch first for activations.
    pub shape: Vec<usize>,
    /// Of activations: float32, or float16 where the caller holds an input or output in it. Engines take and give float32.
    pub dtype: DType,
    /// Little-endian elements in row-major order; `None` for activations.
    pub weight: Option<Arc<Vec<u8>>>,
}

/// One operator application.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub name: String,
    pub op: Op,
    /// Operands in the order [`Op`] documents, weights included.
    pub inputs: Vec<TensorId>,
    pub output: TensorId,
}

/// A network in topological order. Axis 0 of every activation is the batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    pub name: String,
    pub tensors: Vec<Tensor>,
    pub nodes: Vec<Node>,
    pub inputs: Vec<TensorId>,
    pub outputs: Vec<TensorId>,
}

impl Graph {
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0 as usize]
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The elements of a float32 weight.
    pub fn floats(&self, id: TensorId) -> Option<impl Iterator<Item = f32> + '_> {
        let tensor = self.tensor(id);
        let data = tensor.weight.as_ref();
        let data = data.filter(|_| tensor.dtype == DType::F32)?;
        let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Some(data.chunks_exact(4).map(value))
    }
}
