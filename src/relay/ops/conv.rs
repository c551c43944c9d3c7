//! Convolution, dense and bias.

use super::{op, require_constant, Taken};
use crate::graph::{Conv2d, Op, Padding2d};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn conv2d(call: &Call) -> Result<Taken, RelayError> {
    require_constant(call, 1)?;
    let attrs = &call.attrs;
    attrs.one_of("data_layout", &["NCHW"])?;
    attrs.one_of("kernel_layout", &["OIHW"])?;
    attrs.one_of("out_layout", &["NCHW", ""])?;
    let groups = usize::try_from(attrs.int("groups")?)
        .map_err(|_| attrs.refuse("a negative number of groups"))?;
    let conv = Conv2d {
        stride: attrs.two("strides")?,
        padding: padding(call)?,
        dilation: attrs.two("dilation")?,
        groups,
    };
    op(Op::Conv2d(conv), 2)
}

pub fn dense(call: &Call) -> Result<Taken, RelayError> {
    require_constant(call, 1)?;
    op(Op::Dense, 2)
}

pub fn bias_add(call: &Call) -> Result<Taken, RelayError> {
    require_constant(call, 1)?;
    let axis = call.attrs.axis("axis", call.x().len())?;
    op(Op::BiasAdd { axis }, 2)
}

/// Relay's padding: one number, `[height, width]`, or `[top, left, bottom, right]`.
pub fn padding(call: &Call) -> Result<Padding2d, RelayError> {
    let attrs = &call.attrs;
    let list = attrs.ints("padding")?.unwrap_or_default();
    let sizes: Result<Vec<usize>, _> = list.iter().map(|p| usize::try_from(*p)).collect();
    let sizes = sizes.map_err(|_| attrs.refuse(format!("negative padding {list:?}")))?;
    let [top, left, bottom, right] = match sizes[..] {
        [all] => [all; 4],
        [height, width] => [height, width, height, width],
        [top, left, bottom, right] => [top, left, bottom, right],
        _ => return Err(attrs.refuse(format!("padding {list:?} is not 1, 2 or 4 numbers"))),
    };
    Ok(Padding2d {
        top,
        left,
        bottom,
        right,
    })
}
