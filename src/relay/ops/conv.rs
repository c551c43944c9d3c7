//! Convolutions, matrix products and bias.

use super::{op, require_constant, Change, Taken};
use crate::graph::{Conv2d, ConvNd, DeconvNd, Op, Padding2d, PaddingNd};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn conv1d(call: &Call) -> Result<Taken, RelayError> {
    op(Op::Conv1d(conv(call, "NCW", "OIW")?), 2)
}

pub fn conv2d(call: &Call) -> Result<Taken, RelayError> {
    let conv = conv(call, "NCHW", "OIHW")?;
    let conv = Conv2d {
        stride: conv.stride,
        padding: padding2d(conv.padding),
        dilation: conv.dilation,
        groups: conv.groups,
    };
    let changes = depthwise_kernel(call, conv.groups);
    Ok(Taken::Op {
        op: Op::Conv2d(conv),
        operands: 2,
        changes: changes.into_iter().collect(),
    })
}

/// Relay also takes a depthwise kernel as `[channels, outputs per channel, ..]`: the same elements in the same order.
fn depthwise_kernel(call: &Call, groups: usize) -> Option<Change> {
    let kernel = &call.operands.get(1)?.ty.shape;
    let (channels, outputs) = (*call.x().get(1)?, *call.output().shape.get(1)?);
    let [first, per_channel, sides @ ..] = &kernel[..] else {
        return None;
    };
    let depthwise = groups == channels && *first == channels && *per_channel > 1;
    (depthwise && first * per_channel == outputs).then(|| Change::Reshape {
        operand: 1,
        shape: [&[outputs, 1], sides].concat(),
    })
}

pub fn conv3d(call: &Call) -> Result<Taken, RelayError> {
    op(Op::Conv3d(conv(call, "NCDHW", "OIDHW")?), 2)
}

fn conv<const N: usize>(call: &Call, data: &str, kernel: &str) -> Result<ConvNd<N>, RelayError> {
    require_constant(call, 1)?;
    let attrs = &call.attrs;
    attrs.one_of("data_layout", &[data])?;
    attrs.one_of("kernel_layout", &[kernel])?;
    attrs.one_of("out_layout", &[data, ""])?;
    Ok(ConvNd {
        stride: attrs.sizes("strides")?,
        padding: padding(call)?,
        dilation: attrs.sizes("dilation")?,
        groups: groups(call)?,
    })
}

pub fn conv2d_transpose(call: &Call) -> Result<Taken, RelayError> {
    let deconv = deconv(call, "NCHW", &["IOHW", "OIHW"])?;
    let swapped = call.attrs.text("kernel_layout")? == "OIHW";
    deconvolution(Op::Deconv2d(deconv), swapped.then(|| vec![1, 0, 2, 3]))
}

/// TVM 0.9 calls a kernel with the input channels first `OIDHW`, later versions call it `IODHW`: its shape decides.
pub fn conv3d_transpose(call: &Call) -> Result<Taken, RelayError> {
    let deconv: DeconvNd<3> = deconv(call, "NCDHW", &["IODHW", "OIDHW"])?;
    let outputs = call.output().shape.get(1).copied().unwrap_or_default();
    let as_it_is = call.operands.get(1).is_some_and(|kernel| {
        kernel.ty.shape.first() == call.x().get(1)
            && kernel
                .ty
                .shape
                .get(1)
                .is_some_and(|o| o * deconv.groups == outputs)
    });
    let swapped = call.attrs.text("kernel_layout")? == "OIDHW" && !as_it_is;
    deconvolution(Op::Deconv3d(deconv), swapped.then(|| vec![1, 0, 2, 3, 4]))
}

fn deconvolution(op: Op, axes: Option<Vec<usize>>) -> Result<Taken, RelayError> {
    let permute = axes.map(|axes| Change::Permute { operand: 1, axes });
    Ok(Taken::Op {
        op,
        operands: 2,
        changes: permute.into_iter().collect(),
    })
}

fn deconv<const N: usize>(
    call: &Call,
    data: &str,
    kernels: &[&str],
) -> Result<DeconvNd<N>, RelayError> {
    require_constant(call, 1)?;
    let attrs = &call.attrs;
    attrs.one_of("data_layout", &[data])?;
    attrs.one_of("kernel_layout", kernels)?;
    attrs.one_of("out_layout", &[data, ""])?;
    let dilation: [usize; N] = attrs.sizes("dilation")?;
    attrs.ensure(dilation == [1; N], || {
        format!("its dilation is {dilation:?}, not 1")
    })?;
    Ok(DeconvNd {
        stride: attrs.sizes("strides")?,
        padding: padding(call)?,
        output_padding: attrs.sizes("output_padding")?,
        groups: groups(call)?,
    })
}

fn groups(call: &Call) -> Result<usize, RelayError> {
    usize::try_from(call.attrs.int("groups")?)
        .map_err(|_| call.attrs.refuse("a negative number of groups"))
}

pub fn dense(call: &Call) -> Result<Taken, RelayError> {
    require_constant(call, 1)?;
    op(Op::Dense, 2)
}

pub fn batch_matmul(call: &Call) -> Result<Taken, RelayError> {
    let matmul = Op::BatchMatmul {
        transpose_a: call.attrs.flag("transpose_a")?,
        transpose_b: call.attrs.flag("transpose_b")?,
    };
    op(matmul, 2)
}

pub fn bias_add(call: &Call) -> Result<Taken, RelayError> {
    let axis = call.attrs.axis("axis", call.x().len())?;
    op(Op::BiasAdd { axis }, 2)
}

/// Relay's padding: one number, one per axis, or all numbers in front and then all behind.
pub fn padding<const N: usize>(call: &Call) -> Result<PaddingNd<N>, RelayError> {
    let attrs = &call.attrs;
    let list = attrs.ints("padding")?.unwrap_or_default();
    let sizes: Result<Vec<usize>, _> = list.iter().map(|p| usize::try_from(*p)).collect();
    let sizes = sizes.map_err(|_| attrs.refuse(format!("negative padding {list:?}")))?;
    let (before, after) = match sizes.len() {
        1 => return Ok(PaddingNd::uniform(sizes[0])),
        count if count == N => (&sizes[..], &sizes[..]),
        count if count == 2 * N => sizes.split_at(N),
        _ => {
            let both = 2 * N;
            let reason = format!("padding {list:?} is not 1, {N} or {both} numbers");
            return Err(attrs.refuse(reason));
        }
    };
    Ok(PaddingNd {
        before: std::array::from_fn(|i| before[i]),
        after: std::array::from_fn(|i| after[i]),
    })
}

pub fn padding2d(p: PaddingNd<2>) -> Padding2d {
    Padding2d {
        top: p.before[0],
        left: p.before[1],
        bottom: p.after[0],
        right: p.after[1],
    }
}
