//! Slopes of a tensor that was made a vector: how TFLite's front end spells a parametric ReLU.

use super::Edit;
use super::arithmetic::{ADD, MUL};
use crate::graph::{Activation, Op, TensorId};

/// How slopes repeat in the shape that the tensor has.
enum Slopes {
    One(f32),
    /// One per element of an axis other than the rows.
    Along(usize, Vec<f32>),
    /// One per element of a row.
    PerElement(Vec<f32>),
}

/// One slope for all channels is a leaky ReLU.
pub(super) fn single(edit: &mut Edit, node: usize) -> bool {
    let [x, slopes] = edit.node(node).inputs[..] else {
        return false;
    };
    let channels = *edit.op(node) == Op::PRelu && edit.shape(x).len() > 1;
    let Some(alpha) = edit.uniform(slopes).filter(|_| channels) else {
        return false;
    };
    edit.set(node, Op::Activation(Activation::LeakyRelu { alpha }), &[x]);
    true
}

/// Brings the slopes back to the shape that was there before a reshape made a vector of it.
pub(super) fn unflatten(edit: &mut Edit, node: usize) -> bool {
    let Some((x, slopes)) = found(edit, node) else {
        return false;
    };
    let shape = edit.shape(x).to_vec();
    let y = match slopes {
        Slopes::PerElement(values) => per_element(edit, node, x, &values),
        Slopes::One(alpha) => edit.add(node, Op::Activation(Activation::LeakyRelu { alpha }), &[x]),
        Slopes::Along(axis, values) => in_a_row(edit, node, x, along(axis, shape.len(), values)),
    };
    let dims = vec![edit.shape(edit.node(node).output)[0] as i64];
    edit.set(node, Op::Reshape { dims }, &[y]);
    true
}

/// One operator after the other, some with slopes.
fn in_a_row(edit: &mut Edit, node: usize, x: TensorId, layers: Vec<(Op, Option<Vec<f32>>)>) -> TensorId {
    let name = format!("{}_slopes", edit.node(node).name);
    layers.into_iter().fold(x, |y, (op, values)| {
        let mut inputs = vec![y];
        inputs.extend(values.map(|values| edit.weight(&name, &[values.len()], &values)));
        edit.add(node, op, &inputs)
    })
}

/// `relu(x) - a * relu(-x)`, of which one part is zero: scales by element, which a DLA has, where it has one slope per
/// channel only. Nothing is rounded, and what is infinite stays so.
fn per_element(edit: &mut Edit, node: usize, x: TensorId, slopes: &[f32]) -> TensorId {
    let shape = edit.shape(x)[1..].to_vec();
    let name = format!("{}.slopes", edit.node(node).name);
    let down: Vec<f32> = slopes.iter().map(|slope| -slope).collect();
    let (minus, down) = (
        edit.weight(&name, &[], &[-1.0]),
        edit.weight(&name, &shape, &down),
    );
    let relu = Op::Activation(Activation::Relu);
    let above = edit.add(node, relu.clone(), &[x]);
    let negative = edit.add(node, MUL, &[x, minus]);
    let below = edit.add(node, relu, &[negative]);
    let below = edit.add(node, MUL, &[below, down]);
    edit.add(node, ADD, &[above, below])
}

/// The tensor that was made a vector, and the slopes in its shape.
fn found(edit: &Edit, node: usize) -> Option<(TensorId, Slopes)> {
    let [flat, slopes] = edit.node(node).inputs[..] else {
        return None;
    };
    let vector = *edit.op(node) == Op::PRelu && edit.shape(flat).len() == 1;
    let first = edit.producer(flat).filter(|_| vector)?;
    let moves = matches!(edit.op(first), Op::Reshape { .. } | Op::Squeeze { .. });
    let x = edit.node(first).inputs[0];
    if !moves || edit.loses_range(flat, &[x]) || edit.shape(x).len() < 2 {
        return None;
    }
    Some((x, repeated(edit.values(slopes)?, edit.shape(x))?))
}

fn repeated(values: Vec<f32>, shape: &[usize]) -> Option<Slopes> {
    let same = |a: f32, b: f32| a.to_bits() == b.to_bits();
    if values.iter().all(|v| same(*v, values[0])) {
        return Some(Slopes::One(values[0]));
    }
    for axis in 1..shape.len() {
        let step: usize = shape[axis + 1..].iter().product();
        let own: Vec<f32> = (0..shape[axis]).map(|i| values[i * step]).collect();
        let mut pairs = values.iter().enumerate();
        if pairs.all(|(i, v)| same(*v, own[i / step % shape[axis]])) {
            return Some(Slopes::Along(axis, own));
        }
    }
    let row: usize = shape[1..].iter().product();
    let mut pairs = values.iter().enumerate();
    let rows_alike = pairs.all(|(i, v)| same(*v, values[i % row]));
    rows_alike.then(|| Slopes::PerElement(values[..row].to_vec()))
}

/// The axis becomes the channels for the length of the operator.
fn along(axis: usize, rank: usize, values: Vec<f32>) -> Vec<(Op, Option<Vec<f32>>)> {
    if axis == 1 {
        return vec![(Op::PRelu, Some(values))];
    }
    let mut axes: Vec<usize> = (0..rank).filter(|a| *a != axis).collect();
    axes.insert(1, axis);
    let mut back = vec![0; rank];
    for (place, axis) in axes.iter().enumerate() {
        back[*axis] = place;
    }
    vec![
        (Op::Transpose { axes }, None),
        (Op::PRelu, Some(values)),
        (Op::Transpose { axes: back }, None),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::canon::canonicalise;
    use crate::graph::{GraphBuilder, Op};

    /// The operators that a map of `shape`, made a vector, given these slopes and made a map again, becomes.
    fn spelled(shape: &[usize], slopes: Vec<f32>) -> Vec<&'static str> {
        let mut b = GraphBuilder::new("g");
        let dims = |shape: &[usize]| Op::Reshape {
            dims: shape.iter().map(|d| *d as i64).collect(),
        };
        let x = b.input("x", shape);
        let flat = b.node("flat", dims(&[slopes.len()]), &[x]).unwrap();
        let weight = b.weight("slopes", &[slopes.len()], slopes);
        let y = b.node("prelu", Op::PRelu, &[flat, weight]).unwrap();
        let y = b.node("map", dims(shape), &[y]).unwrap();
        b.output(y);
        let graph = canonicalise(b.finish().unwrap(), &HashSet::new()).unwrap().graph;
        assert!(
            graph
                .nodes
                .iter()
                .all(|n| n.op != Op::PRelu || graph.tensor(n.output).shape.len() > 1)
        );
        let moves = |op: &Op| op.only_moves() && !matches!(op, Op::Transpose { .. });
        graph
            .nodes
            .iter()
            .filter(|n| !moves(&n.op))
            .map(|n| n.op.name())
            .collect()
    }

    #[test]
    fn slopes_of_a_vector_take_the_shape_that_was_there() {
        let repeat = |period: usize, run: usize, len: usize| {
            (0..len)
                .map(|i| (i / run % period) as f32 + 0.5)
                .collect::<Vec<f32>>()
        };
        for (slopes, want, why) in [
            (vec![0.25; 24], &["leaky_relu"][..], "one slope"),
            (
                repeat(2, 1, 24),
                &["transpose", "prelu"],
                "the last axis, and the output's transpose left the network",
            ),
            (repeat(3, 8, 24), &["prelu"], "the channels"),
            (
                repeat(24, 1, 24),
                &["relu", "multiply", "relu", "multiply", "add"],
                "each element",
            ),
        ] {
            assert_eq!(spelled(&[1, 3, 4, 2], slopes), want, "{why}");
        }
        assert_eq!(spelled(&[2, 3, 2, 2], repeat(3, 4, 24)), ["prelu"], "two rows");
    }
}
