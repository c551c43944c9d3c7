//! Padding: by a constant, or by elements of the operand.

use super::several::Writer;
use super::{Meaning, op};
use crate::graph::{Op, Pad, Range};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

/// Which element lies outside a map.
#[derive(Clone, Copy)]
enum Beyond {
    /// The one at the edge.
    Edge,
    /// As if the edge element were a mirror: it is not repeated.
    Reflected,
    /// As if a mirror stood behind the edge element: it is repeated.
    Symmetric,
}

pub fn pad(call: &Call) -> Result<Meaning, RelayError> {
    let attrs = &call.attrs;
    let mode = if attrs.has("pad_mode") {
        attrs.text("pad_mode")?
    } else {
        "constant".to_string()
    };
    match mode.as_str() {
        "constant" => constant(call),
        "edge" => beyond(call, Beyond::Edge),
        "reflect" => beyond(call, Beyond::Reflected),
        other => Err(attrs.refuse(format!("pad_mode is `{other}`, not constant, edge or reflect"))),
    }
}

pub fn mirror_pad(call: &Call) -> Result<Meaning, RelayError> {
    match call.attrs.text("mode")?.as_str() {
        "REFLECT" => beyond(call, Beyond::Reflected),
        "SYMMETRIC" => beyond(call, Beyond::Symmetric),
        other => Err(call
            .attrs
            .refuse(format!("its mode is `{other}`, not REFLECT or SYMMETRIC"))),
    }
}

/// Negative widths cut off: a slice, and a padding of what is left where the other widths are positive.
fn constant(call: &Call) -> Result<Meaning, RelayError> {
    let widths = signed_widths(call)?;
    let part = |end: usize| -> Vec<usize> { widths.iter().map(|w| w[end].max(0) as usize).collect() };
    let pad = Pad {
        before: part(0),
        after: part(1),
        value: pad_value(call)?,
    };
    let mut ranges = Vec::new();
    for (axis, (width, size)) in widths.iter().zip(call.x()).enumerate() {
        let [start, end] = width.map(|w| w.min(0).unsigned_abs() as usize);
        let len = size.checked_sub(start + end).filter(|len| *len > 0);
        let len = len.ok_or_else(|| {
            call.attrs
                .refuse(format!("pad width {width:?} of {size} elements"))
        })?;
        ranges.extend((len < *size).then_some(Range {
            axis,
            start,
            len,
            step: 1,
        }));
    }
    if ranges.is_empty() {
        return op(Op::Pad(pad), 1);
    }
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let mut x = writer.apply(Op::Slice { ranges }, &[x])?;
    if pad.before.iter().chain(&pad.after).any(|width| *width > 0) {
        x = writer.apply(Op::Pad(pad), &[x])?;
    }
    writer.finish(x)
}

/// Slices and a concatenation per padded axis: exact, and layers that every TensorRT has.
fn beyond(call: &Call, kind: Beyond) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let mut x = writer.operand(0)?;
    for (axis, (before, after)) in widths(call)?.into_iter().enumerate() {
        let size = writer.shape(x)[axis];
        let reach = before.max(after);
        call.attrs.ensure(reach <= kind.furthest(size), || {
            format!("padding of {reach} is too much for an axis of {size}")
        })?;
        let places = -(before as i64)..(size + after) as i64;
        let indices: Vec<usize> = places.map(|place| kind.source(place, size)).collect();
        x = writer.pick(x, axis, &indices)?;
    }
    writer.finish(x)
}

impl Beyond {
    /// The element that stands at `place`, which may be outside `size` elements.
    fn source(self, place: i64, size: usize) -> usize {
        let last = size as i64 - 1;
        let source = match self {
            Beyond::Edge => place.clamp(0, last),
            Beyond::Reflected if place < 0 => -place,
            Beyond::Symmetric if place < 0 => -place - 1,
            Beyond::Reflected if place > last => 2 * last - place,
            Beyond::Symmetric if place > last => 2 * last - place + 1,
            Beyond::Reflected | Beyond::Symmetric => place,
        };
        source as usize
    }

    /// The widest padding of an axis of `size` elements.
    fn furthest(self, size: usize) -> usize {
        match self {
            Beyond::Edge => usize::MAX,
            Beyond::Reflected => size.saturating_sub(1),
            Beyond::Symmetric => size,
        }
    }
}

fn signed_widths(call: &Call) -> Result<Vec<[i64; 2]>, RelayError> {
    let width = pad_width(call)?;
    let rank = call.x().len();
    call.attrs.ensure(width.len() == rank, || {
        format!("{} pad widths for rank {rank}", width.len())
    })?;
    Ok(width)
}

fn widths(call: &Call) -> Result<Vec<(usize, usize)>, RelayError> {
    let pairs = signed_widths(call)?
        .into_iter()
        .map(|pair| match pair.map(usize::try_from) {
            [Ok(before), Ok(after)] => Ok((before, after)),
            _ => Err(call.attrs.refuse(format!("pad width {pair:?}"))),
        });
    pairs.collect()
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
        [value] if !value.is_nan() => Ok(value),
        ref other => Err(call.attrs.refuse(format!("its fill value is {other:?}"))),
    }
}
