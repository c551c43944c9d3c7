//! Operators that slide windows over maps: one rule for any number of axes.

use super::{Result, Shape, ensure, rank4};
use crate::graph::{Conv2d, ConvNd, DeconvNd, Pool2d, PoolNd, Resize2d};

/// A convolution's geometry, per axis.
pub(super) struct Kernel<'a> {
    stride: &'a [usize],
    dilation: &'a [usize],
    pads: Vec<[usize; 2]>,
    groups: usize,
}

impl<'a> Kernel<'a> {
    pub fn two(conv: &'a Conv2d) -> Kernel<'a> {
        Kernel {
            stride: &conv.stride,
            dilation: &conv.dilation,
            pads: conv.padding.pairs().to_vec(),
            groups: conv.groups,
        }
    }

    pub fn nd<const N: usize>(conv: &'a ConvNd<N>) -> Kernel<'a> {
        Kernel {
            stride: &conv.stride,
            dilation: &conv.dilation,
            pads: conv.padding.pairs().to_vec(),
            groups: conv.groups,
        }
    }
}

/// A pooling's geometry, per axis.
pub(super) struct Windows<'a> {
    window: &'a [usize],
    stride: &'a [usize],
    dilation: &'a [usize],
    pads: Vec<[usize; 2]>,
    ceil: bool,
}

impl<'a> Windows<'a> {
    pub fn two(pool: &'a Pool2d) -> Windows<'a> {
        Windows {
            window: &pool.window,
            stride: &pool.stride,
            dilation: &pool.dilation,
            pads: pool.padding.pairs().to_vec(),
            ceil: pool.ceil_mode,
        }
    }

    pub fn nd<const N: usize>(pool: &'a PoolNd<N>) -> Windows<'a> {
        Windows {
            window: &pool.window,
            stride: &pool.stride,
            dilation: &pool.dilation,
            pads: pool.padding.pairs().to_vec(),
            ceil: pool.ceil_mode,
        }
    }
}

/// `[N, C]` and the map of a tensor whose map has `axes` axes.
fn map(x: &[usize], axes: usize) -> Result<([usize; 2], &[usize])> {
    match x {
        [n, c, map @ ..] if map.len() == axes => Ok(([*n, *c], map)),
        _ if axes == 2 => rank4(x).map(|[n, c, ..]| ([n, c], &x[2..])),
        _ => Err(format!("needs a map of {axes} axes, got {x:?}")),
    }
}

pub(super) fn conv(x: &[usize], w: &[usize], conv: &Kernel<'_>) -> Result<Shape> {
    let axes = conv.stride.len();
    let ([n, c], sides) = map(x, axes)?;
    let ([out, per_group], kernel) = map(w, axes)?;
    let groups = conv.groups;
    ensure(
        groups > 0 && c == per_group.saturating_mul(groups) && out % groups == 0,
        || format!("weight {w:?} with {groups} groups does not fit {c} input channels"),
    )?;
    let mut shape = vec![n, out];
    for (i, (size, window)) in sides.iter().zip(kernel).enumerate() {
        let (stride, dilation) = (conv.stride[i], conv.dilation[i]);
        let side = windows(*size, *window, stride, conv.pads[i], dilation, false)?;
        shape.push(side);
    }
    Ok(shape)
}

pub(super) fn deconv<const N: usize>(x: &[usize], w: &[usize], deconv: &DeconvNd<N>) -> Result<Shape> {
    let ([n, c], sides) = map(x, N)?;
    let ([inputs, per_group], kernel) = map(w, N)?;
    let groups = deconv.groups;
    ensure(groups > 0 && c == inputs && c % groups == 0, || {
        format!("weight {w:?} with {groups} groups does not fit {c} input channels")
    })?;
    let out = per_group.checked_mul(groups).ok_or("too many output channels")?;
    let mut shape = vec![n, out];
    for (i, [before, after]) in deconv.padding.pairs().into_iter().enumerate() {
        let (stride, more) = (deconv.stride[i], deconv.output_padding[i]);
        ensure(kernel[i] > 0 && stride > 0 && sides[i] > 0, || {
            "window, stride and map must be at least 1".into()
        })?;
        ensure(more == 0 || more < stride, || {
            format!("output padding {more} is not less than the stride {stride}")
        })?;
        let whole = (sides[i] - 1)
            .checked_mul(stride)
            .and_then(|s| s.checked_add(kernel[i]))
            .ok_or("stride or window is too large")?;
        // Output padding takes back what padding cuts off at the end, and puts zeros behind that.
        let cut = before.checked_add(after.saturating_sub(more));
        let reached = cut.and_then(|cut| whole.checked_sub(cut)).filter(|s| *s > 0);
        let reached = reached.ok_or_else(|| format!("padding leaves nothing of axis {}", 2 + i))?;
        let side = reached.checked_add(more.saturating_sub(after));
        shape.push(side.ok_or("output padding is too large")?);
    }
    Ok(shape)
}

pub(super) fn pool(x: &[usize], pool: &Windows<'_>) -> Result<Shape> {
    let ([n, c], sides) = map(x, pool.window.len())?;
    let mut shape = vec![n, c];
    for (i, (size, window)) in sides.iter().zip(pool.window).enumerate() {
        let (stride, dilation) = (pool.stride[i], pool.dilation[i]);
        let side = windows(*size, *window, stride, pool.pads[i], dilation, pool.ceil)?;
        shape.push(side);
    }
    Ok(shape)
}

pub(super) fn resize(x: &[usize], resize: &Resize2d) -> Result<Shape> {
    let [n, c, ..] = rank4(x)?;
    let [h, w] = resize.output;
    ensure(h > 0 && w > 0, || format!("a map cannot become {h}x{w}"))?;
    Ok(vec![n, c, h, w])
}

pub(super) fn adaptive(x: &[usize], h: usize, w: usize) -> Result<Shape> {
    let [n, c, in_h, in_w] = rank4(x)?;
    ensure((1..=in_h).contains(&h) && (1..=in_w).contains(&w), || {
        format!("output {h}x{w} does not fit a map of {in_h}x{in_w}")
    })?;
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
