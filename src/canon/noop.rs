//! Nodes that do nothing: their readers read what they read.

use super::Edit;
use crate::graph::{Node, Op};

/// Takes out the first node that passes its operand on as it is.
pub(super) fn remove(edit: &mut Edit) -> bool {
    let graph = edit.graph();
    let nothing = |node: &&Node| {
        let [x, ..] = node.inputs[..] else {
            return false;
        };
        let computed = edit.producer(x).is_some();
        (computed || !edit.is_output(node.output)) && does_nothing(edit, node)
    };
    let Some(node) = graph.nodes.iter().find(nothing) else {
        return false;
    };
    let (old, new) = (node.output, node.inputs[0]);
    edit.replace(old, new);
    true
}

fn does_nothing(edit: &Edit, node: &Node) -> bool {
    let same_shape = || edit.shape(node.inputs[0]) == edit.shape(node.output);
    match &node.op {
        Op::Reshape { .. } | Op::Flatten | Op::Slice { .. } => same_shape(),
        Op::Concat { .. } => node.inputs.len() == 1,
        Op::Pad(pad) => pad.before.iter().chain(&pad.after).all(|width| *width == 0),
        Op::Transpose { axes } => axes.iter().copied().eq(0..axes.len()),
        _ => false,
    }
}
