//! One typed variant per operator. Operands are listed as `x, w, ...`; weights are operands too.

use serde::{Deserialize, Serialize};

use super::{Conv2d, ConvNd, DeconvNd, Pool2d, PoolKind, PoolNd, Resize2d};

/// Element-wise functions of one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    Relu,
    /// A side without a limit has an infinite one.
    Clip {
        #[serde(with = "super::real")]
        min: f32,
        #[serde(with = "super::real")]
        max: f32,
    },
    LeakyRelu {
        alpha: f32,
    },
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
    Div,
    Pow,
}

/// Functions of single elements that are no activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnaryKind {
    Exp,
    /// Natural logarithm.
    Log,
    Sqrt,
    Abs,
    Neg,
    Floor,
    Ceil,
    Sin,
    Cos,
    Tan,
    Sinh,
    Cosh,
    Asin,
    Acos,
    Atan,
    Asinh,
    Acosh,
    Atanh,
    Erf,
}

/// How a reduction joins elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReduceKind {
    Sum,
    Prod,
    Max,
    Min,
    Mean,
}

/// Elements `start, start + step, ...` of one axis, `len` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    pub axis: usize,
    pub start: usize,
    pub len: usize,
    /// At least 1.
    pub step: usize,
}

/// Constant padding: `before[i]` and `after[i]` elements of `value` on axis `i`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pad {
    pub before: Vec<usize>,
    pub after: Vec<usize>,
    /// May be infinite: the least value in front of a maximum.
    #[serde(with = "super::real")]
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
    Conv1d(ConvNd<1>),
    Conv3d(ConvNd<3>),
    Deconv2d(DeconvNd<2>),
    Deconv3d(DeconvNd<3>),
    /// `x, gamma[C], beta[C], mean[C], variance[C]` along `axis`.
    BatchNorm {
        epsilon: f32,
        axis: usize,
    },
    /// `x, gamma[L], beta[L]`: normalises along `axis`, whose length is `L`.
    LayerNorm {
        epsilon: f32,
        axis: usize,
    },
    Activation(Activation),
    Unary(UnaryKind),
    /// `x, slope[C]` along axis 1; along the only axis of a vector.
    PRelu,
    /// `a, b` with NumPy broadcasting.
    Binary(BinaryKind),
    Pool2d(Pool2d),
    Pool3d(PoolNd<3>),
    Resize2d(Resize2d),
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
    /// Joins the elements along `axes` (sorted, each less than the rank).
    Reduce {
        kind: ReduceKind,
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
    /// The part of `x` that the ranges leave; axes without a range stay whole.
    Slice {
        ranges: Vec<Range>,
    },
    /// `x[.., I], w[O,I]` -> `[.., O]`.
    Dense,
    /// `a[B,M,K], b[B,K,N]` -> `[B,M,N]`; a transposed operand has its last two axes swapped, and a `B` of one is
    /// broadcast.
    BatchMatmul {
        transpose_a: bool,
        transpose_b: bool,
    },
    Softmax {
        axis: usize,
    },
}

impl Op {
    /// Whether the result is elements of the operands in other places, and nothing else.
    pub fn only_moves(&self) -> bool {
        let moves = matches!(self, Op::Concat { .. } | Op::Slice { .. } | Op::Transpose { .. });
        moves || self.only_reshapes()
    }

    /// Whether the result is the operand in another shape, with the elements in the same order.
    pub fn only_reshapes(&self) -> bool {
        matches!(
            self,
            Op::Flatten | Op::Reshape { .. } | Op::Squeeze { .. } | Op::ExpandDims { .. }
        )
    }

    /// The operator's name in reports: Relay's own, without the `nn.` prefix.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Conv1d(_) => "conv1d",
            Op::Conv2d(_) => "conv2d",
            Op::Conv3d(_) => "conv3d",
            Op::Deconv2d(_) => "conv2d_transpose",
            Op::Deconv3d(_) => "conv3d_transpose",
            Op::BiasAdd { .. } => "bias_add",
            Op::BatchNorm { .. } => "batch_norm",
            Op::LayerNorm { .. } => "layer_norm",
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
            Op::Binary(BinaryKind::Div) => "divide",
            Op::Binary(BinaryKind::Pow) => "power",
            Op::Unary(kind) => kind.name(),
            Op::Pool2d(Pool2d {
                kind: PoolKind::Max, ..
            }) => "max_pool2d",
            Op::Pool2d(Pool2d {
                kind: PoolKind::Average,
                ..
            }) => "avg_pool2d",
            Op::Pool3d(PoolNd {
                kind: PoolKind::Max, ..
            }) => "max_pool3d",
            Op::Pool3d(PoolNd {
                kind: PoolKind::Average,
                ..
            }) => "avg_pool3d",
            Op::Resize2d(_) => "resize2d",
            Op::GlobalPool(PoolKind::Max) => "global_max_pool2d",
            Op::GlobalPool(PoolKind::Average) => "global_avg_pool2d",
            Op::AdaptivePool {
                kind: PoolKind::Max, ..
            } => "adaptive_max_pool2d",
            Op::AdaptivePool {
                kind: PoolKind::Average,
                ..
            } => "adaptive_avg_pool2d",
            Op::Concat { .. } => "concatenate",
            Op::Pad(_) => "pad",
            Op::Lrn(_) => "lrn",
            Op::Reduce { kind, .. } => kind.name(),
            Op::Flatten => "batch_flatten",
            Op::Reshape { .. } => "reshape",
            Op::Squeeze { .. } => "squeeze",
            Op::ExpandDims { .. } => "expand_dims",
            Op::Transpose { .. } => "transpose",
            Op::Slice { .. } => "strided_slice",
            Op::Dense => "dense",
            Op::BatchMatmul { .. } => "batch_matmul",
            Op::Softmax { .. } => "softmax",
        }
    }
}

impl UnaryKind {
    pub const ALL: [UnaryKind; 19] = [
        UnaryKind::Exp,
        UnaryKind::Log,
        UnaryKind::Sqrt,
        UnaryKind::Abs,
        UnaryKind::Neg,
        UnaryKind::Floor,
        UnaryKind::Ceil,
        UnaryKind::Sin,
        UnaryKind::Cos,
        UnaryKind::Tan,
        UnaryKind::Sinh,
        UnaryKind::Cosh,
        UnaryKind::Asin,
        UnaryKind::Acos,
        UnaryKind::Atan,
        UnaryKind::Asinh,
        UnaryKind::Acosh,
        UnaryKind::Atanh,
        UnaryKind::Erf,
    ];

    /// Relay's name.
    pub const fn name(self) -> &'static str {
        match self {
            UnaryKind::Exp => "exp",
            UnaryKind::Log => "log",
            UnaryKind::Sqrt => "sqrt",
            UnaryKind::Abs => "abs",
            UnaryKind::Neg => "negative",
            UnaryKind::Floor => "floor",
            UnaryKind::Ceil => "ceil",
            UnaryKind::Sin => "sin",
            UnaryKind::Cos => "cos",
            UnaryKind::Tan => "tan",
            UnaryKind::Sinh => "sinh",
            UnaryKind::Cosh => "cosh",
            UnaryKind::Asin => "asin",
            UnaryKind::Acos => "acos",
            UnaryKind::Asinh => "asinh",
            UnaryKind::Acosh => "acosh",
            UnaryKind::Atanh => "atanh",
            UnaryKind::Atan => "atan",
            UnaryKind::Erf => "erf",
        }
    }
}

impl ReduceKind {
    pub const ALL: [ReduceKind; 5] = [
        ReduceKind::Sum,
        ReduceKind::Prod,
        ReduceKind::Max,
        ReduceKind::Min,
        ReduceKind::Mean,
    ];

    /// Relay's name.
    pub const fn name(self) -> &'static str {
        match self {
            ReduceKind::Sum => "sum",
            ReduceKind::Prod => "prod",
            ReduceKind::Max => "max",
            ReduceKind::Min => "min",
            ReduceKind::Mean => "mean",
        }
    }
}
