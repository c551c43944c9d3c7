//! Where the rows lie in a network that may mix them: an operator that mixes rows can leave them where they were.

use super::follow::{follow, operands_of};
use super::place::Place;
use super::step::{Step, steps};
use crate::graph::{Graph, Node, Op, TensorId};

/// Where the rows of a tensor lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Located {
    At(Place),
    /// It is the same for all rows, or of all rows together.
    Nowhere,
    /// They went through an operator that says nothing of it.
    Unknown,
}

impl From<Option<Place>> for Located {
    fn from(place: Option<Place>) -> Located {
        place.map_or(Located::Nowhere, Located::At)
    }
}

/// Per tensor of a network whose inputs have `rows` rows each.
pub(super) fn located(graph: &Graph, rows: usize) -> Vec<Located> {
    if let Ok(found) = follow(graph) {
        return found.places.into_iter().map(Located::from).collect();
    }
    let mut places = vec![Located::Nowhere; graph.tensors.len()];
    for id in &graph.inputs {
        places[id.0 as usize] = Located::At(Place::of(0));
    }
    for node in &graph.nodes {
        places[node.output.0 as usize] = behind(graph, node, &places, rows);
    }
    places
}

fn behind(graph: &Graph, node: &Node, places: &[Located], rows: usize) -> Located {
    let of = |id: &TensorId| places[id.0 as usize];
    if node.inputs.iter().any(|id| of(id) == Located::Unknown) {
        return Located::Unknown;
    }
    let place = |id: &TensorId| match of(id) {
        Located::At(place) => Some(place),
        Located::Nowhere | Located::Unknown => None,
    };
    let output = &graph.tensor(node.output).shape;
    let found = operands_of(graph, node, place, rows, |operands| {
        steps(&node.op, operands, output, rows)
    });
    if let Ok(steps) = found {
        let first = steps.into_iter().next().unwrap_or(Step::SAME);
        return first.place.into();
    }
    let lone = match &node.inputs[..] {
        [x, rest @ ..] if rest.iter().all(|id| place(id).is_none()) => place(x).map(|p| (x, p)),
        _ => None,
    };
    match (lone, &node.op) {
        (Some((_, place)), Op::Reduce { axes, .. }) if axes.contains(&place.axis) && place.alone() => {
            Located::Nowhere
        }
        (Some((x, place)), _) if graph.tensor(*x).shape == *output => Located::At(place),
        _ => Located::Unknown,
    }
}

/// Whether an operator that has an axis for the batch finds the first axis of the inputs there, all of `rows` rows.
pub(super) fn is_batch(graph: &Graph, rows: usize) -> bool {
    let places = located(graph, rows);
    graph.nodes.iter().any(|node| {
        let read = node.inputs.first().map(|id| places[id.0 as usize]);
        read == Some(Located::At(Place::of(0))) && has_batch(&node.op)
    })
}

fn has_batch(op: &Op) -> bool {
    matches!(
        op,
        Op::Conv1d(_)
            | Op::Conv2d(_)
            | Op::Conv3d(_)
            | Op::Deconv2d(_)
            | Op::Deconv3d(_)
            | Op::Pool2d(_)
            | Op::Pool3d(_)
            | Op::Resize2d(_)
            | Op::GlobalPool(_)
            | Op::AdaptivePool { .. }
            | Op::BatchNorm { .. }
            | Op::PRelu
            | Op::Lrn(_)
            | Op::Dense
            | Op::BatchMatmul { .. }
    )
}
