//! ONNX's words for what layers do.

use crate::graph::{BinaryKind, Coordinates, ReduceKind, Rounding, UnaryKind};

pub(super) fn binary(kind: BinaryKind) -> &'static str {
    match kind {
        BinaryKind::Add => "Add",
        BinaryKind::Sub => "Sub",
        BinaryKind::Mul => "Mul",
        BinaryKind::Max => "Max",
        BinaryKind::Min => "Min",
        BinaryKind::Div => "Div",
        BinaryKind::Pow => "Pow",
    }
}

pub(super) fn unary(kind: UnaryKind) -> &'static str {
    match kind {
        UnaryKind::Exp => "Exp",
        UnaryKind::Log => "Log",
        UnaryKind::Sqrt => "Sqrt",
        UnaryKind::Abs => "Abs",
        UnaryKind::Neg => "Neg",
        UnaryKind::Floor => "Floor",
        UnaryKind::Ceil => "Ceil",
        UnaryKind::Sin => "Sin",
        UnaryKind::Cos => "Cos",
        UnaryKind::Tan => "Tan",
        UnaryKind::Sinh => "Sinh",
        UnaryKind::Cosh => "Cosh",
        UnaryKind::Asin => "Asin",
        UnaryKind::Acos => "Acos",
        UnaryKind::Asinh => "Asinh",
        UnaryKind::Acosh => "Acosh",
        UnaryKind::Atanh => "Atanh",
        UnaryKind::Atan => "Atan",
        UnaryKind::Erf => "Erf",
    }
}

pub(super) fn reduction(kind: ReduceKind) -> &'static str {
    match kind {
        ReduceKind::Sum => "ReduceSum",
        ReduceKind::Prod => "ReduceProd",
        ReduceKind::Max => "ReduceMax",
        ReduceKind::Min => "ReduceMin",
        ReduceKind::Mean => "ReduceMean",
    }
}

pub(super) fn coordinates(kind: Coordinates) -> &'static str {
    match kind {
        Coordinates::Asymmetric => "asymmetric",
        Coordinates::HalfPixel => "half_pixel",
        Coordinates::AlignCorners => "align_corners",
    }
}

pub(super) fn nearest(rounding: Rounding) -> &'static str {
    match rounding {
        Rounding::Floor => "floor",
        Rounding::Ceil => "ceil",
        Rounding::HalfDown => "round_prefer_floor",
        Rounding::HalfUp => "round_prefer_ceil",
    }
}
