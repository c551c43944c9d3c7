//! What only constants go into is a constant.

use super::Edit;
use super::values::{Values, concatenated};
use crate::graph::{Activation, Op, TensorId, UnaryKind};

/// Constants up to this many elements may be made, however small what they are made of.
const SMALL: usize = 1 << 16;

/// A node over constants becomes a weight. What the network returns stays computed by a node, which passes the weight on.
pub(super) fn fold(edit: &mut Edit, node: usize) -> bool {
    let output = edit.node(node).output;
    let inputs = edit.node(node).inputs.clone();
    let returned = edit.is_output(output);
    let passes = matches!(edit.op(node), Op::Reshape { .. }) && edit.shape(inputs[0]) == edit.shape(output);
    if !inputs.iter().all(|id| edit.is_weight(*id)) || (returned && passes) {
        return false;
    }
    let size = |id: &TensorId| edit.shape(*id).iter().product::<usize>();
    let most = inputs.iter().map(size).sum::<usize>().max(SMALL);
    let (op, shape) = (edit.op(node).clone(), edit.shape(output).to_vec());
    if size(&output) > most {
        return false;
    }
    let Some(values) = evaluate(edit, &op, &inputs, &shape) else {
        return false;
    };
    let name = edit.tensor(output).name.clone();
    let folded = edit.weight(&name, &shape, &values);
    if returned {
        let dims = vec![0; shape.len()];
        edit.set(node, Op::Reshape { dims }, &[folded]);
    } else {
        edit.replace(output, folded);
    }
    true
}

/// The elements of `op` over float32 weights; `None` for an operator that is left to a device.
pub(super) fn evaluate(edit: &Edit, op: &Op, inputs: &[TensorId], shape: &[usize]) -> Option<Vec<f32>> {
    let operand = |index: usize| -> Option<Values> {
        let id = inputs[index];
        Some(Values {
            shape: edit.shape(id).to_vec(),
            data: edit.values(id)?,
        })
    };
    let each = |of: &dyn Fn(f64) -> f64| -> Option<Vec<f32>> {
        let x = operand(0)?;
        Some(x.data.iter().map(|v| of(f64::from(*v)) as f32).collect())
    };
    match op {
        Op::Binary(kind) => Some(operand(0)?.joined(*kind, &operand(1)?, shape)),
        Op::Unary(kind) => {
            let of = function(*kind)?;
            each(&of)
        }
        Op::Activation(activation) => each(&|v| activate(*activation, v)),
        Op::Flatten | Op::Reshape { .. } | Op::Squeeze { .. } | Op::ExpandDims { .. } => {
            Some(operand(0)?.data)
        }
        Op::Transpose { axes } => Some(operand(0)?.transposed(axes)),
        Op::Slice { ranges } => Some(operand(0)?.sliced(ranges, shape)),
        Op::Pad(pad) => Some(operand(0)?.padded(pad, shape)),
        Op::Reduce { kind, axes, .. } => Some(operand(0)?.reduced(*kind, axes)),
        Op::Concat { axis } => {
            let parts: Option<Vec<Values>> = (0..inputs.len()).map(operand).collect();
            Some(concatenated(&parts?, *axis))
        }
        Op::Conv1d(_)
        | Op::Conv2d(_)
        | Op::Conv3d(_)
        | Op::Deconv2d(_)
        | Op::Deconv3d(_)
        | Op::BiasAdd { .. }
        | Op::BatchNorm { .. }
        | Op::LayerNorm { .. }
        | Op::PRelu
        | Op::Pool2d(_)
        | Op::Pool3d(_)
        | Op::Resize2d(_)
        | Op::GlobalPool(_)
        | Op::AdaptivePool { .. }
        | Op::Lrn(_)
        | Op::Dense
        | Op::BatchMatmul { .. }
        | Op::Softmax { .. } => None,
    }
}

fn activate(activation: Activation, v: f64) -> f64 {
    match activation {
        Activation::Relu => v.max(0.0),
        Activation::Clip { min, max } => v.clamp(min.into(), max.into()),
        Activation::LeakyRelu { alpha } if v < 0.0 => v * f64::from(alpha),
        Activation::LeakyRelu { .. } => v,
        Activation::Sigmoid => 1.0 / (1.0 + (-v).exp()),
        Activation::Tanh => v.tanh(),
    }
}

fn function(kind: UnaryKind) -> Option<fn(f64) -> f64> {
    Some(match kind {
        UnaryKind::Exp => f64::exp,
        UnaryKind::Log => f64::ln,
        UnaryKind::Sqrt => f64::sqrt,
        UnaryKind::Abs => f64::abs,
        UnaryKind::Neg => |v| -v,
        UnaryKind::Floor => f64::floor,
        UnaryKind::Ceil => f64::ceil,
        UnaryKind::Sin => f64::sin,
        UnaryKind::Cos => f64::cos,
        UnaryKind::Tan => f64::tan,
        UnaryKind::Sinh => f64::sinh,
        UnaryKind::Cosh => f64::cosh,
        UnaryKind::Asin => f64::asin,
        UnaryKind::Acos => f64::acos,
        UnaryKind::Atan => f64::atan,
        UnaryKind::Asinh => f64::asinh,
        UnaryKind::Acosh => f64::acosh,
        UnaryKind::Atanh => f64::atanh,
        UnaryKind::Erf => return None,
    })
}
