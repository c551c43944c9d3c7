//! A convolution over the channels of a map of one element, as efficient channel attention has it, is a fully connected
//! layer whose weights lie in a band: a DLA convolves no lines.

use super::Edit;
use super::channels::SHARE;
use super::reshapes::reshape;
use crate::graph::{ConvNd, Node, Op, TensorId};

/// A convolution of one line, which a reshape has made of values per channel.
pub(super) fn dense(edit: &mut Edit, node: usize) -> bool {
    let Some((conv, x, weights)) = found(edit, node) else {
        return false;
    };
    let output = edit.shape(edit.node(node).output).to_vec();
    let (inputs, outputs) = (edit.shape(x)[2], output[2]);
    if !edit.spend((inputs * outputs) as u64, SHARE) {
        return false;
    }
    let mut band = vec![0.0; inputs * outputs];
    for place in 0..outputs {
        for (tap, weight) in weights.iter().enumerate() {
            let from = place * conv.stride[0] + tap * conv.dilation[0];
            let from = from.checked_sub(conv.padding.before[0]);
            if let Some(from) = from.filter(|from| *from < inputs) {
                band[place * inputs + from] += weight;
            }
        }
    }
    let name = format!("{}.band", edit.node(node).name);
    let band = edit.weight(&name, &[outputs, inputs], &band);
    let flat = reshape(edit.shape(x), &[output[0], inputs]);
    let flat = edit.add(node, flat, &[x]);
    edit.set_reshaped(node, Op::Dense, &[flat, band]);
    true
}

fn found(edit: &Edit, node: usize) -> Option<(ConvNd<1>, TensorId, Vec<f32>)> {
    let Node { op, inputs, .. } = edit.node(node);
    let (Op::Conv1d(conv), [x, weights]) = (op, &inputs[..]) else {
        return None;
    };
    let before = edit.producer(*x).filter(|n| edit.op(*n).only_reshapes())?;
    let source = edit.shape(edit.node(before).inputs[0]);
    let values = source.len() == 4 && source[2..] == [1, 1] && source[0] == edit.shape(*x)[0];
    let single = edit.shape(*x)[1] == 1 && edit.shape(*weights)[..2] == [1, 1];
    if !values || !single || edit.is_ranged(*x) {
        return None;
    }
    Some((conv.clone(), *x, edit.values(*weights)?))
}
