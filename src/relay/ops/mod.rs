//! One reader per Relay operator: attributes into a typed [`Op`], or the reason not to.

mod choose;
mod conv;
mod elementwise;
mod identity;
mod math;
mod matrix;
mod normalise;
mod order;
mod pad;
mod pick;
mod pool;
mod repeat;
mod resize;
mod several;
mod shape;
mod slice;
mod space;
mod statistics;

pub use several::{Several, Source, Step};
pub use slice::starts;

use super::error::RelayError;
use super::expr::{Call, Operand, TensorType};
use crate::graph::{Op, Range, infer_shape};

/// What a call means.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// An operator over the call's first `operands` operands, some of them changed before.
    Op {
        op: Op,
        operands: usize,
        changes: Vec<Change>,
    },
    /// `taken` over tensors in another order: its first operand and its result have axis `axes[i]` of the call's in place
    /// `i`.
    InOrder { axes: Vec<usize>, taken: Box<Meaning> },
    /// One part of the first operand per result: `lengths` of `axis`, one behind the other.
    Split { axis: usize, lengths: Vec<usize> },
    /// The first operand itself.
    Identity,
    /// The first operand, which the caller holds in another floating type.
    Cast,
    /// An expression of several operators.
    Several(Several),
}

/// What happens to a constant operand while it is converted; changes of one operand follow each other.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Every element becomes `value`: an operand that the call tells TVM to ignore.
    Fill { operand: usize, value: f32 },
    /// The same elements under another shape.
    Reshape { operand: usize, shape: Vec<usize> },
    /// Axes in another order: a kernel in another layout.
    Permute { operand: usize, axes: Vec<usize> },
}

type Reader = fn(&Call) -> Result<Meaning, RelayError>;

/// Every operator we take, by Relay's name.
pub const READERS: &[(&str, Reader)] = &[
    ("nn.conv1d", conv::conv1d),
    ("nn.conv2d", conv::conv2d),
    ("nn.conv3d", conv::conv3d),
    ("nn.conv1d_transpose", conv::conv1d_transpose),
    ("nn.conv2d_transpose", conv::conv2d_transpose),
    ("nn.conv3d_transpose", conv::conv3d_transpose),
    ("nn.dense", matrix::dense),
    ("nn.matmul", matrix::matmul),
    ("nn.batch_matmul", matrix::batch_matmul),
    ("nn.bias_add", conv::bias_add),
    ("nn.batch_norm", normalise::batch_norm),
    ("nn.layer_norm", normalise::layer_norm),
    ("nn.lrn", normalise::lrn),
    ("nn.softmax", normalise::softmax),
    ("nn.fast_softmax", normalise::softmax),
    ("nn.log_softmax", statistics::log_softmax),
    ("nn.instance_norm", statistics::instance_norm),
    ("nn.group_norm", statistics::group_norm),
    ("nn.l2_normalize", statistics::l2_normalize),
    ("variance", statistics::variance),
    ("sum", normalise::reduce),
    ("prod", normalise::reduce),
    ("max", normalise::reduce),
    ("min", normalise::reduce),
    ("mean", normalise::reduce),
    ("nn.relu", elementwise::relu),
    ("clip", elementwise::clip),
    ("nn.leaky_relu", elementwise::leaky_relu),
    ("sigmoid", elementwise::sigmoid),
    ("tanh", elementwise::tanh),
    ("nn.prelu", elementwise::prelu),
    ("exp", elementwise::unary),
    ("log", elementwise::unary),
    ("sqrt", elementwise::unary),
    ("abs", elementwise::unary),
    ("negative", elementwise::unary),
    ("floor", elementwise::unary),
    ("ceil", elementwise::unary),
    ("sin", elementwise::unary),
    ("cos", elementwise::unary),
    ("atan", elementwise::unary),
    ("erf", elementwise::unary),
    ("tan", elementwise::unary),
    ("sinh", elementwise::unary),
    ("cosh", elementwise::unary),
    ("asin", elementwise::unary),
    ("acos", elementwise::unary),
    ("asinh", elementwise::unary),
    ("acosh", elementwise::unary),
    ("atanh", elementwise::unary),
    ("rsqrt", math::rsqrt),
    ("log2", math::logarithm),
    ("log10", math::logarithm),
    ("trunc", math::trunc),
    ("floor_divide", math::whole_quotient),
    ("trunc_divide", math::whole_quotient),
    ("fast_exp", math::fast),
    ("fast_erf", math::fast),
    ("fast_tanh", math::fast),
    ("sign", math::not_ours),
    ("round", math::not_ours),
    ("argmax", math::not_ours),
    ("argmin", math::not_ours),
    ("argsort", math::not_ours),
    ("topk", math::not_ours),
    ("equal", math::not_ours),
    ("not_equal", math::not_ours),
    ("less", math::not_ours),
    ("less_equal", math::not_ours),
    ("greater", math::not_ours),
    ("greater_equal", math::not_ours),
    ("isnan", math::not_ours),
    ("isinf", math::not_ours),
    ("isfinite", math::not_ours),
    ("add", elementwise::binary),
    ("subtract", elementwise::binary),
    ("multiply", elementwise::binary),
    ("divide", elementwise::binary),
    ("power", elementwise::binary),
    ("maximum", elementwise::binary),
    ("minimum", elementwise::binary),
    ("nn.dropout", identity::dropout),
    ("nn.max_pool2d", pool::pool2d),
    ("nn.avg_pool2d", pool::pool2d),
    ("nn.max_pool1d", pool::pool1d),
    ("nn.avg_pool1d", pool::pool1d),
    ("nn.max_pool3d", pool::pool3d),
    ("nn.avg_pool3d", pool::pool3d),
    ("nn.global_max_pool2d", pool::global),
    ("nn.global_avg_pool2d", pool::global),
    ("nn.adaptive_max_pool2d", pool::adaptive),
    ("nn.adaptive_avg_pool2d", pool::adaptive),
    ("nn.adaptive_max_pool1d", pool::adaptive1d),
    ("nn.adaptive_avg_pool1d", pool::adaptive1d),
    ("nn.adaptive_max_pool3d", pool::adaptive3d),
    ("nn.adaptive_avg_pool3d", pool::adaptive3d),
    ("image.resize2d", resize::resize2d),
    ("nn.upsampling", resize::upsampling),
    ("copy", identity::copy),
    ("cast", identity::cast),
    ("cast_like", identity::cast),
    ("nn.pad", pad::pad),
    ("nn.mirror_pad", pad::mirror_pad),
    ("nn.depth_to_space", space::depth_to_space),
    ("nn.space_to_depth", space::space_to_depth),
    ("take", pick::take),
    ("gather", pick::gather),
    ("gather_nd", pick::gather_nd),
    ("reverse", pick::reverse),
    ("slice_like", pick::slice_like),
    ("stack", repeat::stack),
    ("broadcast_to", repeat::broadcast_to),
    ("broadcast_to_like", repeat::broadcast_to),
    ("tile", repeat::tile),
    ("repeat", repeat::repeat),
    ("where", choose::choose),
    ("concatenate", shape::concatenate),
    ("split", slice::split),
    ("strided_slice", slice::strided_slice),
    ("nn.batch_flatten", shape::batch_flatten),
    ("reshape", shape::reshape),
    ("reshape_like", shape::reshape),
    ("contrib_reverse_reshape", shape::reshape),
    ("squeeze", shape::squeeze),
    ("expand_dims", shape::expand_dims),
    ("transpose", shape::transpose),
    ("layout_transform", shape::layout_transform),
];

/// Reads a call's attributes.
pub fn read(call: &Call) -> Result<Meaning, RelayError> {
    match READERS.iter().find(|(name, _)| *name == call.op) {
        Some((_, reader)) => reader(call),
        None => Err(RelayError::UnknownOp(call.op.clone())),
    }
}

/// Checks types: one floating type throughout, and the shapes that TVM infers are the ones we infer.
pub fn check(call: &Call, taken: &Meaning) -> Result<(), RelayError> {
    let used = used(call, taken)?;
    let outputs = match taken {
        Meaning::Split { .. } => &call.outputs[..],
        // Dropout's second result, a mask, is nothing at run time.
        Meaning::Op { .. }
        | Meaning::InOrder { .. }
        | Meaning::Several(_)
        | Meaning::Identity
        | Meaning::Cast => &call.outputs[..1],
    };
    match taken {
        Meaning::Cast => outputs.iter().try_for_each(|ty| require_floating(call, ty))?,
        _ => check_types(call, &used, outputs)?,
    }
    let shapes = used.iter().map(|o| o.ty.shape.clone()).collect();
    for (ours, theirs) in results(call, taken, shapes)?.iter().zip(outputs) {
        call.attrs.ensure(*ours == theirs.shape, || {
            format!("its result is {:?} for TVM, {ours:?} for us", theirs.shape)
        })?;
    }
    Ok(())
}

/// The shapes of what `taken` gives over the operands that it reads, of these shapes.
fn results(call: &Call, taken: &Meaning, mut shapes: Vec<Vec<usize>>) -> Result<Vec<Vec<usize>>, RelayError> {
    match taken {
        Meaning::Op { op, changes, .. } => {
            changes.iter().for_each(|change| change.shape(&mut shapes));
            Ok(vec![infer(call, op, &shapes)?])
        }
        Meaning::InOrder { axes, taken } => {
            shapes[0] = axes.iter().map(|axis| shapes[0][*axis]).collect();
            let mut results = results(call, taken, shapes)?;
            for shape in &mut results {
                *shape = inverse(axes).iter().map(|axis| shape[*axis]).collect();
            }
            Ok(results)
        }
        Meaning::Split { axis, lengths } => parts(*axis, lengths)
            .iter()
            .map(|part| infer(call, part, &shapes))
            .collect(),
        Meaning::Several(several) => Ok(vec![several.shape.clone()]),
        Meaning::Identity | Meaning::Cast => Ok(shapes),
    }
}

/// The order that undoes `axes`.
pub fn inverse(axes: &[usize]) -> Vec<usize> {
    let mut back = vec![0; axes.len()];
    for (place, axis) in axes.iter().enumerate() {
        back[*axis] = place;
    }
    back
}

/// The operands that are read.
fn used<'a>(call: &'a Call, taken: &Meaning) -> Result<Vec<&'a Operand>, RelayError> {
    let missing = || call.attrs.refuse(format!("has {} operands", call.operands.len()));
    let operand = |index: usize| call.operands.get(index).ok_or_else(missing);
    let used: Result<Vec<&Operand>, _> = taken.operands().into_iter().map(operand).collect();
    let used = used?;
    call.attrs.ensure(used.iter().any(|o| !o.is_constant()), || {
        "all its operands are constant".to_string()
    })?;
    require_floating(call, &used[0].ty)?;
    Ok(used)
}

fn require_floating(call: &Call, ty: &TensorType) -> Result<(), RelayError> {
    let floating = ["float32", "float16"].contains(&ty.dtype.as_str());
    call.attrs.ensure(floating, || {
        format!("an operand is {}, not float32 or float16", ty.dtype)
    })
}

fn check_types(call: &Call, used: &[&Operand], outputs: &[TensorType]) -> Result<(), RelayError> {
    let attrs = &call.attrs;
    let first = &used[0].ty.dtype;
    let types = used.iter().map(|o| &o.ty).chain(outputs);
    if let Some(other) = types.clone().find(|ty| ty.dtype != *first) {
        return Err(attrs.refuse(format!("it mixes {first} and {}", other.dtype)));
    }
    attrs.ensure(types.into_iter().all(|ty| !ty.shape.contains(&0)), || {
        "a tensor has no elements".to_string()
    })
}

fn infer(call: &Call, op: &Op, shapes: &[Vec<usize>]) -> Result<Vec<usize>, RelayError> {
    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    infer_shape(op, &shapes).map_err(|reason| call.attrs.refuse(reason))
}

impl Meaning {
    /// The places of the call's operands that are read.
    fn operands(&self) -> Vec<usize> {
        match self {
            Meaning::Op { operands, .. } => (0..*operands).collect(),
            Meaning::InOrder { taken, .. } => taken.operands(),
            Meaning::Several(several) => several.operands(),
            Meaning::Split { .. } | Meaning::Identity | Meaning::Cast => vec![0],
        }
    }
}

impl Change {
    pub fn operand(&self) -> usize {
        let (Change::Fill { operand, .. }
        | Change::Reshape { operand, .. }
        | Change::Permute { operand, .. }) = self;
        *operand
    }
}

/// One slice per part of a split.
pub fn parts(axis: usize, lengths: &[usize]) -> Vec<Op> {
    let mut start = 0;
    let part = |len: &usize| {
        let range = Range {
            axis,
            start,
            len: *len,
            step: 1,
        };
        start += len;
        Op::Slice { ranges: vec![range] }
    };
    lengths.iter().map(part).collect()
}

impl Change {
    fn shape(&self, shapes: &mut [Vec<usize>]) {
        match self {
            Change::Fill { .. } => {}
            Change::Reshape { operand, shape } => shapes[*operand].clone_from(shape),
            Change::Permute { operand, axes } => {
                shapes[*operand] = axes.iter().map(|axis| shapes[*operand][*axis]).collect();
            }
        }
    }
}

fn op(op: Op, operands: usize) -> Result<Meaning, RelayError> {
    Ok(Meaning::Op {
        op,
        operands,
        changes: Vec::new(),
    })
}

/// Refuses a weight that is computed at run time.
fn require_constant(call: &Call, from: usize) -> Result<(), RelayError> {
    let mut weights = call.operands.iter().skip(from);
    call.attrs.ensure(weights.all(Operand::is_constant), || {
        "its weights are not constants: bind the parameters first".to_string()
    })
}
