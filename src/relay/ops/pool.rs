//! Pooling.

use super::conv::{padding, padding2d};
use super::order::Order;
use super::{op, Taken};
use crate::graph::{Op, Pool2d, PoolKind, PoolNd};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn pool2d(call: &Call) -> Result<Taken, RelayError> {
    let order = Order::of_data(call, "layout", "NCHW")?;
    let pool: PoolNd<2> = pool(call)?;
    let pool = Pool2d {
        kind: pool.kind,
        window: pool.window,
        stride: pool.stride,
        padding: padding2d(pool.padding),
        dilation: pool.dilation,
        ceil_mode: pool.ceil_mode,
        count_include_pad: pool.count_include_pad,
    };
    Ok(order.around(op(Op::Pool2d(pool), 1)?))
}

pub fn pool3d(call: &Call) -> Result<Taken, RelayError> {
    let order = Order::of_data(call, "layout", "NCDHW")?;
    Ok(order.around(op(Op::Pool3d(pool(call)?), 1)?))
}

fn pool<const N: usize>(call: &Call) -> Result<PoolNd<N>, RelayError> {
    let attrs = &call.attrs;
    let kind = kind(call);
    let counted = match kind {
        PoolKind::Max => false,
        PoolKind::Average => attrs.flag("count_include_pad")?,
    };
    Ok(PoolNd {
        kind,
        window: attrs.sizes("pool_size")?,
        stride: attrs.sizes("strides")?,
        padding: padding(call)?,
        dilation: attrs.sizes("dilation")?,
        ceil_mode: attrs.flag("ceil_mode")?,
        count_include_pad: counted,
    })
}

pub fn global(call: &Call) -> Result<Taken, RelayError> {
    let order = Order::of_data(call, "layout", "NCHW")?;
    Ok(order.around(op(Op::GlobalPool(kind(call)), 1)?))
}

pub fn adaptive(call: &Call) -> Result<Taken, RelayError> {
    let order = Order::of_data(call, "layout", "NCHW")?;
    let sides = order.sides(call.x());
    let output = match call.attrs.ints("output_size")? {
        Some(list) if !list.is_empty() => call.attrs.sizes("output_size")?,
        _ => [sides[2], sides[3]],
    };
    let kind = kind(call);
    Ok(order.around(op(Op::AdaptivePool { kind, output }, 1)?))
}

fn kind(call: &Call) -> PoolKind {
    match call.op.contains("max") {
        true => PoolKind::Max,
        false => PoolKind::Average,
    }
}
