//! TensorRT's numbers of what layers compute; the shim checks them against the headers.

use super::network::dims;
use super::sys::Window;
use crate::graph::{Activation, BinaryKind, Coordinates, PoolKind, ReduceKind, Rounding, UnaryKind};
use crate::lower::{BuildError, Geometry};

/// Those that are asked for by name.
pub(super) mod code {
    pub const SUM: i32 = 0;
    pub const PRODUCT: i32 = 1;
    pub const MAX: i32 = 2;
}

pub(super) fn elementwise(kind: BinaryKind) -> i32 {
    match kind {
        BinaryKind::Add => code::SUM,
        BinaryKind::Mul => code::PRODUCT,
        BinaryKind::Max => code::MAX,
        BinaryKind::Min => 3,
        BinaryKind::Sub => 4,
        BinaryKind::Div => 5,
        BinaryKind::Pow => 6,
    }
}

/// Function, alpha and beta.
pub(super) fn function(activation: Activation) -> (i32, f32, f32) {
    match activation {
        Activation::Relu => (0, 0.0, 0.0),
        Activation::Sigmoid => (1, 0.0, 0.0),
        Activation::Tanh => (2, 0.0, 0.0),
        Activation::LeakyRelu { alpha } => (3, alpha, 0.0),
        // TensorRT's documentation knows no infinite limit.
        Activation::Clip { min, max } => (8, min.max(f32::MIN), max.min(f32::MAX)),
    }
}

pub(super) fn unary(kind: UnaryKind) -> i32 {
    match kind {
        UnaryKind::Exp => 0,
        UnaryKind::Log => 1,
        UnaryKind::Sqrt => 2,
        UnaryKind::Abs => 4,
        UnaryKind::Neg => 5,
        UnaryKind::Sin => 6,
        UnaryKind::Cos => 7,
        UnaryKind::Tan => 8,
        UnaryKind::Sinh => 9,
        UnaryKind::Cosh => 10,
        UnaryKind::Asin => 11,
        UnaryKind::Acos => 12,
        UnaryKind::Atan => 13,
        UnaryKind::Asinh => 14,
        UnaryKind::Acosh => 15,
        UnaryKind::Atanh => 16,
        UnaryKind::Ceil => 17,
        UnaryKind::Floor => 18,
        UnaryKind::Erf => 19,
    }
}

pub(super) fn reduction(kind: ReduceKind) -> i32 {
    match kind {
        ReduceKind::Sum => 0,
        ReduceKind::Prod => 1,
        ReduceKind::Max => 2,
        ReduceKind::Min => 3,
        ReduceKind::Mean => 4,
    }
}

pub(super) fn pooling(kind: PoolKind) -> i32 {
    match kind {
        PoolKind::Max => 0,
        PoolKind::Average => 1,
    }
}

pub(super) fn coordinates(kind: Coordinates) -> i32 {
    match kind {
        Coordinates::AlignCorners => 0,
        Coordinates::Asymmetric => 1,
        Coordinates::HalfPixel => 2,
    }
}

pub(super) fn rounding(kind: Rounding) -> i32 {
    match kind {
        Rounding::HalfUp => 0,
        Rounding::HalfDown => 1,
        Rounding::Floor => 2,
        Rounding::Ceil => 3,
    }
}

pub(super) fn axes(list: &[usize]) -> u32 {
    list.iter().fold(0, |mask, axis| mask | 1 << axis)
}

pub(super) fn window(size: &[usize], geometry: &Geometry) -> Result<Window, BuildError> {
    Ok(Window {
        size: dims(size)?,
        stride: dims(&geometry.stride)?,
        before: dims(&geometry.before)?,
        after: dims(&geometry.after)?,
        dilation: dims(&geometry.dilation)?,
    })
}
