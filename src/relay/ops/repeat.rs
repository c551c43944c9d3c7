//! Operators that repeat elements, or join tensors along a new axis.

use super::Meaning;
use super::several::{Source, Writer};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

pub fn stack(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let rank = call.x().len() + 1;
    let axis = call.attrs.axis("axis", rank)?;
    let parts: Vec<Source> = (0..call.operands.len()).map(Source::Operand).collect();
    let result = writer.join(&parts, axis)?;
    writer.finish(result)
}

/// Also `broadcast_to_like`: the result's shape says everything.
pub fn broadcast_to(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let result = writer.broadcast(x, &call.output().shape)?;
    writer.finish(result)
}

/// The whole tensor, `reps` times along each axis.
pub fn tile(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let out = &call.output().shape;
    let wide = [&vec![1; out.len() - writer.rank(x)], writer.shape(x)].concat();
    let mut x = writer.reshape(x, &wide)?;
    for axis in 0..out.len() {
        let own = writer.shape(x)[axis];
        if own == 1 {
            let mut wider = writer.shape(x).to_vec();
            wider[axis] = out[axis];
            x = writer.broadcast(x, &wider)?;
        } else {
            let again: Vec<usize> = (0..out[axis]).map(|i| i % own).collect();
            x = writer.pick(x, axis, &again)?;
        }
    }
    writer.finish(x)
}

/// Each element `repeats` times, one behind the other.
pub fn repeat(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let x = writer.operand(0)?;
    let axis = call.attrs.axis("axis", writer.rank(x))?;
    let out = &call.output().shape;
    let mut apart = writer.shape(x).to_vec();
    let times = out[axis] / apart[axis];
    apart.insert(axis + 1, 1);
    let x = writer.reshape(x, &apart)?;
    apart[axis + 1] = times;
    let x = writer.broadcast(x, &apart)?;
    let result = writer.reshape(x, out)?;
    writer.finish(result)
}
