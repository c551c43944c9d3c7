//! Operators that move elements or join them along axes.

use super::{Result, Shape, axis_of, elements, ensure};
use crate::graph::{Pad, Range};

pub(super) fn concat(axis: usize, inputs: &[&[usize]]) -> Result<Shape> {
    let mut shape = inputs[0].to_vec();
    axis_of(&shape, axis)?;
    for other in &inputs[1..] {
        let same = other.len() == shape.len() && (0..shape.len()).all(|i| i == axis || other[i] == shape[i]);
        ensure(same, || {
            format!("{other:?} does not join {shape:?} along axis {axis}")
        })?;
        shape[axis] = shape[axis]
            .checked_add(other[axis])
            .ok_or("the joined axis is too large")?;
    }
    Ok(shape)
}

pub(super) fn padded(pad: &Pad, x: &[usize]) -> Result<Shape> {
    ensure(pad.before.len() == x.len() && pad.after.len() == x.len(), || {
        format!(
            "{} and {} pad widths for rank {}",
            pad.before.len(),
            pad.after.len(),
            x.len()
        )
    })?;
    x.iter()
        .zip(pad.before.iter().zip(&pad.after))
        .map(|(d, (b, a))| {
            d.checked_add(*b)
                .and_then(|s| s.checked_add(*a))
                .ok_or("padding is too large".into())
        })
        .collect()
}

pub(super) fn reduce(axes: &[usize], keepdims: bool, x: &[usize]) -> Result<Shape> {
    for axis in axes {
        axis_of(x, *axis)?;
    }
    let keep = |i: usize, d: usize| match (axes.contains(&i), keepdims) {
        (false, _) => Some(d),
        (true, true) => Some(1),
        (true, false) => None,
    };
    Ok(x.iter().enumerate().filter_map(|(i, d)| keep(i, *d)).collect())
}

pub(super) fn flatten(x: &[usize]) -> Result<Shape> {
    let n = axis_of(x, 0)?;
    Ok(vec![n, elements(&x[1..])?])
}

pub(super) fn reshape(dims: &[i64], x: &[usize]) -> Result<Shape> {
    let total = elements(x)?;
    ensure(dims.iter().filter(|d| **d == -1).count() <= 1, || {
        "more than one -1".into()
    })?;
    let known = |(i, d): (usize, &i64)| match *d {
        0 => axis_of(x, i),
        -1 => Ok(1),
        d => usize::try_from(d).map_err(|_| format!("dimension {d} is not allowed")),
    };
    let mut shape = dims.iter().enumerate().map(known).collect::<Result<Shape>>()?;
    let product = elements(&shape)?;
    if let Some(free) = dims.iter().position(|d| *d == -1) {
        ensure(product > 0 && total % product == 0, || {
            format!("{x:?} does not reshape to {dims:?}")
        })?;
        shape[free] = total / product;
    } else {
        ensure(product == total, || format!("{x:?} does not reshape to {dims:?}"))?;
    }
    Ok(shape)
}

pub(super) fn squeeze(axes: &[usize], x: &[usize]) -> Result<Shape> {
    for axis in axes {
        let d = axis_of(x, *axis)?;
        ensure(d == 1, || format!("axis {axis} of {x:?} is not 1"))?;
    }
    Ok(x.iter()
        .enumerate()
        .filter(|(i, _)| !axes.contains(i))
        .map(|(_, d)| *d)
        .collect())
}

pub(super) fn expand_dims(axis: usize, count: usize, x: &[usize]) -> Result<Shape> {
    ensure(axis <= x.len() && count <= 8, || {
        format!("{count} axes at {axis} do not fit {x:?}")
    })?;
    let mut shape = x.to_vec();
    shape.splice(axis..axis, std::iter::repeat_n(1, count));
    Ok(shape)
}

pub(super) fn transpose(axes: &[usize], x: &[usize]) -> Result<Shape> {
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    ensure(sorted.iter().copied().eq(0..x.len()), || {
        format!("axes {axes:?} are no permutation of rank {}", x.len())
    })?;
    Ok(axes.iter().map(|a| x[*a]).collect())
}

pub(super) fn slice(ranges: &[Range], x: &[usize]) -> Result<Shape> {
    let mut shape = x.to_vec();
    let mut seen = vec![false; x.len()];
    for range in ranges {
        let size = axis_of(x, range.axis)?;
        let last = range
            .len
            .checked_sub(1)
            .and_then(|steps| steps.checked_mul(range.step))
            .and_then(|reach| reach.checked_add(range.start));
        ensure(range.step > 0 && last.is_some_and(|l| l < size), || {
            format!("{range:?} is not inside {x:?}")
        })?;
        ensure(!std::mem::replace(&mut seen[range.axis], true), || {
            format!("axis {} is sliced twice", range.axis)
        })?;
        shape[range.axis] = range.len;
    }
    Ok(shape)
}
