//! Shape inference: one exhaustive match, so that a new operator has to be learned here.

use super::{Activation, Conv2d, Op, Pad, Padding2d, Pool2d};

type Shape = Vec<usize>;
type Result<T> = std::result::Result<T, String>;

/// The output shape of `op` over operands of the given shapes (weights included, in [`Op`]'s order).
/// The error says which operand or attribute does not fit.
pub fn infer_shape(op: &Op, inputs: &[&[usize]]) -> Result<Shape> {
    operand_count(op, inputs.len())?;
    let x = inputs[0];
    match op {
        Op::Conv2d(conv) => conv2d(conv, x, inputs[1]),
        Op::BiasAdd { axis } => per_channel(x, *axis, &inputs[1..]),
        Op::BatchNorm { .. } | Op::PRelu => per_channel(x, 1, &inputs[1..]),
        Op::Activation(activation) => activation_range(*activation).map(|()| x.to_vec()),
        Op::Lrn(_) => Ok(x.to_vec()),
        Op::Binary(_) => broadcast(x, inputs[1]),
        Op::Pool2d(pool) => pool2d(pool, x),
        Op::GlobalPool(_) => rank4(x).map(|[n, c, ..]| vec![n, c, 1, 1]),
        Op::AdaptivePool { output: [h, w], .. } => adaptive(x, *h, *w),
        Op::Concat { axis } => concat(*axis, inputs),
        Op::Pad(pad) => padded(pad, x),
        Op::Mean { axes, keepdims } => mean(axes, *keepdims, x),
        Op::Flatten => flatten(x),
        Op::Reshape { dims } => reshape(dims, x),
        Op::Squeeze { axes } => squeeze(axes, x),
        Op::ExpandDims { axis, count } => expand_dims(*axis, *count, x),
        Op::Transpose { axes } => transpose(axes, x),
        Op::Dense => dense(x, inputs[1]),
        Op::Softmax { axis } => axis_of(x, *axis).map(|_| x.to_vec()),
    }
}

fn operand_count(op: &Op, count: usize) -> Result<()> {
    let (least, most) = match op {
        Op::Conv2d(_) | Op::BiasAdd { .. } | Op::PRelu | Op::Binary(_) | Op::Dense => (2, 2),
        Op::BatchNorm { .. } => (5, 5),
        Op::Concat { .. } => (1, usize::MAX),
        Op::Activation(_)
        | Op::Pool2d(_)
        | Op::GlobalPool(_)
        | Op::AdaptivePool { .. }
        | Op::Pad(_)
        | Op::Lrn(_)
        | Op::Mean { .. }
        | Op::Flatten
        | Op::Reshape { .. }
        | Op::Squeeze { .. }
        | Op::ExpandDims { .. }
        | Op::Transpose { .. }
        | Op::Softmax { .. } => (1, 1),
    };
    ensure((least..=most).contains(&count), || {
        format!("{count} operands instead of {least}")
    })
}

fn ensure(holds: bool, reason: impl FnOnce() -> String) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(reason())
    }
}

fn activation_range(activation: Activation) -> Result<()> {
    match activation {
        Activation::Clip { min, max } => {
            ensure(min.is_finite() && max.is_finite() && min <= max, || {
                format!("clip to {min}..{max} is not a finite range")
            })
        }
        Activation::LeakyRelu { alpha } => {
            ensure(alpha.is_finite(), || format!("slope {alpha} is not finite"))
        }
        Activation::Relu | Activation::Sigmoid | Activation::Tanh => Ok(()),
    }
}

fn rank4(x: &[usize]) -> Result<[usize; 4]> {
    x.try_into()
        .map_err(|_| format!("needs a [N,C,H,W] tensor, got {x:?}"))
}

fn axis_of(x: &[usize], axis: usize) -> Result<usize> {
    x.get(axis)
        .copied()
        .ok_or_else(|| format!("axis {axis} is outside the shape {x:?}"))
}

fn conv2d(conv: &Conv2d, x: &[usize], w: &[usize]) -> Result<Shape> {
    let [n, c, h, width] = rank4(x)?;
    let [out, per_group, kh, kw] = rank4(w)?;
    let groups = conv.groups;
    ensure(
        groups > 0 && c == per_group.saturating_mul(groups) && out % groups == 0,
        || format!("weight {w:?} with {groups} groups does not fit {c} input channels"),
    )?;
    let pads = conv.padding.pairs();
    let h = windows(h, kh, conv.stride[0], pads[0], conv.dilation[0], false)?;
    let width = windows(width, kw, conv.stride[1], pads[1], conv.dilation[1], false)?;
    Ok(vec![n, out, h, width])
}

fn pool2d(pool: &Pool2d, x: &[usize]) -> Result<Shape> {
    let [n, c, h, w] = rank4(x)?;
    let pads = pool.padding.pairs();
    let h = windows(
        h,
        pool.window[0],
        pool.stride[0],
        pads[0],
        pool.dilation[0],
        pool.ceil_mode,
    )?;
    let w = windows(
        w,
        pool.window[1],
        pool.stride[1],
        pads[1],
        pool.dilation[1],
        pool.ceil_mode,
    )?;
    Ok(vec![n, c, h, w])
}

/// How many windows fit along one axis; `ceil` counts a last window that only partly fits.
fn windows(
    size: usize,
    window: usize,
    stride: usize,
    pad: [usize; 2],
    dilation: usize,
    ceil: bool,
) -> Result<usize> {
    ensure(window > 0 && stride > 0 && dilation > 0, || {
        "window, stride and dilation must be at least 1".into()
    })?;
    let overflow = || "padding or window is too large".to_string();
    let padded = size
        .checked_add(pad[0])
        .and_then(|s| s.checked_add(pad[1]))
        .ok_or_else(overflow)?;
    let extent = (window - 1)
        .checked_mul(dilation)
        .and_then(|e| e.checked_add(1))
        .ok_or_else(overflow)?;
    let room = padded
        .checked_sub(extent)
        .ok_or_else(|| format!("a window of {extent} does not fit {padded} padded elements"))?;
    Ok(if ceil {
        room.div_ceil(stride)
    } else {
        room / stride
    } + 1)
}

impl Padding2d {
    /// `[[top, bottom], [left, right]]`
    pub fn pairs(&self) -> [[usize; 2]; 2] {
        [[self.top, self.bottom], [self.left, self.right]]
    }

    pub fn is_zero(&self) -> bool {
        *self == Padding2d::default()
    }
}

fn per_channel(x: &[usize], axis: usize, weights: &[&[usize]]) -> Result<Shape> {
    let channels = axis_of(x, axis)?;
    for weight in weights {
        ensure(*weight == [channels], || {
            format!("weight {weight:?} does not fit {channels} channels")
        })?;
    }
    Ok(x.to_vec())
}

fn broadcast(a: &[usize], b: &[usize]) -> Result<Shape> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| {
        if i + s.len() < rank {
            1
        } else {
            s[i + s.len() - rank]
        }
    };
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y || y == 1 => Ok(x),
            (1, y) => Ok(y),
            _ => Err(format!("shapes {a:?} and {b:?} do not broadcast")),
        })
        .collect()
}

fn adaptive(x: &[usize], h: usize, w: usize) -> Result<Shape> {
    let [n, c, in_h, in_w] = rank4(x)?;
    ensure((1..=in_h).contains(&h) && (1..=in_w).contains(&w), || {
        format!("output {h}x{w} does not fit a map of {in_h}x{in_w}")
    })?;
    Ok(vec![n, c, h, w])
}

fn concat(axis: usize, inputs: &[&[usize]]) -> Result<Shape> {
    let mut shape = inputs[0].to_vec();
    axis_of(&shape, axis)?;
    for other in &inputs[1..] {
        let same = other.len() == shape.len()
            && (0..shape.len()).all(|i| i == axis || other[i] == shape[i]);
        ensure(same, || {
            format!("{other:?} does not join {shape:?} along axis {axis}")
        })?;
        shape[axis] = shape[axis]
            .checked_add(other[axis])
            .ok_or("the joined axis is too large")?;
    }
    Ok(shape)
}

fn padded(pad: &Pad, x: &[usize]) -> Result<Shape> {
    ensure(
        pad.before.len() == x.len() && pad.after.len() == x.len(),
        || {
            format!(
                "{} and {} pad widths for rank {}",
                pad.before.len(),
                pad.after.len(),
                x.len()
            )
        },
    )?;
    x.iter()
        .zip(pad.before.iter().zip(&pad.after))
        .map(|(d, (b, a))| {
            d.checked_add(*b)
                .and_then(|s| s.checked_add(*a))
                .ok_or("padding is too large".into())
        })
        .collect()
}

fn mean(axes: &[usize], keepdims: bool, x: &[usize]) -> Result<Shape> {
    for axis in axes {
        axis_of(x, *axis)?;
    }
    let keep = |i: usize, d: usize| match (axes.contains(&i), keepdims) {
        (false, _) => Some(d),
        (true, true) => Some(1),
        (true, false) => None,
    };
    Ok(x.iter()
        .enumerate()
        .filter_map(|(i, d)| keep(i, *d))
        .collect())
}

fn flatten(x: &[usize]) -> Result<Shape> {
    let n = axis_of(x, 0)?;
    Ok(vec![n, elements(&x[1..])?])
}

/// The number of elements of a shape; an error if it exceeds the address space.
pub fn elements(shape: &[usize]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1usize, |product, d| product.checked_mul(*d))
        .ok_or_else(|| format!("shape {shape:?} has too many elements"))
}

fn reshape(dims: &[i64], x: &[usize]) -> Result<Shape> {
    let total = elements(x)?;
    ensure(dims.iter().filter(|d| **d == -1).count() <= 1, || {
        "more than one -1".into()
    })?;
    let known = |(i, d): (usize, &i64)| match *d {
        0 => axis_of(x, i),
        -1 => Ok(1),
        d => usize::try_from(d).map_err(|_| format!("dimension {d} is not allowed")),
    };
    let mut shape = dims
        .iter()
        .enumerate()
        .map(known)
        .collect::<Result<Shape>>()?;
    let product = elements(&shape)?;
    if let Some(free) = dims.iter().position(|d| *d == -1) {
        ensure(product > 0 && total % product == 0, || {
            format!("{x:?} does not reshape to {dims:?}")
        })?;
        shape[free] = total / product;
    } else {
        ensure(product == total, || {
            format!("{x:?} does not reshape to {dims:?}")
        })?;
    }
    Ok(shape)
}

fn squeeze(axes: &[usize], x: &[usize]) -> Result<Shape> {
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

fn expand_dims(axis: usize, count: usize, x: &[usize]) -> Result<Shape> {
    ensure(axis <= x.len() && count <= 8, || {
        format!("{count} axes at {axis} do not fit {x:?}")
    })?;
    let mut shape = x.to_vec();
    shape.splice(axis..axis, std::iter::repeat_n(1, count));
    Ok(shape)
}

fn transpose(axes: &[usize], x: &[usize]) -> Result<Shape> {
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    ensure(sorted.iter().copied().eq(0..x.len()), || {
        format!("axes {axes:?} are no permutation of rank {}", x.len())
    })?;
    Ok(axes.iter().map(|a| x[*a]).collect())
}

fn dense(x: &[usize], w: &[usize]) -> Result<Shape> {
    let (Some((last, rest)), [units, inputs]) = (x.split_last(), w) else {
        return Err(format!("needs [.., I] and [O, I], got {x:?} and {w:?}"));
    };
    ensure(last == inputs && !rest.is_empty(), || {
        format!("weight {w:?} does not fit input {x:?}")
    })?;
    Ok([rest, &[*units]].concat())
}
