//! Operators that move data.

use super::several::kept_rows;
use super::{Meaning, op};
use crate::graph::Op;
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn concatenate(call: &Call) -> Result<Meaning, RelayError> {
    let axis = call.attrs.axis("axis", call.x().len())?;
    op(Op::Concat { axis }, call.operands.len())
}

pub fn batch_flatten(_: &Call) -> Result<Meaning, RelayError> {
    op(Op::Flatten, 1)
}

/// Taken from the shapes, so that every spelling of Relay's reshape means the same, `reshape_like` too; a kept first
/// dimension is the batch, whatever its size.
pub fn reshape(call: &Call) -> Result<Meaning, RelayError> {
    let dims = kept_rows(call.x(), &call.output().shape);
    op(Op::Reshape { dims }, 1)
}

pub fn squeeze(call: &Call) -> Result<Meaning, RelayError> {
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

pub fn expand_dims(call: &Call) -> Result<Meaning, RelayError> {
    let attrs = &call.attrs;
    let count =
        usize::try_from(attrs.int("num_newaxis")?).map_err(|_| attrs.refuse("a negative number of axes"))?;
    let axis = attrs.axis("axis", call.x().len() + 1)?;
    op(Op::ExpandDims { axis, count }, 1)
}

pub fn transpose(call: &Call) -> Result<Meaning, RelayError> {
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
pub fn layout_transform(call: &Call) -> Result<Meaning, RelayError> {
    let (from, to) = (call.attrs.text("src_layout")?, call.attrs.text("dst_layout")?);
    let plain = from.chars().all(|letter| letter.is_ascii_uppercase());
    let axes: Option<Vec<usize>> = to.chars().map(|letter| from.find(letter)).collect();
    match axes.filter(|axes| plain && axes.len() == from.len()) {
        Some(axes) => op(Op::Transpose { axes }, 1),
        None => Err(call
            .attrs
            .refuse(format!("from {from} to {to} is no permutation"))),
    }
}
