//! What an operator is to an engine. A new operator has to be given its class here.

use crate::graph::Op;

/// How an operator becomes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Convolution,
    /// Matrix product: fully connected layers.
    MatMul,
    /// One operand and constants per channel: becomes part of the layer before it.
    Epilogue,
    /// A function that no convolution takes in: part of an element-wise kernel.
    Unary,
    /// Element by element over two operands.
    Binary,
    Pool,
    Lrn,
    Reduce,
    Softmax,
    /// Operands are written in place where that is possible, else copied.
    Concat,
    /// Constant padding: part of a convolution after it, else a copy.
    Pad,
    /// Data movement.
    Copy,
    /// Another shape of the same data.
    View,
}

pub(super) fn class(op: &Op) -> Class {
    match op {
        Op::Conv1d(_) | Op::Conv2d(_) | Op::Conv3d(_) | Op::Deconv2d(_) | Op::Deconv3d(_) => {
            Class::Convolution
        }
        Op::Dense | Op::BatchMatmul { .. } => Class::MatMul,
        Op::BiasAdd { .. } | Op::BatchNorm { .. } | Op::Activation(_) | Op::PRelu => Class::Epilogue,
        Op::Unary(_) => Class::Unary,
        Op::Binary(_) => Class::Binary,
        Op::Pool2d(_) | Op::Pool3d(_) | Op::GlobalPool(_) | Op::AdaptivePool { .. } => Class::Pool,
        Op::Lrn(_) => Class::Lrn,
        Op::Reduce { .. } | Op::LayerNorm { .. } => Class::Reduce,
        Op::Softmax { .. } => Class::Softmax,
        Op::Concat { .. } => Class::Concat,
        Op::Pad(_) => Class::Pad,
        Op::Transpose { .. } | Op::Slice { .. } | Op::Resize2d(_) => Class::Copy,
        Op::Flatten | Op::Reshape { .. } | Op::Squeeze { .. } | Op::ExpandDims { .. } => Class::View,
    }
}
