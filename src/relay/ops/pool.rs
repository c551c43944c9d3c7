//! Pooling.

use super::conv::{padding, padding2d};
use super::{op, Taken};
use crate::graph::{Op, Pool2d, PoolKind, PoolNd};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn pool2d(call: &Call) -> Result<Taken, RelayError> {
    let pool: PoolNd<2> = pool(call, "NCHW")?;
    let pool = Pool2d {
        kind: pool.kind,
        window: pool.window,
        stride: pool.stride,
        padding: padding2d(pool.padding),
        dilation: pool.dilation,
        ceil_mode: pool.ceil_mode,
        count_include_pad: pool.count_include_pad,
    };
    op(Op::Pool2d(pool), 1)
}

pub fn pool3d(call: &Call) -> Result<Taken, RelayError> {
    op(Op::Pool3d(pool(call, "NCDHW")?), 1)
}

fn pool<const N: usize>(call: &Call, data: &str) -> Result<PoolNd<N>, RelayError> {
    layout(call, data)?;
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
    layout(call, "NCHW")?;
    op(Op::GlobalPool(kind(call)), 1)
}

pub fn adaptive(call: &Call) -> Result<Taken, RelayError> {
    layout(call, "NCHW")?;
    let output = match call.attrs.ints("output_size")? {
        Some(list) if !list.is_empty() => call.attrs.sizes("output_size")?,
        _ => [call.x()[2], call.x()[3]],
    };
    let kind = kind(call);
    op(Op::AdaptivePool { kind, output }, 1)
}

fn kind(call: &Call) -> PoolKind {
    match call.op.contains("max") {
        true => PoolKind::Max,
        false => PoolKind::Average,
    }
}

fn layout(call: &Call, data: &str) -> Result<(), RelayError> {
    call.attrs.one_of("layout", &[data])?;
    if call.attrs.has("out_layout") {
        call.attrs.one_of("out_layout", &[data, ""])?;
    }
    let (rank, want) = (call.x().len(), data.len());
    call.attrs.ensure(rank == want, || {
        format!("its operand has rank {rank}, not {want}")
    })
}
