//! Shape inference: one exhaustive match, so that a new operator has to be learned here.

mod layout;
mod spatial;

use super::{Activation, Op};
use layout::{concat, expand_dims, flatten, padded, reduce, reshape, slice, squeeze, transpose};
use spatial::{Kernel, Windows, adaptive, conv, deconv, pool, resize};

type Shape = Vec<usize>;
type Result<T> = std::result::Result<T, String>;

/// The output shape of `op` over operands of the given shapes (weights included, in [`Op`]'s order).
/// The error says which operand or attribute does not fit.
pub fn infer_shape(op: &Op, inputs: &[&[usize]]) -> Result<Shape> {
    operand_count(op, inputs.len())?;
    let x = inputs[0];
    match op {
        Op::Conv1d(c) => conv(x, inputs[1], &Kernel::nd(c)),
        Op::Conv2d(c) => conv(x, inputs[1], &Kernel::two(c)),
        Op::Conv3d(c) => conv(x, inputs[1], &Kernel::nd(c)),
        Op::Deconv2d(d) => deconv(x, inputs[1], d),
        Op::Deconv3d(d) => deconv(x, inputs[1], d),
        Op::BiasAdd { axis } => per_channel(x, *axis, &inputs[1..]),
        Op::BatchNorm { axis, .. } | Op::LayerNorm { axis, .. } => per_channel(x, *axis, &inputs[1..]),
        Op::PRelu => per_channel(x, usize::from(x.len() > 1), &inputs[1..]),
        Op::Activation(activation) => activation_range(*activation).map(|()| x.to_vec()),
        Op::Lrn(_) | Op::Unary(_) => Ok(x.to_vec()),
        Op::Binary(_) => broadcast(x, inputs[1]),
        Op::Pool2d(p) => pool(x, &Windows::two(p)),
        Op::Pool3d(p) => pool(x, &Windows::nd(p)),
        Op::Resize2d(r) => resize(x, r),
        Op::GlobalPool(_) => rank4(x).map(|[n, c, ..]| vec![n, c, 1, 1]),
        Op::AdaptivePool { output: [h, w], .. } => adaptive(x, *h, *w),
        Op::Concat { axis } => concat(*axis, inputs),
        Op::Pad(pad) => padded(pad, x),
        Op::Reduce { axes, keepdims, .. } => reduce(axes, *keepdims, x),
        Op::Flatten => flatten(x),
        Op::Reshape { dims } => reshape(dims, x),
        Op::Squeeze { axes } => squeeze(axes, x),
        Op::ExpandDims { axis, count } => expand_dims(*axis, *count, x),
        Op::Transpose { axes } => transpose(axes, x),
        Op::Slice { ranges } => slice(ranges, x),
        Op::Dense => dense(x, inputs[1]),
        Op::BatchMatmul {
            transpose_a,
            transpose_b,
        } => batch_matmul(x, *transpose_a, inputs[1], *transpose_b),
        Op::Softmax { axis } => axis_of(x, *axis).map(|_| x.to_vec()),
    }
}

fn operand_count(op: &Op, count: usize) -> Result<()> {
    let (least, most) = match op {
        Op::Conv1d(_)
        | Op::Conv2d(_)
        | Op::Conv3d(_)
        | Op::Deconv2d(_)
        | Op::Deconv3d(_)
        | Op::BiasAdd { .. }
        | Op::PRelu
        | Op::Binary(_)
        | Op::Dense
        | Op::BatchMatmul { .. } => (2, 2),
        Op::LayerNorm { .. } => (3, 3),
        Op::BatchNorm { .. } => (5, 5),
        Op::Concat { .. } => (1, usize::MAX),
        Op::Activation(_)
        | Op::Unary(_)
        | Op::Pool2d(_)
        | Op::Pool3d(_)
        | Op::Resize2d(_)
        | Op::GlobalPool(_)
        | Op::AdaptivePool { .. }
        | Op::Pad(_)
        | Op::Lrn(_)
        | Op::Reduce { .. }
        | Op::Slice { .. }
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
    if holds { Ok(()) } else { Err(reason()) }
}

fn activation_range(activation: Activation) -> Result<()> {
    match activation {
        Activation::Clip { min, max } => {
            let numbers = min < f32::INFINITY && max > f32::NEG_INFINITY;
            ensure(numbers && min <= max, || {
                format!("clip to {min}..{max} leaves no number")
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

/// The number of elements of a shape; an error if it exceeds the address space.
pub fn elements(shape: &[usize]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1usize, |product, d| product.checked_mul(*d))
        .ok_or_else(|| format!("shape {shape:?} has too many elements"))
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

fn batch_matmul(a: &[usize], transpose_a: bool, b: &[usize], transpose_b: bool) -> Result<Shape> {
    let matrix = |x: &[usize], transposed: bool| match (x, transposed) {
        ([batch, m, k], false) | ([batch, k, m], true) => Ok([*batch, *m, *k]),
        _ => Err(format!("needs a [B,M,K] tensor, got {x:?}")),
    };
    let [batch_a, m, k] = matrix(a, transpose_a)?;
    let [batch_b, inner, n] = matrix(b, transpose_b)?;
    let fits = k == inner && (batch_a == batch_b || batch_a == 1 || batch_b == 1);
    ensure(fits, || format!("{a:?} and {b:?} do not multiply"))?;
    Ok(vec![batch_a.max(batch_b), m, n])
}
