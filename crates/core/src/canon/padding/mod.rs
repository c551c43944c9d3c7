//! Explicit padding becomes padding of the layer behind it; no DLA has a layer that only pads.

mod layers;
mod sink;

pub(super) use sink::sink;

use super::Edit;
use crate::graph::{Op, Pad, TensorId};
use layers::padded;

/// float16's least value: what exporters pad a max pool with is this or less.
const LEAST: f32 = -65504.0;

/// Padding in front of a layer that pads the same itself. Where another reader cannot take it, it stays for that one.
pub(super) fn absorb(edit: &mut Edit, node: usize) -> bool {
    let Some((x, wide, frame)) = frame_before(edit, node) else {
        return false;
    };
    let least = edit.bounds(x).0.max(LEAST);
    let output = edit.shape(edit.node(node).output).to_vec();
    let weight = edit.node(node).inputs.get(1).copied();
    let kernel = weight.map_or(&[][..], |weight| edit.shape(weight));
    let Some(op) = padded(edit.op(node), &frame, least, kernel, &output) else {
        return false;
    };
    let inputs: Vec<TensorId> = [x].into_iter().chain(weight).collect();
    // Whatever else says of the padded tensor how far it reaches says it of what was padded.
    edit.stands_for(x, wide);
    edit.set(node, op, &inputs);
    true
}

/// Widths around the map of a tensor, by map axis.
pub(super) struct Frame {
    pub before: Vec<usize>,
    pub after: Vec<usize>,
    pub value: f32,
    /// The map in it.
    pub size: Vec<usize>,
}

/// What is padded in front of a node, the padded tensor, and how; rows and channels are not.
fn frame_before(edit: &Edit, node: usize) -> Option<(TensorId, TensorId, Frame)> {
    let wide = *edit.node(node).inputs.first()?;
    let first = edit.producer(wide)?;
    let (Op::Pad(pad), x) = (edit.op(first), edit.node(first).inputs[0]) else {
        return None;
    };
    let ([0, 0, before @ ..], [0, 0, after @ ..]) = (&pad.before[..], &pad.after[..]) else {
        return None;
    };
    let frame = Frame {
        before: before.to_vec(),
        after: after.to_vec(),
        value: pad.value,
        size: edit.shape(x)[2..].to_vec(),
    };
    Some((x, wide, frame))
}

/// The padding in front of a node that nothing else reads.
fn pad_before(edit: &Edit, node: usize) -> Option<(TensorId, &Pad)> {
    let wide = *edit.node(node).inputs.first()?;
    let first = edit.producer(wide)?;
    match edit.op(first) {
        Op::Pad(pad) if edit.only_reader(wide) == Some(node) => Some((edit.node(first).inputs[0], pad)),
        _ => None,
    }
}
