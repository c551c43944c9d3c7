//! One typed variant per operator. Operands are listed as `x, w, ...`; weights are operands too.

use serde::{Deserialize, Serialize};

/// Zero padding around a 2-D map, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Padding2d {
    pub top: usize,
    pub left: usize,
    pub bottom: usize,
    pub right: usize,
}

impl Padding2d {
    /// `width` elements on every side.
    pub fn uniform(width: usize) -> Padding2d {
        Padding2d {
            top: width,
            left: width,
            bottom: width,
            right: width,
        }
    }
}

/// `x[N,C,H,W], w[O,C/groups,kh,kw]` -> `[N,O,H',W']`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv2d {
    pub stride: [usize; 2],
    pub padding: Padding2d,
    pub dilation: [usize; 2],
    pub groups: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    Max,
    Average,
}

/// `x[N,C,H,W]` -> `[N,C,H',W']`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool2d {
    pub kind: PoolKind,
    pub window: [usize; 2],
    pub stride: [usize; 2],
    pub padding: Padding2d,
    pub dilation: [usize; 2],
    pub ceil_mode: bool,
    /// Average only: whether padded elements count in the divisor.
    pub count_include_pad: bool,
}

/// Element-wise functions of one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    Relu,
    Clip { min: f32, max: f32 },
    LeakyRelu { alpha: f32 },
    Sigmoid,
    Tanh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinaryKind {
    Add,
    Sub,
    Mul,
    Max,
    Min,
}

/// Constant padding: `before[i]` and `after[i]` elements of `value` on axis `i`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pad {
    pub before: Vec<usize>,
    pub after: Vec<usize>,
    pub value: f32,
}

/// Local response normalisation across channels:
/// `y = x / (bias + alpha / size * sum(x^2 over the window))^beta`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lrn {
    pub size: usize,
    pub alpha: f32,
    pub beta: f32,
    pub bias: f32,
}

/// Every operator the project takes from TVM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Conv2d(Conv2d),
    /// `x, bias[C]`: adds along `axis`.
    BiasAdd {
        axis: usize,
    },
    /// `x, gamma[C], beta[C], mean[C], variance[C]` along axis 1.
    BatchNorm {
        epsilon: f32,
    },
    Activation(Activation),
    /// `x, slope[C]` along axis 1.
    PRelu,
    /// `a, b` with NumPy broadcasting.
    Binary(BinaryKind),
    Pool2d(Pool2d),
    /// `x[N,C,H,W]` -> `[N,C,1,1]`.
    GlobalPool(PoolKind),
    /// `x[N,C,H,W]` -> `[N,C,output[0],output[1]]`, windows as TVM computes them.
    AdaptivePool {
        kind: PoolKind,
        output: [usize; 2],
    },
    /// Two or more operands joined along `axis`.
    Concat {
        axis: usize,
    },
    Pad(Pad),
    Lrn(Lrn),
    /// Arithmetic mean over `axes` (sorted, each less than the rank).
    Mean {
        axes: Vec<usize>,
        keepdims: bool,
    },
    /// `[N, ...]` -> `[N, product of the rest]`.
    Flatten,
    /// Target dimensions: `0` copies the input's dimension at that place, `-1` (at most one) is inferred.
    Reshape {
        dims: Vec<i64>,
    },
    Squeeze {
        axes: Vec<usize>,
    },
    /// Inserts `count` axes of length one before `axis`.
    ExpandDims {
        axis: usize,
        count: usize,
    },
    Transpose {
        axes: Vec<usize>,
    },
    /// `x[.., I], w[O,I]` -> `[.., O]`.
    Dense,
    Softmax {
        axis: usize,
    },
}

impl Op {
    /// The operator's name in reports: Relay's own, without the `nn.` prefix.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Conv2d(_) => "conv2d",
            Op::BiasAdd { .. } => "bias_add",
            Op::BatchNorm { .. } => "batch_norm",
            Op::Activation(Activation::Relu) => "relu",
            Op::Activation(Activation::Clip { .. }) => "clip",
            Op::Activation(Activation::LeakyRelu { .. }) => "leaky_relu",
            Op::Activation(Activation::Sigmoid) => "sigmoid",
            Op::Activation(Activation::Tanh) => "tanh",
            Op::PRelu => "prelu",
            Op::Binary(BinaryKind::Add) => "add",
            Op::Binary(BinaryKind::Sub) => "subtract",
            Op::Binary(BinaryKind::Mul) => "multiply",
            Op::Binary(BinaryKind::Max) => "maximum",
            Op::Binary(BinaryKind::Min) => "minimum",
            Op::Pool2d(Pool2d {
                kind: PoolKind::Max,
                ..
            }) => "max_pool2d",
            Op::Pool2d(Pool2d {
                kind: PoolKind::Average,
                ..
            }) => "avg_pool2d",
            Op::GlobalPool(PoolKind::Max) => "global_max_pool2d",
            Op::GlobalPool(PoolKind::Average) => "global_avg_pool2d",
            Op::AdaptivePool {
                kind: PoolKind::Max,
                ..
            } => "adaptive_max_pool2d",
            Op::AdaptivePool {
                kind: PoolKind::Average,
                ..
            } => "adaptive_avg_pool2d",
            Op::Concat { .. } => "concatenate",
            Op::Pad(_) => "pad",
            Op::Lrn(_) => "lrn",
            Op::Mean { .. } => "mean",
            Op::Flatten => "batch_flatten",
            Op::Reshape { .. } => "reshape",
            Op::Squeeze { .. } => "squeeze",
            Op::ExpandDims { .. } => "expand_dims",
            Op::Transpose { .. } => "transpose",
            Op::Dense => "dense",
            Op::Softmax { .. } => "softmax",
        }
    }
}
