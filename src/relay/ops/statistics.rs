//! Normalisations by statistics of the operand itself, from layers that every TensorRT has.

use super::Meaning;
use super::normalise::axes;
use super::several::{Source, Writer};
use crate::graph::{BinaryKind, ReduceKind, UnaryKind};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

/// Every channel of every row by its own mean and variance.
pub fn instance_norm(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let axis = call.attrs.axis("axis", writer.rank(x))?;
    let map: Vec<usize> = (1..writer.rank(x)).filter(|a| *a != axis).collect();
    let normal = normalised(call, &mut writer, x, &map)?;
    affine(call, writer, normal, axis)
}

/// Every group of neighbouring channels by its own mean and variance.
pub fn group_norm(call: &Call) -> Result<Meaning, RelayError> {
    let attrs = &call.attrs;
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let shape = writer.shape(x).to_vec();
    let axis = attrs.axis("axis", shape.len())?;
    attrs.ensure(axis == 1, || format!("axis is {axis}, not 1"))?;
    let groups = usize::try_from(attrs.int("num_groups")?).ok();
    let groups = groups.filter(|groups| *groups > 0 && shape[1].is_multiple_of(*groups));
    let groups = groups.ok_or_else(|| attrs.refuse("its groups do not divide the channels"))?;
    let rest = shape[1..].iter().product::<usize>() / groups;
    let grouped = writer.reshape(x, &[shape[0], groups, rest])?;
    let normal = normalised(call, &mut writer, grouped, &[2])?;
    let normal = writer.reshape(normal, &shape)?;
    affine(call, writer, normal, axis)
}

/// `(x - mean) / sqrt(variance + epsilon)` over `axes`.
fn normalised(call: &Call, writer: &mut Writer, x: Source, axes: &[usize]) -> Result<Source, RelayError> {
    let epsilon = call.attrs.float("epsilon")?;
    let mean = writer.reduce(ReduceKind::Mean, axes, x)?;
    let centred = writer.binary(BinaryKind::Sub, x, mean)?;
    let squares = writer.binary(BinaryKind::Mul, centred, centred)?;
    let variance = writer.reduce(ReduceKind::Mean, axes, squares)?;
    let variance = writer.with(BinaryKind::Add, variance, epsilon)?;
    let deviation = writer.unary(UnaryKind::Sqrt, variance)?;
    writer.binary(BinaryKind::Div, centred, deviation)
}

/// Times operand 1 and plus operand 2, one number per element of `axis`, where the call says that they count.
fn affine(call: &Call, mut writer: Writer, x: Source, axis: usize) -> Result<Meaning, RelayError> {
    let mut x = x;
    let parts = [("scale", 1, BinaryKind::Mul), ("center", 2, BinaryKind::Add)];
    for (name, operand, kind) in parts {
        if call.attrs.flag(name)? {
            let mut wide = vec![1; writer.rank(x)];
            wide[axis] = writer.shape(x)[axis];
            let numbers = writer.weight(operand, &wide)?;
            x = writer.binary(kind, x, numbers)?;
        }
    }
    writer.finish(x)
}

/// The mean square of what the second operand, the mean, leaves.
pub fn variance(call: &Call) -> Result<Meaning, RelayError> {
    let attrs = &call.attrs;
    let axes = axes(call)?;
    let mut writer = Writer::new(call);
    let (x, mean) = (writer.operand(0)?, writer.operand(1)?);
    let centred = writer.binary(BinaryKind::Sub, x, mean)?;
    let squares = writer.binary(BinaryKind::Mul, centred, centred)?;
    let mut result = writer.reduce(ReduceKind::Mean, &axes, squares)?;
    if attrs.has("unbiased") && attrs.flag("unbiased")? {
        let count: usize = axes.iter().map(|axis| call.x()[*axis]).product();
        attrs.ensure(count > 1, || "one element has no unbiased variance".to_string())?;
        let factor = count as f32 / (count - 1) as f32;
        result = writer.with(BinaryKind::Mul, result, factor)?;
    }
    let result = writer.reshape(result, &call.output().shape)?;
    writer.finish(result)
}

/// `x / sqrt(max(sum(x^2), eps))`
pub fn l2_normalize(call: &Call) -> Result<Meaning, RelayError> {
    let attrs = &call.attrs;
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let rank = writer.rank(x);
    let named = attrs.ints("axis")?.unwrap_or_else(|| (0..rank as i64).collect());
    let axes = named.into_iter().map(|axis| attrs.in_rank(axis, rank));
    let axes = axes.collect::<Result<Vec<usize>, RelayError>>()?;
    let squares = writer.binary(BinaryKind::Mul, x, x)?;
    let sum = writer.reduce(ReduceKind::Sum, &axes, squares)?;
    let sum = writer.with(BinaryKind::Max, sum, attrs.float("eps")?)?;
    let length = writer.unary(UnaryKind::Sqrt, sum)?;
    let result = writer.binary(BinaryKind::Div, x, length)?;
    writer.finish(result)
}

/// `x - max - log(sum(exp(x - max)))`: nothing overflows, and no logarithm of zero is taken.
pub fn log_softmax(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let axis = call.attrs.axis("axis", writer.rank(x))?;
    let most = writer.reduce(ReduceKind::Max, &[axis], x)?;
    let below = writer.binary(BinaryKind::Sub, x, most)?;
    let powers = writer.unary(UnaryKind::Exp, below)?;
    let sum = writer.reduce(ReduceKind::Sum, &[axis], powers)?;
    let log = writer.unary(UnaryKind::Log, sum)?;
    let result = writer.binary(BinaryKind::Sub, below, log)?;
    writer.finish(result)
}
