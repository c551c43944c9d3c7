//! What one operator does to the place of the rows: one exhaustive match, so that a new operator has to be learned here.

use super::join::{batch_matmul, binary, concat};
use super::place::Place;
use crate::graph::Op;

/// An operand of a node.
pub(super) struct Operand<'a> {
    pub shape: &'a [usize],
    /// `None` where every row reads the same.
    pub place: Option<Place>,
    /// A weight whose elements are the same for every row, if the rows lay at a place.
    pub repeats: &'a dyn Fn(Place) -> bool,
}

/// Where the rows of a result lie.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub place: Option<Place>,
    /// Weights that another batch needs as often as it has rows, with the place of the rows in each.
    pub repeated: Vec<(usize, Place)>,
}

impl Step {
    pub fn at(place: Place) -> Step {
        Step {
            place: Some(place),
            repeated: Vec::new(),
        }
    }

    pub const SAME: Step = Step {
        place: None,
        repeated: Vec::new(),
    };
}

/// Why rows are not apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MixedRows {
    Because(String),
    /// The axis of the rows is one that holds channels or a map.
    NoBatch(String),
}

pub(super) type Steps = Result<Vec<Step>, MixedRows>;

/// The ways to see where the rows of the result lie, the likeliest first; one for nearly every operator. `output` is the
/// shape of the result for `rows` rows.
pub(super) fn steps(op: &Op, operands: &[Operand<'_>], output: &[usize], rows: usize) -> Steps {
    if operands.iter().all(|operand| operand.place.is_none()) {
        return Ok(vec![Step::SAME]);
    }
    let one = |step: Result<Step, String>| step.map(|s| vec![s]).map_err(MixedRows::Because);
    match op {
        Op::Binary(_) => one(binary(operands, output)),
        Op::Concat { axis } => one(concat(operands, *axis)),
        Op::BatchMatmul {
            transpose_a,
            transpose_b,
        } => one(batch_matmul(operands, *transpose_a, *transpose_b)),
        other => match operands {
            [x, rest @ ..] if rest.iter().all(|operand| operand.place.is_none()) => {
                // Some operand has a place, and none of the others.
                let place = x.place.unwrap_or(Place::of(0));
                alone(other, x.shape, place, output, rows)
            }
            _ => Err(MixedRows::Because(
                "an operand that all rows share differs from row to row".to_string(),
            )),
        },
    }
}

/// Operators of one tensor; what else they read is the same for every row.
fn alone(op: &Op, x: &[usize], place: Place, output: &[usize], rows: usize) -> Steps {
    let kept = Ok(vec![Step::at(place)]);
    let moved = |axis: usize| Ok(vec![Step::at(place.on(axis))]);
    let along = |axis: usize| {
        if axis == place.axis {
            Err(MixedRows::Because(format!(
                "works along axis {axis}, where the rows lie"
            )))
        } else {
            Ok(vec![Step::at(place)])
        }
    };
    match op {
        Op::Activation(_) | Op::Unary(_) => kept,
        Op::Conv1d(_) | Op::Conv2d(_) | Op::Conv3d(_) | Op::Deconv2d(_) | Op::Deconv3d(_) => {
            windows(place, 1)
        }
        Op::Pool2d(_) | Op::Pool3d(_) | Op::Resize2d(_) | Op::GlobalPool(_) | Op::AdaptivePool { .. } => {
            windows(place, 2)
        }
        Op::BiasAdd { axis }
        | Op::BatchNorm { axis, .. }
        | Op::LayerNorm { axis, .. }
        | Op::Softmax { axis } => along(*axis),
        Op::PRelu | Op::Lrn(_) => along(1),
        Op::Dense => along(x.len() - 1),
        Op::Pad(pad) => match pad.before[place.axis] + pad.after[place.axis] {
            0 => kept,
            _ => along(place.axis),
        },
        Op::Slice { ranges } => match ranges.iter().find(|range| range.axis == place.axis) {
            Some(range) => along(range.axis),
            None => kept,
        },
        Op::Reduce { axes, .. } if axes.contains(&place.axis) => along(place.axis),
        Op::Reduce { keepdims: true, .. } => kept,
        Op::Reduce { axes, .. } => moved(place.axis - below(axes, place.axis)),
        Op::Squeeze { axes } if !axes.contains(&place.axis) => moved(place.axis - below(axes, place.axis)),
        Op::ExpandDims { axis, count } if *axis <= place.axis => moved(place.axis + count),
        Op::ExpandDims { .. } => kept,
        Op::Transpose { axes } => moved(axes.iter().position(|a| *a == place.axis).unwrap_or_default()),
        Op::Flatten | Op::Reshape { .. } | Op::Squeeze { .. } => {
            let places = place.reshaped(x, output, rows);
            if places.is_empty() {
                Err(MixedRows::Because(format!(
                    "no axis of {output:?} keeps the rows of {x:?} together"
                )))
            } else {
                Ok(places.into_iter().map(Step::at).collect())
            }
        }
        Op::Binary(_) | Op::Concat { .. } | Op::BatchMatmul { .. } => kept,
    }
}

/// Of maps: the first `apart` axes are computed one by one.
fn windows(place: Place, apart: usize) -> Steps {
    match place.axis < apart {
        true => Ok(vec![Step::at(place)]),
        false if place.alone() => Err(MixedRows::NoBatch(format!(
            "axis {} is its {}",
            place.axis,
            if place.axis == 1 { "channels" } else { "map" }
        ))),
        false => Err(MixedRows::Because(format!(
            "works along axis {}, where the rows lie",
            place.axis
        ))),
    }
}

fn below(axes: &[usize], axis: usize) -> usize {
    axes.iter().filter(|other| **other < axis).count()
}
