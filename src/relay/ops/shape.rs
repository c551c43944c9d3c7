//! Operators that move data.

use super::{op, Taken};
use crate::graph::{Op, Pad};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn pad(call: &Call) -> Result<Taken, RelayError> {
    let attrs = &call.attrs;
    if attrs.has("pad_mode") {
        attrs.one_of("pad_mode", &["constant"])?;
    }
    let mut pad = Pad {
        before: Vec::new(),
        after: Vec::new(),
        value: pad_value(call)?,
    };
    for pair in pad_width(call)? {
        match pair.map(usize::try_from) {
            [Ok(before), Ok(after)] => {
                pad.before.push(before);
                pad.after.push(after);
            }
            _ => return Err(attrs.refuse(format!("pad width {pair:?}"))),
        }
    }
    op(Op::Pad(pad), 1)
}

/// TVM's own JSON graphs say `[before, before, after, after]` of the last two axes.
fn pad_width(call: &Call) -> Result<Vec<[i64; 2]>, RelayError> {
    if call.attrs.has("pad_width") {
        return call.attrs.pairs("pad_width");
    }
    let mut width = vec![[0, 0]; call.x().len().saturating_sub(2)];
    match call.attrs.ints("padding")?.unwrap_or_default()[..] {
        [top, left, bottom, right] => width.extend([[top, bottom], [left, right]]),
        ref other => return Err(call.attrs.refuse(format!("padding {other:?}"))),
    }
    Ok(width)
}

fn pad_value(call: &Call) -> Result<f32, RelayError> {
    let value = call.operands.get(1).and_then(|operand| operand.value());
    let value = value.ok_or_else(|| call.attrs.refuse("its fill value is not a constant"))?;
    match value.to_numbers()?[..] {
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
    let out = &call.output().shape;
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

/// Between layouts of single letters: `NCHW` and `NHWC`, `NCDHW` and `NDHWC`, and any other permutation.
pub fn layout_transform(call: &Call) -> Result<Taken, RelayError> {
    let (from, to) = (
        call.attrs.text("src_layout")?,
        call.attrs.text("dst_layout")?,
    );
    let plain = from.chars().all(|letter| letter.is_ascii_uppercase());
    let axes: Option<Vec<usize>> = to.chars().map(|letter| from.find(letter)).collect();
    match axes.filter(|axes| plain && axes.len() == from.len()) {
        Some(axes) => op(Op::Transpose { axes }, 1),
        None => Err(call
            .attrs
            .refuse(format!("from {from} to {to} is no permutation"))),
    }
}
