//! Operators that take parts of a tensor.

use super::pick::inside;
use super::several::Writer;
use super::{Meaning, op};
use crate::graph::{Op, Range};
use crate::relay::attrs::Attrs;
use crate::relay::error::RelayError;
use crate::relay::expr::{Call, TensorType};

/// The lengths come from the result types, so sections and indices mean the same.
pub fn split(call: &Call) -> Result<Meaning, RelayError> {
    let axis = call.attrs.axis("axis", call.x().len())?;
    let length = |ty: &TensorType| ty.shape.get(axis).copied();
    let lengths: Option<Vec<usize>> = call.outputs.iter().map(length).collect();
    let lengths = lengths.ok_or_else(|| call.attrs.refuse("its results lack the axis"))?;
    let whole: usize = lengths.iter().sum();
    call.attrs.ensure(whole == call.x()[axis], || {
        format!("its results have {whole} of {} elements", call.x()[axis])
    })?;
    Ok(Meaning::Split { axis, lengths })
}

/// The lengths come from the result type; only where it starts and its steps are read.
pub fn strided_slice(call: &Call) -> Result<Meaning, RelayError> {
    let (x, out) = (call.x(), &call.output().shape);
    call.attrs
        .ensure(x.len() == out.len(), || "it changes the rank".to_string())?;
    let starts = starts(&call.attrs, x)?;
    if starts.iter().any(|(_, step)| *step < 0) {
        return backwards(call, &starts);
    }
    let mut ranges = Vec::new();
    for (axis, (begin, step)) in starts.into_iter().enumerate() {
        let step = usize::try_from(step).ok().filter(|step| *step > 0);
        let step = step.ok_or_else(|| call.attrs.refuse("a stride is zero"))?;
        let range = Range {
            axis,
            start: begin,
            len: out[axis],
            step,
        };
        let whole = Range {
            axis,
            start: 0,
            len: x[axis],
            step: 1,
        };
        if range != whole {
            ranges.push(range);
        }
    }
    op(Op::Slice { ranges }, 1)
}

/// No layer goes backwards: each element of such an axis is a slice of its own.
fn backwards(call: &Call, starts: &[(usize, i64)]) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let mut x = writer.operand(0)?;
    for (axis, (begin, step)) in starts.iter().enumerate() {
        let last = call.x()[axis] as i64 - 1;
        // A start behind the last element is the last one where it goes backwards.
        let first = if *step < 0 {
            (*begin as i64).min(last)
        } else {
            *begin as i64
        };
        let place = |i: usize| first + i as i64 * step;
        let places: Vec<i64> = (0..call.output().shape[axis]).map(place).collect();
        let indices = inside(call, &places, call.x()[axis], "")?;
        x = writer.pick(x, axis, &indices)?;
    }
    writer.finish(x)
}

/// Per axis the first element and the stride. TVM's own JSON graphs have them resolved, as `start` and `strides`.
pub fn starts(attrs: &Attrs, x: &[usize]) -> Result<Vec<(usize, i64)>, RelayError> {
    let resolved = !attrs.has("begin");
    let begin = attrs.ints(if resolved { "start" } else { "begin" })?;
    let begin = begin.ok_or_else(|| attrs.refuse("its bounds are computed at run time"))?;
    // With sizes instead of ends, TVM ignores strides.
    let sized = !resolved && attrs.text("slice_mode")? == "size";
    let strides = attrs.ints("strides")?.filter(|_| !sized);
    let axes = if attrs.has("axes") {
        attrs.ints("axes")?
    } else {
        None
    };
    let axes = axes.unwrap_or_else(|| (0..begin.len() as i64).collect());
    let mut starts = vec![(0, 1); x.len()];
    for (i, (axis, begin)) in axes.iter().zip(begin).enumerate() {
        let axis = attrs.in_rank(*axis, x.len())?;
        let size = x[axis] as i64;
        let from_front = if begin < 0 { begin + size } else { begin };
        let stride = strides.as_ref().and_then(|s| s.get(i)).copied();
        starts[axis] = (from_front.clamp(0, size) as usize, stride.unwrap_or(1));
    }
    Ok(starts)
}
