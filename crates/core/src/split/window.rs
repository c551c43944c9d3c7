//! Facts of layers that slide windows over maps.

use super::expr::{Facts, Value};
use crate::graph::{
    Coordinates, DeconvNd, Graph, Node, Padding2d, Pool2d, PoolKind, PoolNd, Resize2d, ResizeMode, Rounding,
    Tensor,
};

pub(super) fn deconv_facts(graph: &Graph, node: &Node, deconv: &DeconvNd<2>) -> Facts {
    let kernel = &graph.tensor(node.inputs[1]).shape;
    let padding = deconv.padding.pairs().concat().into_iter().max();
    Facts::from([
        ("spatial_dims", Value::from(2)),
        ("K", graph.tensor(node.output).shape[1].into()),
        ("kh", kernel[2].into()),
        ("kw", kernel[3].into()),
        ("sh", deconv.stride[0].into()),
        ("sw", deconv.stride[1].into()),
        ("pad", padding.unwrap_or_default().into()),
        ("dil", 1.into()),
        ("groups", deconv.groups.into()),
    ])
}

/// `scale` is the larger one; a map whose sides are not scaled by one whole number has no integer scale.
pub(super) fn resize_facts(x: &Tensor, resize: &Resize2d) -> Facts {
    let [h, w] = resize.output;
    let whole = h.is_multiple_of(x.shape[2]) && w.is_multiple_of(x.shape[3]);
    let equal = h * x.shape[3] == w * x.shape[2];
    let (mode, rounding) = match resize.mode {
        ResizeMode::Linear => ("LINEAR", "NONE"),
        ResizeMode::Nearest(Rounding::Floor) => ("NEAREST", "FLOOR"),
        ResizeMode::Nearest(Rounding::Ceil) => ("NEAREST", "CEIL"),
        ResizeMode::Nearest(Rounding::HalfDown) => ("NEAREST", "HALF_DOWN"),
        ResizeMode::Nearest(Rounding::HalfUp) => ("NEAREST", "HALF_UP"),
    };
    let coordinates = match resize.coordinates {
        Coordinates::Asymmetric => "ASYMMETRIC",
        Coordinates::HalfPixel => "HALF_PIXEL",
        Coordinates::AlignCorners => "ALIGN_CORNERS",
    };
    Facts::from([
        ("batch_scale", Value::from(1)),
        ("channel_scale", 1.into()),
        ("integer_scale", (whole && equal).into()),
        ("scale", h.div_ceil(x.shape[2]).max(w.div_ceil(x.shape[3])).into()),
        ("mode", mode.into()),
        ("rounding", rounding.into()),
        ("coordinates", coordinates.into()),
    ])
}

pub(super) fn padding(p: &Padding2d) -> Facts {
    Facts::from([
        ("pt", Value::from(p.top)),
        ("pl", p.left.into()),
        ("pb", p.bottom.into()),
        ("pr", p.right.into()),
    ])
}

/// Whether a maximum's padding is a layer of its own in front, because a window has room in it.
pub(super) fn pads_apart(x: &Tensor, y: &Tensor, pool: &Pool2d) -> bool {
    let reached = PoolNd::from(pool).reached(&x.shape, &y.shape);
    pool.kind == PoolKind::Max && !reached.is_narrower(&pool.window)
}

pub(super) fn pool_facts(x: &Tensor, y: &Tensor, pool: &Pool2d) -> Facts {
    let exclusive = pool.kind == PoolKind::Average && !pool.count_include_pad;
    let reached = PoolNd::from(pool).reached(&x.shape, &y.shape);
    let mut facts = padding(&reached.into());
    facts.extend(window(pool.kind, pool.window, pool.stride));
    facts.insert("exclusive_padding", exclusive.into());
    facts
}

fn window(kind: PoolKind, window: [usize; 2], stride: [usize; 2]) -> Facts {
    let op = match kind {
        PoolKind::Max => "MAX",
        PoolKind::Average => "AVERAGE",
    };
    Facts::from([
        ("op", Value::from(op)),
        ("wh", window[0].into()),
        ("ww", window[1].into()),
        ("sh", stride[0].into()),
        ("sw", stride[1].into()),
    ])
}

/// Equal windows that tile the map into `output`. One window has no stride that matters.
pub(super) fn whole_map(kind: PoolKind, x: &Tensor, output: [usize; 2]) -> Facts {
    let side = [x.shape[2] / output[0], x.shape[3] / output[1]];
    let stride = if output == [1, 1] { [1, 1] } else { side };
    let mut facts = padding(&Padding2d::default());
    facts.extend(window(kind, side, stride));
    facts.insert("exclusive_padding", false.into());
    facts
}
