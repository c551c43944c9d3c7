//! Operators that move data.

use super::{op, Taken};
use crate::graph::{Op, Pad};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn pad(call: &Call) -> Result<Taken, RelayError> {
    let attrs = &call.attrs;
    attrs.one_of("pad_mode", &["constant"])?;
    let mut pad = Pad {
        before: Vec::new(),
        after: Vec::new(),
        value: pad_value(call)?,
    };
    for pair in attrs.pairs("pad_width")? {
        match pair[..] {
            [before, after] if before >= 0 && after >= 0 => {
                pad.before.push(before as usize);
                pad.after.push(after as usize);
            }
            _ => return Err(attrs.refuse(format!("pad width {pair:?}"))),
        }
    }
    op(Op::Pad(pad), 1)
}

fn pad_value(call: &Call) -> Result<f32, RelayError> {
    let value = &call.operands[1];
    call.attrs
        .ensure(value.constant && value.ty.dtype == "float32", || {
            "its fill value is not a float32 constant".to_string()
        })?;
    match value.value()?.to_f32()?[..] {
        [value] if value.is_finite() => Ok(value),
        ref other => Err(call.attrs.refuse(format!("its fill value is {other:?}"))),
    }
}

pub fn concatenate(call: &Call) -> Result<Taken, RelayError> {
    let axis = call.attrs.axis("axis", call.x().len())?;
    op(Op::Concat { axis }, call.operands.len())
}

pub fn batch_flatten(_: &Call) -> Result<Taken, RelayError> {
    op(Op::Flatten, 1)
}

/// Taken from the shapes, so that every spelling of Relay's reshape means the same; a kept first dimension is the
/// batch, whatever its size.
pub fn reshape(call: &Call) -> Result<Taken, RelayError> {
    let out = &call.output.shape;
    let mut dims: Vec<i64> = out.iter().map(|d| *d as i64).collect();
    if let (Some(first), Some(rows)) = (dims.first_mut(), call.x().first()) {
        if *first == *rows as i64 {
            *first = 0;
        }
    }
    op(Op::Reshape { dims }, 1)
}

pub fn squeeze(call: &Call) -> Result<Taken, RelayError> {
    let x = call.x();
    let axes = match call.attrs.ints("axis")? {
        None => (0..x.len()).filter(|axis| x[*axis] == 1).collect(),
        Some(list) => list
            .into_iter()
            .map(|axis| call.attrs.in_rank(axis, x.len()))
            .collect::<Result<Vec<usize>, RelayError>>()?,
    };
    op(Op::Squeeze { axes }, 1)
}

pub fn expand_dims(call: &Call) -> Result<Taken, RelayError> {
    let attrs = &call.attrs;
    let count = usize::try_from(attrs.int("num_newaxis")?)
        .map_err(|_| attrs.refuse("a negative number of axes"))?;
    let axis = attrs.axis("axis", call.x().len() + 1)?;
    op(Op::ExpandDims { axis, count }, 1)
}

pub fn transpose(call: &Call) -> Result<Taken, RelayError> {
    let rank = call.x().len();
    let axes = match call.attrs.ints("axes")? {
        None => (0..rank).rev().collect(),
        Some(list) => list
            .into_iter()
            .map(|axis| call.attrs.in_rank(axis, rank))
            .collect::<Result<Vec<usize>, RelayError>>()?,
    };
    op(Op::Transpose { axes }, 1)
}
