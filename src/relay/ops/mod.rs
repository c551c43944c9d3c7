//! One reader per Relay operator: attributes into a typed [`Op`], or the reason not to.

mod conv;
mod elementwise;
mod normalise;
mod pool;
mod shape;

use super::error::RelayError;
use super::expr::Call;
use crate::graph::{infer_shape, Op};

/// What a call means.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// An operator over the call's first `operands` operands.
    Op { op: Op, operands: usize },
    /// The first operand itself.
    Identity,
}

type Reader = fn(&Call) -> Result<Taken, RelayError>;

/// Every operator we take, by Relay's name.
pub const READERS: &[(&str, Reader)] = &[
    ("nn.conv2d", conv::conv2d),
    ("nn.dense", conv::dense),
    ("nn.bias_add", conv::bias_add),
    ("nn.batch_norm", normalise::batch_norm),
    ("nn.lrn", normalise::lrn),
    ("nn.softmax", normalise::softmax),
    ("sum", normalise::reduce),
    ("prod", normalise::reduce),
    ("max", normalise::reduce),
    ("min", normalise::reduce),
    ("mean", normalise::reduce),
    ("nn.relu", elementwise::relu),
    ("clip", elementwise::clip),
    ("nn.leaky_relu", elementwise::leaky_relu),
    ("sigmoid", elementwise::sigmoid),
    ("tanh", elementwise::tanh),
    ("nn.prelu", elementwise::prelu),
    ("add", elementwise::binary),
    ("subtract", elementwise::binary),
    ("multiply", elementwise::binary),
    ("maximum", elementwise::binary),
    ("minimum", elementwise::binary),
    ("nn.dropout", elementwise::dropout),
    ("nn.max_pool2d", pool::max_pool2d),
    ("nn.avg_pool2d", pool::avg_pool2d),
    ("nn.global_max_pool2d", pool::global),
    ("nn.global_avg_pool2d", pool::global),
    ("nn.adaptive_max_pool2d", pool::adaptive),
    ("nn.adaptive_avg_pool2d", pool::adaptive),
    ("nn.pad", shape::pad),
    ("concatenate", shape::concatenate),
    ("nn.batch_flatten", shape::batch_flatten),
    ("reshape", shape::reshape),
    ("squeeze", shape::squeeze),
    ("expand_dims", shape::expand_dims),
    ("transpose", shape::transpose),
];

/// Reads a call's attributes.
pub fn read(call: &Call) -> Result<Taken, RelayError> {
    match READERS.iter().find(|(name, _)| *name == call.op) {
        Some((_, reader)) => reader(call),
        None => Err(RelayError::UnknownOp(call.op.clone())),
    }
}

/// Checks types: float32 throughout, activations with a batch, and the shape that TVM infers is the one we infer.
pub fn check(call: &Call, taken: &Taken) -> Result<(), RelayError> {
    let Taken::Op { op, operands } = taken else {
        return Ok(());
    };
    let used = &call.operands[..*operands];
    let attrs = &call.attrs;
    if let Some(other) = used.iter().find(|o| o.ty.dtype != "float32") {
        return Err(attrs.refuse(format!("an operand is {}, not float32", other.ty.dtype)));
    }
    attrs.ensure(call.output.dtype == "float32", || {
        format!("its result is {}, not float32", call.output.dtype)
    })?;
    attrs.ensure(used.iter().any(|o| !o.constant), || {
        "all its operands are constant".to_string()
    })?;
    let batched = |shape: &[usize]| !shape.is_empty() && !shape.contains(&0);
    let activations = used.iter().filter(|o| !o.constant).map(|o| &o.ty.shape);
    attrs.ensure(
        activations.chain([&call.output.shape]).all(|s| batched(s)),
        || "a tensor without dimensions or elements has no batch".to_string(),
    )?;
    let shapes: Vec<&[usize]> = used.iter().map(|o| o.ty.shape.as_slice()).collect();
    let inferred = infer_shape(op, &shapes).map_err(|reason| attrs.refuse(reason))?;
    attrs.ensure(inferred == call.output.shape, || {
        format!(
            "its result is {:?} for TVM, {inferred:?} for us",
            call.output.shape
        )
    })
}

fn op(op: Op, operands: usize) -> Result<Taken, RelayError> {
    Ok(Taken::Op { op, operands })
}

/// Refuses a weight that is computed at run time.
fn require_constant(call: &Call, from: usize) -> Result<(), RelayError> {
    call.attrs
        .ensure(call.operands[from..].iter().all(|o| o.constant), || {
            "its weights are not constants: bind the parameters first".to_string()
        })
}
