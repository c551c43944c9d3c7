//! Pooling.

use super::conv::padding;
use super::{op, Taken};
use crate::graph::{Op, Pool2d, PoolKind};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn max_pool2d(call: &Call) -> Result<Taken, RelayError> {
    pool2d(call, PoolKind::Max, false)
}

pub fn avg_pool2d(call: &Call) -> Result<Taken, RelayError> {
    pool2d(
        call,
        PoolKind::Average,
        call.attrs.flag("count_include_pad")?,
    )
}

fn pool2d(call: &Call, kind: PoolKind, count_include_pad: bool) -> Result<Taken, RelayError> {
    layout(call)?;
    let attrs = &call.attrs;
    let pool = Pool2d {
        kind,
        window: attrs.two("pool_size")?,
        stride: attrs.two("strides")?,
        padding: padding(call)?,
        dilation: attrs.two("dilation")?,
        ceil_mode: attrs.flag("ceil_mode")?,
        count_include_pad,
    };
    op(Op::Pool2d(pool), 1)
}

pub fn global(call: &Call) -> Result<Taken, RelayError> {
    layout(call)?;
    op(Op::GlobalPool(kind(call)), 1)
}

pub fn adaptive(call: &Call) -> Result<Taken, RelayError> {
    layout(call)?;
    let output = match call.attrs.ints("output_size")? {
        Some(list) if !list.is_empty() => call.attrs.two("output_size")?,
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

fn layout(call: &Call) -> Result<(), RelayError> {
    call.attrs.one_of("layout", &["NCHW"])?;
    call.attrs.ensure(call.x().len() == 4, || {
        format!("its operand has rank {}, not 4", call.x().len())
    })
}
