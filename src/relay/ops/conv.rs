//! Convolutions and bias.

use super::order::Order;
use super::several::Writer;
use super::{Change, Meaning, op, require_constant};
use crate::graph::{Conv2d, ConvNd, DeconvNd, Op, PaddingNd};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn conv1d(call: &Call) -> Result<Meaning, RelayError> {
    let data = Order::of_data(call, "data_layout", "NCW")?;
    let kernel = Order::of(call, "kernel_layout", "OIW")?;
    convolution(Op::Conv1d(conv(call)?), data, kernel.change(1))
}

pub fn conv2d(call: &Call) -> Result<Meaning, RelayError> {
    let data = Order::of_data(call, "data_layout", "NCHW")?;
    let kernel = Order::of(call, "kernel_layout", "OIHW")?;
    let conv = conv(call)?;
    let conv = Conv2d {
        stride: conv.stride,
        padding: conv.padding.into(),
        dilation: conv.dilation,
        groups: conv.groups,
    };
    let depthwise = depthwise_kernel(call, conv.groups, &data, &kernel);
    let changes = kernel.change(1).into_iter().chain(depthwise);
    convolution(Op::Conv2d(conv), data, changes)
}

/// Relay also takes a depthwise kernel as `[channels, outputs per channel, ..]`: the same elements in the same order.
fn depthwise_kernel(call: &Call, groups: usize, data: &Order, kernel: &Order) -> Option<Change> {
    let (x, y) = (data.sides(call.x()), data.sides(&call.output().shape));
    let shape = &call.operands.get(1)?.ty.shape;
    let [first, per_channel, sides @ ..] = &kernel.sides_of(shape)?[..] else {
        return None;
    };
    let depthwise = groups == x[1] && *first == x[1] && *per_channel > 1;
    (depthwise && first * per_channel == y[1]).then(|| Change::Reshape {
        operand: 1,
        shape: [&[y[1], 1], sides].concat(),
    })
}

pub fn conv3d(call: &Call) -> Result<Meaning, RelayError> {
    let data = Order::of_data(call, "data_layout", "NCDHW")?;
    let kernel = Order::of(call, "kernel_layout", "OIDHW")?;
    convolution(Op::Conv3d(conv(call)?), data, kernel.change(1))
}

fn conv<const N: usize>(call: &Call) -> Result<ConvNd<N>, RelayError> {
    require_constant(call, 1)?;
    let attrs = &call.attrs;
    Ok(ConvNd {
        stride: attrs.sizes("strides")?,
        padding: padding(call)?,
        dilation: attrs.sizes("dilation")?,
        groups: groups(call)?,
    })
}

fn convolution(
    op: Op,
    data: Order,
    changes: impl IntoIterator<Item = Change>,
) -> Result<Meaning, RelayError> {
    Ok(data.around(Meaning::Op {
        op,
        operands: 2,
        changes: changes.into_iter().collect(),
    }))
}

pub fn conv2d_transpose(call: &Call) -> Result<Meaning, RelayError> {
    let data = Order::of_data(call, "data_layout", "NCHW")?;
    let kernel = Order::of(call, "kernel_layout", "IOHW")?;
    convolution(Op::Deconv2d(deconv(call)?), data, kernel.change(1))
}

/// TVM 0.9 calls a kernel with the input channels first `OIDHW`, later versions call it `IODHW`: its shape decides.
pub fn conv3d_transpose(call: &Call) -> Result<Meaning, RelayError> {
    let data = Order::of_data(call, "data_layout", "NCDHW")?;
    let deconv: DeconvNd<3> = deconv(call)?;
    let (x, y) = (data.sides(call.x()), data.sides(&call.output().shape));
    let shape = call.operands.get(1).map(|kernel| &kernel.ty.shape);
    let fits = |order: &Order| {
        let sides = shape.and_then(|shape| order.sides_of(shape));
        sides.is_some_and(|sides| sides[0] == x[1] && sides[1] * deconv.groups == y[1])
    };
    let swapped = Order::of(call, "kernel_layout", "OIDHW")?;
    let outputs_first = call.attrs.text("kernel_layout")? == "OIDHW";
    let kernel = if outputs_first && fits(&swapped) {
        swapped
    } else {
        Order::of(call, "kernel_layout", "IODHW")?
    };
    convolution(Op::Deconv3d(deconv), data, kernel.change(1))
}

fn deconv<const N: usize>(call: &Call) -> Result<DeconvNd<N>, RelayError> {
    require_constant(call, 1)?;
    let attrs = &call.attrs;
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

/// As a map of one column. TVM 0.9 calls a kernel with the input channels first `OIW`, later versions call it `IOW`.
pub fn conv1d_transpose(call: &Call) -> Result<Meaning, RelayError> {
    let data = Order::of_data(call, "data_layout", "NCW")?;
    call.attrs.one_of("kernel_layout", &["IOW", "OIW"])?;
    let deconv: DeconvNd<1> = deconv(call)?;
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let x = writer.in_our_order(x, &data)?;
    let (wide, kernel) = match (writer.shape(x), &call.operands[1].ty.shape[..]) {
        ([n, c, w], [i, o, k]) if i == c => ([*n, *c, *w, 1], [*i, *o, *k, 1]),
        (x, kernel) => {
            let reason = format!("its kernel {kernel:?} does not begin with the channels of {x:?}");
            return Err(call.attrs.refuse(reason));
        }
    };
    let x = writer.reshape(x, &wide)?;
    let kernel = writer.weight(1, &kernel)?;
    let y = writer.apply(Op::Deconv2d(over_a_column(&deconv)), &[x, kernel])?;
    let y = writer.reshape(y, &data.sides(&call.output().shape))?;
    let y = writer.in_its_order(y, &data)?;
    writer.finish(y)
}

fn over_a_column(deconv: &DeconvNd<1>) -> DeconvNd<2> {
    let wide = |[side]: [usize; 1], other| [side, other];
    DeconvNd {
        stride: wide(deconv.stride, 1),
        padding: PaddingNd {
            before: wide(deconv.padding.before, 0),
            after: wide(deconv.padding.after, 0),
        },
        output_padding: wide(deconv.output_padding, 0),
        groups: deconv.groups,
    }
}

fn groups(call: &Call) -> Result<usize, RelayError> {
    usize::try_from(call.attrs.int("groups")?).map_err(|_| call.attrs.refuse("a negative number of groups"))
}

pub fn bias_add(call: &Call) -> Result<Meaning, RelayError> {
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
