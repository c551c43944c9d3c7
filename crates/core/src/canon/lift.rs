//! What is computed between two reshapes is computed in the shape behind them: the fully connected layers of
//! squeeze-and-excitation are 1x1 convolutions over maps of one element, statistics over a line are over a map.
//!
//! A DLA has layers for maps only, and a network whose tail alone has lost its map keeps that as it is.

use std::collections::{BTreeMap, HashSet};

use super::Edit;
use super::reshapes::{reshape, runs};
use crate::graph::{Conv2d, Node, Op, Range, TensorId};

/// How many operators are looked through.
const DEPTH: usize = 32;

/// A reshape to a map behind operators behind a reshape from a map: the operators run over maps.
pub(super) fn lift(edit: &mut Edit, node: usize) -> bool {
    if !edit.op(node).only_reshapes() {
        return false;
    }
    let (low, output) = (edit.node(node).inputs[0], edit.node(node).output);
    let Some(shapes) = Shapes::of(edit.shape(low), edit.shape(output)) else {
        return false;
    };
    let computed = edit
        .producer(low)
        .is_some_and(|first| !edit.op(first).only_reshapes());
    if !computed || edit.is_output(low) {
        return false;
    }
    let mut lift = Lift {
        shapes,
        able: HashSet::new(),
        maps: BTreeMap::new(),
    };
    if !lift.can(edit, low, DEPTH) {
        return false;
    }
    let map = lift.map(edit, low);
    if edit.is_output(output) && edit.is_output(map) {
        return false;
    }
    edit.replace(output, map);
    for (low, map) in lift.maps {
        let first = edit.producer(low).filter(|_| low != map);
        if let Some(first) = first.filter(|first| !edit.op(*first).only_reshapes()) {
            edit.stands_for(map, low);
            let back = reshape(edit.shape(map), edit.shape(low));
            edit.set(first, back, &[map]);
        }
    }
    true
}

/// How the axes of one shape become those of another, which has more.
struct Shapes {
    low: Vec<usize>,
    /// By axis of the lower shape: what becomes of it.
    parts: Vec<Vec<usize>>,
}

impl Shapes {
    fn of(low: &[usize], map: &[usize]) -> Option<Shapes> {
        if map.len() != 4 || low.len() >= 4 || low.len() < 2 {
            return None;
        }
        let runs = runs(low, map);
        let parts = runs.into_iter().enumerate().map(|(axis, (own, its))| {
            let sizes = its.iter().map(|a| map[*a]).collect();
            (own == [axis]).then_some(sizes)
        });
        let parts = parts.collect::<Option<Vec<Vec<usize>>>>()?;
        let low = low.to_vec();
        (parts.len() == low.len() && parts[0].len() == 1).then_some(Shapes { low, parts })
    }

    /// The shape of a map that is `shape` lower; `None` where an axis that becomes several has another length.
    fn wide(&self, shape: &[usize]) -> Option<Vec<usize>> {
        if shape.len() != self.low.len() {
            return None;
        }
        let mut wide = Vec::new();
        for (axis, size) in shape.iter().enumerate() {
            let part = &self.parts[axis];
            if *size == self.low[axis] {
                wide.extend(part);
            } else if *size == 1 || self.is_whole(axis) {
                wide.push(*size);
                wide.extend(vec![1; part.len() - 1]);
            } else {
                return None;
            }
        }
        Some(wide)
    }

    /// Whether an axis stays one, perhaps with axes of one element behind it.
    fn is_whole(&self, axis: usize) -> bool {
        self.parts[axis][1..].iter().all(|size| *size == 1)
    }

    /// Where the axes that become of one begin.
    fn place(&self, axis: usize) -> usize {
        self.parts[..axis].iter().map(Vec::len).sum()
    }

    fn places(&self, axes: &[usize]) -> Vec<usize> {
        let all = axes.iter().flat_map(|axis| {
            let first = self.place(*axis);
            first..first + self.parts[*axis].len()
        });
        all.collect()
    }

    /// A constant's shape, with the axes in front that it lacks.
    fn constant(&self, shape: &[usize]) -> Option<Vec<usize>> {
        let missing = self.low.len().checked_sub(shape.len())?;
        self.wide(&[&vec![1; missing], shape].concat())
    }
}

struct Lift {
    shapes: Shapes,
    /// Lower tensors that can be had as maps.
    able: HashSet<TensorId>,
    /// By lower tensor the map.
    maps: BTreeMap<TensorId, TensorId>,
}

impl Lift {
    /// Whether `id` can be had as a map.
    fn can(&mut self, edit: &Edit, id: TensorId, depth: usize) -> bool {
        if self.able.contains(&id) {
            return true;
        }
        let (Some(node), Some(wide)) = (edit.producer(id), self.shapes.wide(edit.shape(id))) else {
            return false;
        };
        let Node { op, inputs, .. } = edit.node(node);
        if depth == 0 || op.only_reshapes() {
            let source = inputs[0];
            return op.only_reshapes() && edit.shape(source) == wide && !edit.is_weight(source);
        }
        let fits = match op {
            Op::Activation(_) | Op::Unary(_) => true,
            Op::Binary(_) => inputs
                .iter()
                .all(|id| !edit.is_weight(*id) || self.shapes.constant(edit.shape(*id)).is_some()),
            Op::BiasAdd { axis }
            | Op::BatchNorm { axis, .. }
            | Op::Softmax { axis }
            | Op::Concat { axis } => *axis > 0 && self.shapes.is_whole(*axis),
            Op::Slice { ranges } => ranges.iter().all(|r| r.axis > 0 && self.shapes.is_whole(r.axis)),
            Op::Reduce { axes, keepdims, .. } => *keepdims && !axes.contains(&0),
            Op::Dense => edit.is_weight(inputs[1]) && edit.shape(id).len() == 2 && self.shapes.is_whole(1),
            _ => false,
        };
        let operands = match op {
            Op::BiasAdd { .. } | Op::BatchNorm { .. } | Op::Dense => &inputs[..1],
            _ => &inputs[..],
        };
        let constant = |id: &TensorId| edit.is_weight(*id) && matches!(op, Op::Binary(_));
        let able = fits
            && operands
                .iter()
                .all(|id| constant(id) || self.can(edit, *id, depth - 1));
        if able {
            self.able.insert(id);
        }
        able
    }

    /// `id` as a map; [`Lift::can`] has said that it can be had.
    fn map(&mut self, edit: &mut Edit, id: TensorId) -> TensorId {
        if let Some(map) = self.maps.get(&id) {
            return *map;
        }
        let node = edit.producer(id).expect("it is computed");
        let Node { op, inputs, .. } = edit.node(node).clone();
        let map = if op.only_reshapes() {
            inputs[0]
        } else {
            let operands = self.operands(edit, &op, &inputs);
            let op = self.op(&op);
            edit.add(node, op, &operands)
        };
        self.maps.insert(id, map);
        map
    }

    fn operands(&mut self, edit: &mut Edit, op: &Op, inputs: &[TensorId]) -> Vec<TensorId> {
        let mut operands = Vec::with_capacity(inputs.len());
        for (place, id) in inputs.iter().enumerate() {
            operands.push(match op {
                Op::Dense if place == 1 => {
                    let shape = [edit.shape(*id), &[1, 1]].concat();
                    edit.reshaped(*id, &shape)
                }
                Op::Binary(_) if edit.is_weight(*id) && edit.shape(*id).iter().any(|size| *size > 1) => {
                    let shape = self.shapes.constant(edit.shape(*id)).expect("it fits");
                    edit.reshaped(*id, &shape)
                }
                _ if edit.is_weight(*id) => *id,
                _ => self.map(edit, *id),
            });
        }
        operands
    }

    fn op(&self, op: &Op) -> Op {
        let shapes = &self.shapes;
        match op {
            Op::Dense => Op::Conv2d(Conv2d::plain([1; 2])),
            Op::BiasAdd { axis } => Op::BiasAdd {
                axis: shapes.place(*axis),
            },
            Op::BatchNorm { epsilon, axis } => Op::BatchNorm {
                epsilon: *epsilon,
                axis: shapes.place(*axis),
            },
            Op::Softmax { axis } => Op::Softmax {
                axis: shapes.place(*axis),
            },
            Op::Concat { axis } => Op::Concat {
                axis: shapes.place(*axis),
            },
            Op::Slice { ranges } => {
                let moved = ranges.iter().map(|range| Range {
                    axis: shapes.place(range.axis),
                    ..*range
                });
                Op::Slice {
                    ranges: moved.collect(),
                }
            }
            Op::Reduce { kind, axes, .. } => Op::Reduce {
                kind: *kind,
                axes: shapes.places(axes),
                keepdims: true,
            },
            other => other.clone(),
        }
    }
}
