//! Which layers take a frame of padding, each by its own rule.

use super::Frame;
use crate::graph::{Conv2d, ConvNd, DeconvNd, Op, Padding2d, PaddingNd, Pool2d, PoolKind, PoolNd};

/// The operator that does the padding itself. No element in the frame is less than `least`; `kernel` is the shape of its
/// weights, `output` that of its result.
pub(super) fn padded(op: &Op, frame: &Frame, least: f32, kernel: &[usize], output: &[usize]) -> Option<Op> {
    match op {
        Op::Conv1d(conv) => wider_conv(conv, frame).map(Op::Conv1d),
        Op::Conv3d(conv) => wider_conv(conv, frame).map(Op::Conv3d),
        Op::Conv2d(conv) => wider_conv2d(conv, frame, kernel).map(Op::Conv2d),
        Op::Deconv2d(deconv) => narrower_deconv(deconv, frame).map(Op::Deconv2d),
        Op::Deconv3d(deconv) => narrower_deconv(deconv, frame).map(Op::Deconv3d),
        Op::Pool2d(pool) => {
            let nd = wider_pool(&PoolNd::from(pool), frame, least, output)?;
            Some(Op::Pool2d(Pool2d {
                padding: Padding2d::from(nd.padding),
                count_include_pad: nd.count_include_pad,
                ..pool.clone()
            }))
        }
        Op::Pool3d(pool) => wider_pool(pool, frame, least, output).map(Op::Pool3d),
        _ => None,
    }
}

/// Zeros in front of a convolution are its padding.
fn wider_conv<const N: usize>(conv: &ConvNd<N>, frame: &Frame) -> Option<ConvNd<N>> {
    let padding = sum(&conv.padding, frame)?;
    (frame.value == 0.0).then(|| ConvNd {
        padding,
        ..conv.clone()
    })
}

/// As wide as the kernel it stays a layer of its own: no DLA takes a convolution that pads so much, but one behind it.
fn wider_conv2d(conv: &Conv2d, frame: &Frame, kernel: &[usize]) -> Option<Conv2d> {
    let padding = sum(&PaddingNd::from(conv.padding), frame)?;
    let narrow = (0..2).all(|i| padding.before[i].max(padding.after[i]) < kernel[2 + i]);
    (frame.value == 0.0 && narrow).then(|| Conv2d {
        padding: Padding2d::from(padding),
        ..conv.clone()
    })
}

/// What a deconvolution makes of zeros around its map is cut off again by its own padding.
fn narrower_deconv<const N: usize>(deconv: &DeconvNd<N>, frame: &Frame) -> Option<DeconvNd<N>> {
    let mut padding = deconv.padding;
    for i in 0..N {
        let reach = |width: usize| width.checked_mul(deconv.stride[i]);
        padding.before[i] = padding.before[i].checked_sub(reach(*frame.before.get(i)?)?)?;
        padding.after[i] = padding.after[i].checked_sub(reach(*frame.after.get(i)?)?)?;
    }
    (frame.value == 0.0).then(|| DeconvNd {
        padding,
        ..deconv.clone()
    })
}

/// A maximum ignores what is no more than every element; an average counts zeros that it finds. Every window has to
/// reach the map itself.
fn wider_pool<const N: usize>(
    pool: &PoolNd<N>,
    frame: &Frame,
    least: f32,
    output: &[usize],
) -> Option<PoolNd<N>> {
    let padding = sum(&pool.padding, frame)?;
    let overhang = |i: usize| {
        let reach = (output[2 + i] - 1) * pool.stride[i] + pool.window[i];
        reach.saturating_sub(padding.before[i] + frame.size[i] + padding.after[i])
    };
    let inside =
        |i: usize| padding.before[i] < pool.window[i] && padding.after[i] + overhang(i) < pool.window[i];
    let fits = pool.dilation == [1; N] && (0..N).all(inside);
    let taken = match pool.kind {
        PoolKind::Max => frame.value <= least,
        PoolKind::Average => {
            let counts = pool.count_include_pad || pool.padding == PaddingNd::uniform(0);
            frame.value == 0.0 && counts && (0..N).all(|i| overhang(i) == 0)
        }
    };
    (fits && taken).then(|| PoolNd {
        padding,
        count_include_pad: pool.kind == PoolKind::Average,
        ..pool.clone()
    })
}

fn sum<const N: usize>(own: &PaddingNd<N>, frame: &Frame) -> Option<PaddingNd<N>> {
    let fits = frame.before.len() == N;
    fits.then(|| PaddingNd {
        before: std::array::from_fn(|i| own.before[i] + frame.before[i]),
        after: std::array::from_fn(|i| own.after[i] + frame.after[i]),
    })
}
