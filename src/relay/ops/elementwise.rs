//! Element-wise functions of one or two tensors.

use super::order::Order;
use super::{Meaning, op, require_constant};
use crate::graph::{Activation, BinaryKind, Op, UnaryKind};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn relu(_: &Call) -> Result<Meaning, RelayError> {
    op(Op::Activation(Activation::Relu), 1)
}

/// Bounds beyond float32 are infinite, which is no bound.
pub fn clip(call: &Call) -> Result<Meaning, RelayError> {
    let (min, max) = (call.attrs.float("a_min")?, call.attrs.float("a_max")?);
    op(Op::Activation(Activation::Clip { min, max }), 1)
}

pub fn leaky_relu(call: &Call) -> Result<Meaning, RelayError> {
    let alpha = call.attrs.float("alpha")?;
    op(Op::Activation(Activation::LeakyRelu { alpha }), 1)
}

pub fn sigmoid(_: &Call) -> Result<Meaning, RelayError> {
    op(Op::Activation(Activation::Sigmoid), 1)
}

pub fn tanh(_: &Call) -> Result<Meaning, RelayError> {
    op(Op::Activation(Activation::Tanh), 1)
}

pub fn prelu(call: &Call) -> Result<Meaning, RelayError> {
    require_constant(call, 1)?;
    let rank = call.x().len();
    let axis = call.attrs.axis("axis", rank)?;
    if rank == 1 {
        return op(Op::PRelu, 2);
    }
    call.attrs.ensure(axis > 0, || {
        "axis is 0, which are the rows, not channels".to_string()
    })?;
    Ok(Order::with_channels(axis, rank).around(op(Op::PRelu, 2)?))
}

pub fn unary(call: &Call) -> Result<Meaning, RelayError> {
    let kind = UnaryKind::ALL.into_iter().find(|k| k.name() == call.op);
    let kind = kind.ok_or_else(|| RelayError::UnknownOp(call.op.clone()))?;
    op(Op::Unary(kind), 1)
}

pub fn binary(call: &Call) -> Result<Meaning, RelayError> {
    let kind = match call.op.as_str() {
        "add" => BinaryKind::Add,
        "subtract" => BinaryKind::Sub,
        "multiply" => BinaryKind::Mul,
        "divide" => BinaryKind::Div,
        "power" => BinaryKind::Pow,
        "maximum" => BinaryKind::Max,
        "minimum" => BinaryKind::Min,
        other => return Err(RelayError::UnknownOp(other.to_string())),
    };
    op(Op::Binary(kind), 2)
}
