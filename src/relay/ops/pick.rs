//! Elements of a tensor by constant indices, in any order: slices, joined.

use super::Meaning;
use super::several::Writer;
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

/// `x[.., indices, ..]`: the axes of the indices take the place of the axis.
pub fn take(call: &Call) -> Result<Meaning, RelayError> {
    let attrs = &call.attrs;
    let batch = attrs.int("batch_dims")?;
    attrs.ensure(batch == 0, || format!("batch_dims is {batch}, not 0"))?;
    let mut writer = Writer::new(call);
    let mut x = writer.operand(0)?;
    let axis = match attrs.ints("axis")? {
        None => {
            let whole = [writer.shape(x).iter().product()];
            x = writer.reshape(x, &whole)?;
            0
        }
        Some(_) => attrs.axis("axis", writer.rank(x))?,
    };
    let mode = attrs.text("mode")?;
    let indices = inside(call, &indices(call, 1)?, writer.shape(x)[axis], &mode)?;
    let picked = writer.pick(x, axis, &indices)?;
    let result = writer.reshape(picked, &call.output().shape)?;
    writer.finish(result)
}

/// `y[i] = x[i with indices[i] in place of its axis]`, where the indices differ along that axis only.
pub fn gather(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let axis = call.attrs.axis("axis", writer.rank(x))?;
    let named = indices(call, 1)?;
    let shape = &call.operands[1].ty.shape;
    let (length, step) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let along: Vec<i64> = (0..length).map(|i| named[i * step]).collect();
    let same = named
        .iter()
        .enumerate()
        .all(|(i, index)| *index == along[i / step % length]);
    call.attrs.ensure(same, || {
        "its indices differ along other axes than its own".to_string()
    })?;
    let size = writer.shape(x)[axis];
    let mut result = writer.pick(x, axis, &inside(call, &along, size, "")?)?;
    for (other, length) in shape.iter().enumerate().filter(|(other, _)| *other != axis) {
        let first: Vec<usize> = (0..*length).collect();
        result = writer.pick(result, other, &first)?;
    }
    writer.finish(result)
}

/// One element or part at the place that the indices name, along the first axes.
pub fn gather_nd(call: &Call) -> Result<Meaning, RelayError> {
    let attrs = &call.attrs;
    let batch = attrs.int("batch_dims")?;
    attrs.ensure(batch == 0, || format!("batch_dims is {batch}, not 0"))?;
    let named = indices(call, 1)?;
    let places: usize = call.operands[1].ty.shape[1..].iter().product();
    attrs.ensure(places > 0, || "it names no place".to_string())?;
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let mut parts = Vec::new();
    for place in 0..places {
        let mut part = x;
        for (axis, index) in named.iter().skip(place).step_by(places).enumerate() {
            let size = writer.shape(x)[axis];
            part = writer.pick(part, axis, &inside(call, &[*index], size, "")?)?;
        }
        parts.push(part);
    }
    let joined = writer.join(&parts, 0)?;
    let result = writer.reshape(joined, &call.output().shape)?;
    writer.finish(result)
}

pub fn reverse(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let axis = call.attrs.axis("axis", writer.rank(x))?;
    let indices: Vec<usize> = (0..writer.shape(x)[axis]).rev().collect();
    let result = writer.pick(x, axis, &indices)?;
    writer.finish(result)
}

/// The part of the first operand that has the second one's lengths.
pub fn slice_like(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let mut x = writer.operand(0)?;
    for (axis, length) in call.output().shape.iter().enumerate() {
        let first: Vec<usize> = (0..*length).collect();
        x = writer.pick(x, axis, &first)?;
    }
    writer.finish(x)
}

/// What constant indices say.
fn indices(call: &Call, operand: usize) -> Result<Vec<i64>, RelayError> {
    let value = call.operands.get(operand).and_then(|operand| operand.value());
    let value = value.ok_or_else(|| call.attrs.refuse("its indices are computed at run time"))?;
    Ok(value.to_numbers()?.into_iter().map(|v| v as i64).collect())
}

/// Indices counted from the front. A negative one counts from the end even where Relay would clip it: front ends of
/// TVM 0.9 hand over ONNX's negative indices as they are. Beyond the end Relay clips or wraps, as the mode says.
pub fn inside(call: &Call, indices: &[i64], size: usize, mode: &str) -> Result<Vec<usize>, RelayError> {
    let size = size as i64;
    let place = |index: &i64| {
        let from_front = if *index < 0 { index + size } else { *index };
        match mode {
            "wrap" => Some(index.rem_euclid(size)),
            "clip" => Some(from_front.clamp(0, size - 1)),
            _ => Some(from_front).filter(|place| (0..size).contains(place)),
        }
        .map(|place| place as usize)
        .ok_or_else(|| {
            call.attrs
                .refuse(format!("index {index} is outside {size} elements"))
        })
    };
    call.attrs.ensure(size > 0, || "its axis is empty".to_string())?;
    indices.iter().map(place).collect()
}
