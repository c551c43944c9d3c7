//! Normalisations, reductions and softmax.

use super::order::Order;
use super::{Change, Meaning, op, require_constant};
use crate::graph::{Lrn, Op, ReduceKind};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn batch_norm(call: &Call) -> Result<Meaning, RelayError> {
    require_constant(call, 1)?;
    let axis = call.attrs.axis("axis", call.x().len())?;
    let epsilon = call.attrs.float("epsilon")?;
    normalisation(call, Op::BatchNorm { epsilon, axis }, 5)
}

pub fn layer_norm(call: &Call) -> Result<Meaning, RelayError> {
    require_constant(call, 1)?;
    let axis = call.attrs.axis("axis", call.x().len())?;
    let epsilon = call.attrs.float("epsilon")?;
    normalisation(call, Op::LayerNorm { epsilon, axis }, 3)
}

/// Relay may say that scale (operand 1) and centre (operand 2) do not count.
fn normalisation(call: &Call, op: Op, operands: usize) -> Result<Meaning, RelayError> {
    let mut changes = Vec::new();
    for (name, operand, value) in [("scale", 1, 1.0), ("center", 2, 0.0)] {
        if !call.attrs.flag(name)? {
            changes.push(Change::Fill { operand, value });
        }
    }
    Ok(Meaning::Op {
        op,
        operands,
        changes,
    })
}

pub fn lrn(call: &Call) -> Result<Meaning, RelayError> {
    let attrs = &call.attrs;
    let axis = attrs.axis("axis", call.x().len())?;
    let rank = call.x().len();
    attrs.ensure(axis > 0 && rank == 4, || {
        format!("axis is {axis} of rank {rank}, not the channels of a map")
    })?;
    let size = usize::try_from(attrs.int("size")?)
        .ok()
        .filter(|size| size % 2 == 1)
        .ok_or_else(|| attrs.refuse("its window is not odd"))?;
    let lrn = Lrn {
        size,
        alpha: attrs.float("alpha")?,
        beta: attrs.float("beta")?,
        bias: attrs.float("bias")?,
    };
    Ok(Order::with_channels(axis, rank).around(op(Op::Lrn(lrn), 1)?))
}

pub fn softmax(call: &Call) -> Result<Meaning, RelayError> {
    let axis = call.attrs.axis("axis", call.x().len())?;
    op(Op::Softmax { axis }, 1)
}

pub fn reduce(call: &Call) -> Result<Meaning, RelayError> {
    let attrs = &call.attrs;
    let named_kind = ReduceKind::ALL.into_iter().find(|k| k.name() == call.op);
    let kind = named_kind.ok_or_else(|| RelayError::UnknownOp(call.op.clone()))?;
    let axes = axes(call)?;
    let keepdims = attrs.flag("keepdims")?;
    op(Op::Reduce { kind, axes, keepdims }, 1)
}

/// The axes that are joined, in order.
pub fn axes(call: &Call) -> Result<Vec<usize>, RelayError> {
    let attrs = &call.attrs;
    let rank = call.x().len();
    let named: Result<Vec<usize>, RelayError> = attrs
        .ints("axis")?
        .unwrap_or_else(|| (0..rank as i64).collect())
        .into_iter()
        .map(|axis| attrs.in_rank(axis, rank))
        .collect();
    let (named, exclude) = (named?, attrs.flag("exclude")?);
    Ok((0..rank).filter(|axis| named.contains(axis) != exclude).collect())
}
