//! An element-wise layer over a map and one value per channel, as squeeze-and-excitation has it, reads the values as a map.
//!
//! A DLA broadcasts nothing (rule `ew.broadcast`), but it resizes by whole numbers that are equal on both axes. What such
//! scales leave, where the map's sides differ, two max poolings add: a window that reaches beyond a map of equal values
//! finds just these. Every layer copies, so that all of it is exact in every precision. It costs a write and a read of one
//! map on a DLA; other devices broadcast, and `lower` leaves the copies out there.

use super::Edit;
use crate::graph::{
    BinaryKind, Coordinates, Op, PaddingNd, Pool2d, PoolKind, Resize2d, ResizeMode, Rounding, TensorId,
};

/// The largest scale of one resize (rule `resize.scales`).
const SCALE: usize = 32;
/// How far one pooling makes a side longer: a window of eight that meets one element (rules `pool.win` and `pool.pad`).
const GROWTH: usize = 7;
/// The largest stride of a pooling (rule `pool.stride`).
const STRIDE: usize = 16;

/// A layer that copies: it makes a map of equal values larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copy {
    /// Both sides times this.
    Scale(usize),
    /// Each side to this.
    Pool([usize; 2]),
}

/// What repeats an operand that would be broadcast anyway does nothing.
pub(super) fn unrepeat(edit: &mut Edit, node: usize) -> bool {
    let (Op::Binary(_), [a, b]) = (edit.op(node), &edit.node(node).inputs[..]) else {
        return false;
    };
    let shape = edit.shape(edit.node(node).output);
    for (place, other) in [(0, *b), (1, *a)] {
        let mut inputs = [*a, *b];
        let repeated = edit
            .producer(inputs[place])
            .and_then(|producer| by_ones(edit, producer));
        let before = repeated.filter(|before| {
            let same_rank = edit.shape(*before).len() == edit.shape(inputs[place]).len();
            let full = edit.shape(other) == shape && !edit.is_weight(other);
            same_rank && full && !edit.loses_range(inputs[place], &[*before])
        });
        if let Some(before) = before {
            inputs[place] = before;
            let op = edit.op(node).clone();
            edit.set(node, op, &inputs);
            return true;
        }
    }
    false
}

/// What a product with ones repeats.
pub(super) fn by_ones(edit: &Edit, node: usize) -> Option<TensorId> {
    let (Op::Binary(BinaryKind::Mul), [x, ones]) = (edit.op(node), &edit.node(node).inputs[..]) else {
        return None;
    };
    (!edit.is_weight(*x) && edit.uniform(*ones) == Some(1.0)).then_some(*x)
}

/// Spreads the values of the operand that is smaller than the result.
pub(super) fn spread(edit: &mut Edit, node: usize) -> bool {
    let (Op::Binary(_), [a, b]) = (edit.op(node), &edit.node(node).inputs[..]) else {
        return false;
    };
    let (a, b) = (*a, *b);
    let shape = edit.shape(edit.node(node).output).to_vec();
    let small = [a, b].into_iter().position(|id| edit.shape(id) != shape);
    let (Some(small), &[_, _, height, width]) = (small, &shape[..]) else {
        return false;
    };
    let whole = edit.shape([b, a][small]) == shape;
    let Some(values) = values(edit, [a, b][small], &shape).filter(|_| whole) else {
        return false;
    };
    let Some(copies) = copies([height, width]) else {
        return false;
    };
    let mut map = values;
    for copy in copies {
        let [_, _, height, width] = edit.shape(map)[..] else {
            return false;
        };
        map = edit.add(node, copy.layer([height, width]), &[map]);
    }
    let op = edit.op(node).clone();
    let inputs = match small {
        0 => [map, b],
        _ => [a, map],
    };
    edit.set(node, op, &inputs);
    true
}

/// The computed tensor `[N, C, 1, 1]` that `operand` is, whatever its rank.
fn values(edit: &Edit, operand: TensorId, shape: &[usize]) -> Option<TensorId> {
    let own = edit.shape(operand);
    let mut aligned = vec![1; shape.len().checked_sub(own.len())?];
    aligned.extend(own);
    if aligned != [shape[0], shape[1], 1, 1] {
        return None;
    }
    if own == aligned {
        return (!edit.is_weight(operand)).then_some(operand);
    }
    let before = edit.producer(operand).filter(|n| edit.op(*n).only_reshapes())?;
    let source = edit.node(before).inputs[0];
    (edit.shape(source) == aligned && !edit.loses_range(operand, &[source])).then_some(source)
}

/// How one value becomes a map; `None` where no few layers make it.
pub(super) fn copies(map: [usize; 2]) -> Option<Vec<Copy>> {
    let scales = scales(map);
    let scale: usize = scales.iter().product();
    let rest = map.map(|side| side / scale);
    let mut copies = match rest {
        [1, 1] => Vec::new(),
        rest if rest.iter().all(|side| side - 1 <= GROWTH) => vec![Copy::Pool(rest)],
        rest => uneven(rest)?,
    };
    copies.extend(scales.into_iter().map(Copy::Scale));
    Some(copies)
}

/// Scales of both sides of a map, the least first, so that maps stay small for long.
fn scales(map: [usize; 2]) -> Vec<usize> {
    let mut common = divisor(map[0], map[1]);
    let mut scales = Vec::new();
    while let Some(scale) = (2..=SCALE).rev().find(|s| common.is_multiple_of(*s)) {
        scales.insert(0, scale);
        common /= scale;
    }
    scales
}

/// A pooling, a scale and a pooling to sides that have no scale in common: the longer one first, then what it lacks.
fn uneven(map: [usize; 2]) -> Option<Vec<Copy>> {
    let long = usize::from(map[1] > map[0]);
    let mut ways = (2..=SCALE).flat_map(|scale| (1..=GROWTH + 1).map(move |side| (scale, side)));
    let (scale, side) = ways.find(|(scale, side)| {
        let mut have = [*scale; 2];
        have[long] = scale * side;
        (0..2).all(|i| windows(have[i], map[i]).is_some())
    })?;
    let mut first = [1; 2];
    first[long] = side;
    let first = (side > 1).then_some(Copy::Pool(first));
    let then = [Copy::Scale(scale), Copy::Pool(map)];
    Some(first.into_iter().chain(then).collect())
}

fn divisor(a: usize, b: usize) -> usize {
    match b {
        0 => a,
        b => divisor(b, a % b),
    }
}

/// Nearest neighbours: every element of a map repeated.
pub(super) fn nearest(output: [usize; 2]) -> Op {
    Op::Resize2d(Resize2d {
        output,
        mode: ResizeMode::Nearest(Rounding::Floor),
        coordinates: Coordinates::Asymmetric,
    })
}

impl Copy {
    /// The sides of the map that it makes of one with these.
    pub fn of(self, map: [usize; 2]) -> [usize; 2] {
        match self {
            Copy::Scale(scale) => map.map(|side| side * scale),
            Copy::Pool(to) => to,
        }
    }

    /// The layer that makes a map of equal values another.
    pub fn layer(self, [height, width]: [usize; 2]) -> Op {
        match self {
            Copy::Scale(scale) => nearest([height * scale, width * scale]),
            Copy::Pool(to) => {
                let sides = [(height, to[0]), (width, to[1])]
                    .map(|(from, to)| windows(from, to).expect("copies are poolings"));
                let ends = sides.map(|side| side.padding);
                Op::Pool2d(Pool2d {
                    kind: PoolKind::Max,
                    window: sides.map(|side| side.window),
                    stride: sides.map(|side| side.stride),
                    padding: PaddingNd {
                        before: ends,
                        after: ends,
                    }
                    .into(),
                    dilation: [1; 2],
                    ceil_mode: false,
                    count_include_pad: false,
                })
            }
        }
    }
}

/// Windows along one side.
#[derive(Clone, Copy)]
struct Windows {
    window: usize,
    stride: usize,
    /// At both ends.
    padding: usize,
}

/// The windows that make a side of `from` equal values one of `to`; each meets an element.
fn windows(from: usize, to: usize) -> Option<Windows> {
    if let Some(more) = to.checked_sub(from) {
        let (window, stride, padding) = (more + 1, 1, more);
        return (more <= GROWTH).then_some(Windows {
            window,
            stride,
            padding,
        });
    }
    let mut ways = (1..=GROWTH + 1).flat_map(|window| (1..=STRIDE).map(move |s| (window, s)));
    let fits = |(window, stride): &(usize, usize)| {
        from.checked_sub(*window)
            .is_some_and(|room| room / stride + 1 == to)
    };
    let (window, stride) = ways.find(fits)?;
    Some(Windows {
        window,
        stride,
        padding: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::copies;
    use crate::graph::Op;

    /// Every map up to 39x39, and others: each layer within its rule, and the map is what was asked for.
    #[test]
    fn few_layers_within_the_rules_make_every_map() {
        let wide = [
            [1, 96],
            [3, 96],
            [3, 160],
            [6, 80],
            [12, 96],
            [112, 112],
            [128, 256],
        ];
        let all = (1..=39).flat_map(|h| (1..=39).map(move |w| [h, w]));
        for map in all.chain(wide) {
            let copies = copies(map).unwrap_or_else(|| panic!("{map:?}"));
            assert!(copies.len() <= 5, "{map:?}: {copies:?}");
            let mut have = [1, 1];
            for copy in copies {
                have = made(copy.layer(have), have);
            }
            assert_eq!(have, map);
        }
    }

    #[test]
    fn a_map_too_long_for_few_layers_stays_as_it_is() {
        assert_eq!(copies([1, 1021]), None);
    }

    fn made(layer: Op, map: [usize; 2]) -> [usize; 2] {
        match layer {
            Op::Resize2d(resize) => {
                let [rows, columns] = [0, 1].map(|i| resize.output[i] / map[i]);
                assert!(rows == columns && (2..=32).contains(&rows), "{resize:?}");
                resize.output
            }
            Op::Pool2d(pool) => {
                assert!(pool.window.iter().all(|side| (1..=8).contains(side)), "{pool:?}");
                assert!(pool.stride.iter().all(|side| (1..=16).contains(side)), "{pool:?}");
                let pads = pool.padding.pairs();
                [0, 1].map(|i| {
                    assert!(pads[i].iter().all(|p| *p < pool.window[i]), "{pool:?}");
                    let padded: usize = map[i] + pads[i].iter().sum::<usize>();
                    (padded - pool.window[i]) / pool.stride[i] + 1
                })
            }
            other => panic!("{other:?} copies nothing"),
        }
    }
}
