//! Where each quantised operator says how its integers read, and whether that can be one range per tensor.

use super::scales::{affine, scales, zero_points};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;
use crate::tvm::Object;

/// Places of operands in a call, a tuple counting as its fields.
enum Form {
    /// `x, scale, zero point`; the result is quantised so.
    Quantise,
    /// `x, scale, zero point`; `x` is quantised so.
    Dequantise,
    /// `x, scale, zero point, scale, zero point`: an accumulator or a quantised tensor into a quantised tensor.
    Requantise,
    /// `x, w, zero points of both, scales of both`.
    Product,
    /// `a, b, scale, zero point of a, of b, of the result`.
    Binary,
    /// `x, scale, zero point, of x, of the result`.
    Unary,
    /// `xs.., scales.., zero points.., scale, zero point`.
    Concatenate,
}

/// Every quantised operator that can be spelled out in float32, by Relay's name.
const FORMS: &[(&str, Form)] = &[
    ("qnn.quantize", Form::Quantise),
    ("qnn.dequantize", Form::Dequantise),
    ("qnn.requantize", Form::Requantise),
    ("qnn.conv2d", Form::Product),
    ("qnn.conv2d_transpose", Form::Product),
    ("qnn.dense", Form::Product),
    ("qnn.add", Form::Binary),
    ("qnn.subtract", Form::Binary),
    ("qnn.mul", Form::Binary),
    ("qnn.concatenate", Form::Concatenate),
    ("qnn.sigmoid", Form::Unary),
    ("qnn.tanh", Form::Unary),
];

/// Whether a type-checked call of a `qnn` operator can be float32 with one range per activation.
///
/// # Errors
/// [`RelayError::NotTaken`] with the reason.
pub fn check_scales(call: &Object) -> Result<(), RelayError> {
    check(&Call::of(call)?)
}

pub(super) fn check(call: &Call) -> Result<(), RelayError> {
    let form = FORMS.iter().find(|(name, _)| *name == call.op);
    let unknown = || {
        call.attrs
            .refuse("it has no float32 form here: leave this operator out when quantising")
    };
    let (_, form) = form.ok_or_else(unknown)?;
    let activation = |data: usize, scale: usize, zero_point: usize| {
        affine(call, dtype(call, data)?, scale, zero_point).map(drop)
    };
    let result = |scale, zero_point| affine(call, &call.output().dtype, scale, zero_point).map(drop);
    match form {
        Form::Quantise => result(1, 2),
        Form::Dequantise => {
            if call.operands[0].is_constant() {
                scales(call, 1).and_then(|_| zero_points(call, 2)).map(drop)
            } else {
                activation(0, 1, 2)
            }
        }
        Form::Requantise => {
            scales(call, 1)?;
            zero_points(call, 2)?;
            if call.output().dtype == "int32" {
                scales(call, 3).and_then(|_| zero_points(call, 4)).map(drop)
            } else {
                result(3, 4)
            }
        }
        Form::Product => activation(0, 4, 2).and_then(|()| weight(call)),
        Form::Binary => activation(0, 2, 3)
            .and_then(|()| activation(1, 4, 5))
            .and_then(|()| result(6, 7)),
        Form::Unary => activation(0, 1, 2).and_then(|()| result(3, 4)),
        Form::Concatenate => {
            let fields = (call.operands.len() - 2) / 3;
            for field in 0..fields {
                activation(field, fields + field, 2 * fields + field)?;
            }
            result(3 * fields, 3 * fields + 1)
        }
    }
}

fn dtype(call: &Call, operand: usize) -> Result<&str, RelayError> {
    let missing = || call.attrs.refuse(format!("it has no operand {operand}"));
    let operand = call.operands.get(operand).ok_or_else(missing)?;
    Ok(&operand.ty.dtype)
}

/// Weights are constants with one scale, or one per output channel.
fn weight(call: &Call) -> Result<(), RelayError> {
    let weight = &call.operands[1];
    call.attrs.ensure(weight.is_constant(), || {
        "its weights are not constants: bind the parameters first".to_string()
    })?;
    let (scales, zero_points) = (scales(call, 5)?, zero_points(call, 3)?);
    let axis = match call.op.as_str() {
        "qnn.dense" => Some(0),
        _ => call.attrs.text("kernel_layout")?.find('O'),
    };
    let channels = axis.and_then(|axis| weight.ty.shape.get(axis)).copied();
    let fits = |count: usize| count == 1 || Some(count) == channels;
    call.attrs
        .ensure(fits(scales.len()) && fits(zero_points.len()), || {
            format!(
                "its weights have {} scales, and TensorRT has one per output channel: quantise them so, or per tensor",
                scales.len()
            )
        })
}
