//! Resizes by which every element is one of the map: repeated by a whole number, taken at a distance, or the only one.
//!
//! A DLA takes few of the ways to say where an element lies (rules `resize.82` and `resize.84`), and whole scales only
//! (rule `resize.scales`). Which elements are taken is all that matters.

use super::Edit;
use super::broadcast::{copies, nearest};
use crate::graph::{Op, Range, Resize2d, ResizeMode};

/// Nearest neighbours: whole repetitions have one spelling, and what is left out is a slice.
pub(super) fn picks(edit: &mut Edit, node: usize) -> bool {
    let Op::Resize2d(resize) = *edit.op(node) else {
        return false;
    };
    let x = edit.node(node).inputs[0];
    let &[_, _, height, width] = edit.shape(x) else {
        return false;
    };
    let Some([rows, columns]) = places(&resize, [height, width]) else {
        return false;
    };
    let whole = |places: &[usize], scale: usize| (0..).zip(places).all(|(i, p)| i / scale == *p);
    let scale = (resize.output[0] / height).max(1);
    let repeats =
        resize.output == [height * scale, width * scale] && whole(&rows, scale) && whole(&columns, scale);
    if repeats {
        let op = nearest(resize.output);
        let another = *edit.op(node) != op;
        if another {
            edit.set(node, op, &[x]);
        }
        return another;
    }
    let ranges = [(2, rows), (3, columns)].map(|(axis, places)| range(axis, &places));
    let [Some(rows), Some(columns)] = ranges else {
        return false;
    };
    let ranges = vec![rows, columns];
    edit.set(node, Op::Slice { ranges }, &[x]);
    true
}

/// A map of one element becomes one of equal elements, whatever lies between elements.
pub(super) fn one_element(edit: &mut Edit, node: usize) -> bool {
    let Op::Resize2d(resize) = *edit.op(node) else {
        return false;
    };
    let x = edit.node(node).inputs[0];
    let [_, _, 1, 1] = edit.shape(x) else {
        return false;
    };
    let Some(copies) = copies(resize.output) else {
        return false;
    };
    let (mut map, mut size) = (x, [1, 1]);
    let layers = copies.into_iter().map(|copy| {
        let layer = copy.layer(size);
        size = copy.of(size);
        layer
    });
    let layers: Vec<Op> = layers.collect();
    let Some((last, before)) = layers.split_last() else {
        return false;
    };
    if before.is_empty() && last == edit.op(node) {
        return false;
    }
    for layer in before {
        map = edit.add(node, layer.clone(), &[map]);
    }
    edit.set(node, last.clone(), &[map]);
    true
}

/// The row and the column that each element of the result is taken from.
fn places(resize: &Resize2d, map: [usize; 2]) -> Option<[Vec<usize>; 2]> {
    let ResizeMode::Nearest(rounding) = resize.mode else {
        return None;
    };
    let along = |axis: usize| {
        let (input, output) = (map[axis], resize.output[axis]);
        let place = move |i| rounding.apply(resize.source(i, input, output));
        (0..output)
            .map(|i| place(i).clamp(0.0, (input - 1) as f64) as usize)
            .collect()
    };
    Some([along(0), along(1)])
}

/// Places at one distance.
fn range(axis: usize, places: &[usize]) -> Option<Range> {
    let start = places[0];
    let step = places.get(1).map_or(Some(1), |next| next.checked_sub(start))?;
    let regular = (0..).zip(places).all(|(i, p)| start + i * step == *p);
    (regular && step > 0).then_some(Range {
        axis,
        start,
        len: places.len(),
        step,
    })
}
