//! Moves in a row: reshapes are one reshape, slices one slice, paddings of one value one padding.

use std::cmp::Ordering;

use super::Edit;
use crate::graph::{Op, Pad, Range, TensorId};

/// A reshape of a reshape goes there at once; what comes back to where it was is nothing.
pub(super) fn join(edit: &mut Edit, node: usize) -> bool {
    if !edit.op(node).only_reshapes() {
        return false;
    }
    let (between, output) = (edit.node(node).inputs[0], edit.node(node).output);
    let Some(first) = edit
        .producer(between)
        .filter(|first| edit.op(*first).only_reshapes())
    else {
        return false;
    };
    let x = edit.node(first).inputs[0];
    if edit.loses_range(between, &[x, output]) {
        return false;
    }
    let op = reshape(edit.shape(x), edit.shape(output));
    edit.stands_for(x, between);
    edit.set(node, op, &[x]);
    true
}

/// A slice of a slice.
pub(super) fn slices(edit: &mut Edit, node: usize) -> bool {
    let Some((between, outer)) = slice(edit, node) else {
        return false;
    };
    let Some((x, inner)) = edit.producer(between).and_then(|first| slice(edit, first)) else {
        return false;
    };
    if edit.loses_range(between, &[edit.node(node).output]) {
        return false;
    }
    let mut ranges = inner;
    for range in outer {
        match ranges.iter_mut().find(|other| other.axis == range.axis) {
            Some(other) => {
                other.start += range.start * other.step;
                (other.len, other.step) = (range.len, range.step * other.step);
            }
            None => ranges.push(range),
        }
    }
    ranges.sort_by_key(|range| range.axis);
    edit.set(node, Op::Slice { ranges }, &[x]);
    true
}

/// A padding of a padding.
pub(super) fn pads(edit: &mut Edit, node: usize) -> bool {
    let Op::Pad(outer) = edit.op(node).clone() else {
        return false;
    };
    let (between, output) = (edit.node(node).inputs[0], edit.node(node).output);
    let Some(first) = edit.producer_for(between, node) else {
        return false;
    };
    let Op::Pad(inner) = edit.op(first) else {
        return false;
    };
    if inner.value != outer.value || edit.loses_range(between, &[output]) {
        return false;
    }
    let sum = |a: &[usize], b: &[usize]| a.iter().zip(b).map(|(a, b)| a + b).collect();
    let both = Pad {
        before: sum(&inner.before, &outer.before),
        after: sum(&inner.after, &outer.after),
        value: outer.value,
    };
    let x = edit.node(first).inputs[0];
    edit.set(node, Op::Pad(both), &[x]);
    true
}

/// The operator from one shape to another. Where both have as many rows, any number of rows may come.
pub(super) fn reshape(from: &[usize], to: &[usize]) -> Op {
    let rows = from.first() == to.first();
    if rows && to.len() == 2 && from.len() > 2 {
        return Op::Flatten;
    }
    let dim = |(axis, size): (usize, &usize)| if axis == 0 && rows { 0 } else { *size as i64 };
    Op::Reshape {
        dims: to.iter().enumerate().map(dim).collect(),
    }
}

/// The least runs of axes of two shapes that hold equally many elements; axes of one element lie behind others.
pub(super) fn runs(from: &[usize], to: &[usize]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let (mut own, mut their) = ((0..from.len()).peekable(), (0..to.len()).peekable());
    let mut runs = Vec::new();
    while own.peek().is_some() || their.peek().is_some() {
        let mut run: (Vec<usize>, Vec<usize>) = (own.next().into_iter().collect(), Vec::new());
        run.1.extend(their.next());
        loop {
            let sizes =
                |axes: &[usize], shape: &[usize]| -> usize { axes.iter().map(|a| shape[*a]).product() };
            let more = match sizes(&run.0, from).cmp(&sizes(&run.1, to)) {
                Ordering::Less => own.next().map(|axis| run.0.push(axis)),
                Ordering::Greater => their.next().map(|axis| run.1.push(axis)),
                Ordering::Equal => None,
            };
            if more.is_none() {
                break;
            }
        }
        run.0
            .extend(std::iter::from_fn(|| own.next_if(|axis| from[*axis] == 1)));
        run.1
            .extend(std::iter::from_fn(|| their.next_if(|axis| to[*axis] == 1)));
        runs.push(run);
    }
    runs
}

fn slice(edit: &Edit, node: usize) -> Option<(TensorId, Vec<Range>)> {
    match edit.op(node) {
        Op::Slice { ranges } => Some((edit.node(node).inputs[0], ranges.clone())),
        _ => None,
    }
}
