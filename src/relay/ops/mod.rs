//! One reader per Relay operator: attributes into a typed [`Op`], or the reason not to.

mod conv;
mod elementwise;
mod normalise;
mod order;
mod pool;
mod resize;
mod shape;
mod slice;

pub use slice::starts;

use super::error::RelayError;
use super::expr::{Call, Operand, TensorType};
use crate::graph::{infer_shape, Op, Range};

/// What a call means.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// An operator over the call's first `operands` operands, some of them changed before.
    Op {
        op: Op,
        operands: usize,
        changes: Vec<Change>,
    },
    /// `taken` over tensors in another order: its first operand and its result have axis `axes[i]` of the call's in place
    /// `i`.
    InOrder { axes: Vec<usize>, taken: Box<Taken> },
    /// One part of the first operand per result: `lengths` of `axis`, one behind the other.
    Split { axis: usize, lengths: Vec<usize> },
    /// The first operand itself.
    Identity,
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

type Reader = fn(&Call) -> Result<Taken, RelayError>;

/// Every operator we take, by Relay's name.
pub const READERS: &[(&str, Reader)] = &[
    ("nn.conv1d", conv::conv1d),
    ("nn.conv2d", conv::conv2d),
    ("nn.conv3d", conv::conv3d),
    ("nn.conv2d_transpose", conv::conv2d_transpose),
    ("nn.conv3d_transpose", conv::conv3d_transpose),
    ("nn.dense", conv::dense),
    ("nn.batch_matmul", conv::batch_matmul),
    ("nn.bias_add", conv::bias_add),
    ("nn.batch_norm", normalise::batch_norm),
    ("nn.layer_norm", normalise::layer_norm),
    ("nn.lrn", normalise::lrn),
    ("nn.softmax", normalise::softmax),
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
    ("add", elementwise::binary),
    ("subtract", elementwise::binary),
    ("multiply", elementwise::binary),
    ("divide", elementwise::binary),
    ("power", elementwise::binary),
    ("maximum", elementwise::binary),
    ("minimum", elementwise::binary),
    ("nn.dropout", elementwise::dropout),
    ("nn.max_pool2d", pool::pool2d),
    ("nn.avg_pool2d", pool::pool2d),
    ("nn.max_pool3d", pool::pool3d),
    ("nn.avg_pool3d", pool::pool3d),
    ("nn.global_max_pool2d", pool::global),
    ("nn.global_avg_pool2d", pool::global),
    ("nn.adaptive_max_pool2d", pool::adaptive),
    ("nn.adaptive_avg_pool2d", pool::adaptive),
    ("image.resize2d", resize::resize2d),
    ("nn.upsampling", resize::upsampling),
    ("nn.pad", shape::pad),
    ("concatenate", shape::concatenate),
    ("split", slice::split),
    ("strided_slice", slice::strided_slice),
    ("nn.batch_flatten", shape::batch_flatten),
    ("reshape", shape::reshape),
    ("squeeze", shape::squeeze),
    ("expand_dims", shape::expand_dims),
    ("transpose", shape::transpose),
    ("layout_transform", shape::layout_transform),
];

/// Reads a call's attributes.
pub fn read(call: &Call) -> Result<Taken, RelayError> {
    match READERS.iter().find(|(name, _)| *name == call.op) {
        Some((_, reader)) => reader(call),
        None => Err(RelayError::UnknownOp(call.op.clone())),
    }
}

/// Checks types: one floating type throughout, and the shapes that TVM infers are the ones we infer.
pub fn check(call: &Call, taken: &Taken) -> Result<(), RelayError> {
    let attrs = &call.attrs;
    let Some(used) = taken.operands() else {
        return Ok(());
    };
    let used = call
        .operands
        .get(..used)
        .ok_or_else(|| attrs.refuse(format!("has {} operands", call.operands.len())))?;
    let outputs = match taken {
        Taken::Split { .. } => &call.outputs[..],
        Taken::Op { .. } | Taken::InOrder { .. } | Taken::Identity => &call.outputs[..1],
    };
    check_types(call, used, outputs)?;
    let shapes = used.iter().map(|o| o.ty.shape.clone()).collect();
    let inferred = results(call, taken, shapes)?;
    for (ours, theirs) in inferred.iter().zip(outputs) {
        attrs.ensure(*ours == theirs.shape, || {
            format!("its result is {:?} for TVM, {ours:?} for us", theirs.shape)
        })?;
    }
    Ok(())
}

/// The shapes of what `taken` gives over operands of these shapes.
fn results(
    call: &Call,
    taken: &Taken,
    mut shapes: Vec<Vec<usize>>,
) -> Result<Vec<Vec<usize>>, RelayError> {
    match taken {
        Taken::Op { op, changes, .. } => {
            changes.iter().for_each(|change| change.shape(&mut shapes));
            Ok(vec![infer(call, op, &shapes)?])
        }
        Taken::InOrder { axes, taken } => {
            shapes[0] = axes.iter().map(|axis| shapes[0][*axis]).collect();
            let mut results = results(call, taken, shapes)?;
            for shape in &mut results {
                *shape = inverse(axes).iter().map(|axis| shape[*axis]).collect();
            }
            Ok(results)
        }
        Taken::Split { axis, lengths } => parts(*axis, lengths)
            .iter()
            .map(|part| infer(call, part, &shapes))
            .collect(),
        Taken::Identity => Ok(Vec::new()),
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

fn check_types(call: &Call, used: &[Operand], outputs: &[TensorType]) -> Result<(), RelayError> {
    let attrs = &call.attrs;
    attrs.ensure(used.iter().any(|o| !o.is_constant()), || {
        "all its operands are constant".to_string()
    })?;
    let first = &used[0].ty.dtype;
    attrs.ensure(["float32", "float16"].contains(&first.as_str()), || {
        format!("an operand is {first}, not float32 or float16")
    })?;
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

impl Taken {
    /// How many of a call's operands count, unless it only passes one on.
    fn operands(&self) -> Option<usize> {
        match self {
            Taken::Op { operands, .. } => Some(*operands),
            Taken::InOrder { taken, .. } => taken.operands(),
            Taken::Split { .. } => Some(1),
            Taken::Identity => None,
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
        Op::Slice {
            ranges: vec![range],
        }
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

fn op(op: Op, operands: usize) -> Result<Taken, RelayError> {
    Ok(Taken::Op {
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
