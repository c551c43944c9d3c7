//! NvInfer's numbers -> the terms of `tvm_dla::lower`. `None` is what no network of the program has.

use tvm_dla::graph::{
    Activation, BinaryKind, Coordinates, PoolKind, ReduceKind, Resize2d, ResizeMode, Rounding, UnaryKind,
};
use tvm_dla::lower::{Geometry, Pooling, Resize};

use crate::plan::Window;

/// `SampleMode::kFILL`, `SliceMode::kFILL`.
pub const FILL: i32 = 3;

/// Bits that are set, ascending.
pub fn axes(mask: u32) -> Vec<usize> {
    (0..32).filter(|bit| mask >> bit & 1 == 1).collect()
}

pub fn geometry(window: &Window, groups: usize) -> Geometry {
    Geometry {
        stride: window.stride.clone(),
        before: window.before.clone(),
        after: window.after.clone(),
        dilation: window.dilation.clone(),
        groups,
    }
}

/// `PoolingType`.
pub fn pooling(window: &Window, number: i32, count_padding: bool) -> Option<Pooling> {
    let kind = match number {
        0 => PoolKind::Max,
        1 => PoolKind::Average,
        _ => return None,
    };
    let dilation = vec![1; window.window.len()];
    Some(Pooling {
        kind,
        window: window.window.clone(),
        geometry: Geometry {
            dilation,
            ..geometry(window, 1)
        },
        count_padding: count_padding && kind == PoolKind::Average,
        global: false,
    })
}

/// `ReduceOperation`.
pub fn reduction(number: i32) -> Option<ReduceKind> {
    match number {
        0 => Some(ReduceKind::Sum),
        1 => Some(ReduceKind::Prod),
        2 => Some(ReduceKind::Max),
        3 => Some(ReduceKind::Min),
        4 => Some(ReduceKind::Mean),
        _ => None,
    }
}

/// `UnaryOperation`.
pub fn unary(number: i32) -> Option<UnaryKind> {
    match number {
        0 => Some(UnaryKind::Exp),
        1 => Some(UnaryKind::Log),
        2 => Some(UnaryKind::Sqrt),
        4 => Some(UnaryKind::Abs),
        5 => Some(UnaryKind::Neg),
        6 => Some(UnaryKind::Sin),
        7 => Some(UnaryKind::Cos),
        8 => Some(UnaryKind::Tan),
        9 => Some(UnaryKind::Sinh),
        10 => Some(UnaryKind::Cosh),
        11 => Some(UnaryKind::Asin),
        12 => Some(UnaryKind::Acos),
        13 => Some(UnaryKind::Atan),
        14 => Some(UnaryKind::Asinh),
        15 => Some(UnaryKind::Acosh),
        16 => Some(UnaryKind::Atanh),
        17 => Some(UnaryKind::Ceil),
        18 => Some(UnaryKind::Floor),
        19 => Some(UnaryKind::Erf),
        _ => None,
    }
}

/// `ResizeMode`, `ResizeCoordinateTransformation` and `ResizeRoundMode`.
pub fn resize(
    input: &[usize],
    shape: &[usize],
    mode: i32,
    coordinates: i32,
    rounding: i32,
) -> Option<Resize> {
    let rounding = match rounding {
        0 => Rounding::HalfUp,
        1 => Rounding::HalfDown,
        2 => Rounding::Floor,
        3 => Rounding::Ceil,
        _ => return None,
    };
    let resize = Resize2d {
        output: [shape[2], shape[3]],
        mode: match mode {
            0 => ResizeMode::Nearest(rounding),
            1 => ResizeMode::Linear,
            _ => return None,
        },
        coordinates: match coordinates {
            0 => Coordinates::AlignCorners,
            1 => Coordinates::Asymmetric,
            2 => Coordinates::HalfPixel,
            _ => return None,
        },
    };
    Some(Resize {
        resize,
        input: input.to_vec(),
        shape: shape.to_vec(),
    })
}

/// `ActivationType`.
pub fn activation(number: i32, alpha: f32, beta: f32) -> Option<Activation> {
    match number {
        0 => Some(Activation::Relu),
        1 => Some(Activation::Sigmoid),
        2 => Some(Activation::Tanh),
        3 => Some(Activation::LeakyRelu { alpha }),
        8 => Some(Activation::Clip {
            min: alpha,
            max: beta,
        }),
        _ => None,
    }
}

/// `ElementWiseOperation`.
pub fn binary(number: i32) -> Option<BinaryKind> {
    match number {
        0 => Some(BinaryKind::Add),
        1 => Some(BinaryKind::Mul),
        2 => Some(BinaryKind::Max),
        3 => Some(BinaryKind::Min),
        4 => Some(BinaryKind::Sub),
        5 => Some(BinaryKind::Div),
        6 => Some(BinaryKind::Pow),
        _ => None,
    }
}
