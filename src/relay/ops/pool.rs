//! Pooling.

use super::conv::padding;
use super::order::Order;
use super::several::Writer;
use super::{Meaning, op};
use crate::graph::{Op, PaddingNd, Pool2d, PoolKind, PoolNd};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn pool2d(call: &Call) -> Result<Meaning, RelayError> {
    let order = Order::of_data(call, "layout", "NCHW")?;
    let pool: PoolNd<2> = pool(call)?;
    let pool = Pool2d {
        kind: pool.kind,
        window: pool.window,
        stride: pool.stride,
        padding: pool.padding.into(),
        dilation: pool.dilation,
        ceil_mode: pool.ceil_mode,
        count_include_pad: pool.count_include_pad,
    };
    Ok(order.around(op(Op::Pool2d(pool), 1)?))
}

pub fn pool3d(call: &Call) -> Result<Meaning, RelayError> {
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

pub fn global(call: &Call) -> Result<Meaning, RelayError> {
    let order = Order::of_data(call, "layout", "NCHW")?;
    Ok(order.around(op(Op::GlobalPool(kind(call)), 1)?))
}

pub fn adaptive(call: &Call) -> Result<Meaning, RelayError> {
    let order = Order::of_data(call, "layout", "NCHW")?;
    let sides = order.sides(call.x());
    let output = match call.attrs.ints("output_size")? {
        Some(list) if !list.is_empty() => call.attrs.sizes("output_size")?,
        _ => [sides[2], sides[3]],
    };
    let kind = kind(call);
    Ok(order.around(op(Op::AdaptivePool { kind, output }, 1)?))
}

/// As a map of one column.
pub fn pool1d(call: &Call) -> Result<Meaning, RelayError> {
    let pool: PoolNd<1> = pool(call)?;
    let pool = Pool2d {
        kind: pool.kind,
        window: [pool.window[0], 1],
        stride: [pool.stride[0], 1],
        padding: PaddingNd {
            before: [pool.padding.before[0], 0],
            after: [pool.padding.after[0], 0],
        }
        .into(),
        dilation: [pool.dilation[0], 1],
        ceil_mode: pool.ceil_mode,
        count_include_pad: pool.count_include_pad,
    };
    over_a_column(call, Op::Pool2d(pool))
}

/// As a map of one column.
pub fn adaptive1d(call: &Call) -> Result<Meaning, RelayError> {
    let order = Order::of_data(call, "layout", "NCW")?;
    let output = [order.sides(&call.output().shape)[2], 1];
    let kind = kind(call);
    over_a_column(call, Op::AdaptivePool { kind, output })
}

fn over_a_column(call: &Call, op: Op) -> Result<Meaning, RelayError> {
    let order = Order::of_data(call, "layout", "NCW")?;
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let x = writer.in_our_order(x, &order)?;
    let wide = [writer.shape(x), &[1]].concat();
    let x = writer.reshape(x, &wide)?;
    let y = writer.apply(op, &[x])?;
    let y = writer.reshape(y, &order.sides(&call.output().shape))?;
    let y = writer.in_its_order(y, &order)?;
    writer.finish(y)
}

/// Windows of one size.
pub fn adaptive3d(call: &Call) -> Result<Meaning, RelayError> {
    let order = Order::of_data(call, "layout", "NCDHW")?;
    let (x, out) = (order.sides(call.x()), order.sides(&call.output().shape));
    let (x, out) = (&x[2..], &out[2..]);
    let even = x.iter().zip(out).all(|(x, out)| x.is_multiple_of(*out));
    call.attrs.ensure(even, || {
        format!("its windows over {x:?} are not of one size for {out:?}")
    })?;
    let window = [0, 1, 2].map(|axis| x[axis] / out[axis]);
    let pool = PoolNd {
        kind: kind(call),
        window,
        stride: window,
        padding: PaddingNd::uniform(0),
        dilation: [1; 3],
        ceil_mode: false,
        count_include_pad: false,
    };
    Ok(order.around(op(Op::Pool3d(pool), 1)?))
}

fn kind(call: &Call) -> PoolKind {
    if call.op.contains("max") {
        PoolKind::Max
    } else {
        PoolKind::Average
    }
}
