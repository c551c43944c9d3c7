//! The moves before a tensor, and where its elements come from.

use std::collections::HashMap;

use super::is_move;
use crate::canon::Edit;
use crate::canon::values::{Values, concatenated};
use crate::graph::{Node, Op, TensorId};

/// The most elements that are followed.
const MOST: usize = 1 << 22;
/// The most moves in a row.
const DEPTH: usize = 64;

/// Moves, and the maps that they move: several are joined as channels of one.
pub struct Chain {
    pub sources: Vec<TensorId>,
    /// Tensors between.
    pub between: Vec<TensorId>,
    /// Whether every move is a layer of a DLA as it is.
    pub plain: bool,
}

impl Chain {
    /// The chain to a map that something else than a move reads; `None` too for a single part without gaps.
    pub fn to(edit: &Edit, node: usize) -> Option<Chain> {
        let output = edit.node(node).output;
        let ends =
            || edit.is_output(output) || edit.readers(output).iter().any(|reader| reads_map(edit, *reader));
        if !is_move(edit, node) || edit.shape(output).len() != 4 || !ends() {
            return None;
        }
        let mut search = Search::new(edit);
        let sources = search.sources(output, DEPTH)?;
        let plain = search.plain;
        if sources == [output] || (plain && *edit.op(node) != (Op::Concat { axis: 1 })) {
            return None;
        }
        let known = search.known.into_keys();
        let mut between: Vec<TensorId> = known
            .filter(|id| *id != output && !sources.contains(id))
            .collect();
        between.sort_unstable();
        let first = edit.shape(*sources.first()?);
        let alike = |id: &TensorId| {
            let shape = edit.shape(*id);
            shape.len() == 4 && shape[0] == first[0] && shape[2..] == first[2..] && !edit.is_weight(*id)
        };
        let lost = |id: &TensorId| edit.loses_range(*id, &[sources[0], output]);
        let usable = sources.iter().all(alike) && !between.iter().any(lost);
        usable.then_some(Chain {
            sources,
            between,
            plain,
        })
    }

    /// The shape of all sources joined.
    pub fn shape(&self, edit: &Edit) -> Vec<usize> {
        let mut shape = edit.shape(self.sources[0]).to_vec();
        shape[1] = self.sources.iter().map(|id| edit.shape(*id)[1]).sum();
        shape
    }

    /// By element of the result: which element of the sources it is; `None` where rows mix.
    pub fn places(&self, edit: &Edit, node: usize) -> Option<Vec<usize>> {
        let output = edit.node(node).output;
        let shape = self.shape(edit);
        let mut known: HashMap<TensorId, Vec<f32>> = HashMap::new();
        let mut first = 0;
        for id in &self.sources {
            known.insert(*id, numbered(edit.shape(*id), &shape, first));
            first += edit.shape(*id)[1..].iter().product::<usize>();
        }
        let all: Vec<usize> = follow(edit, output, &mut known)?
            .iter()
            .map(|v| *v as usize)
            .collect();
        let rows = shape[0];
        let (own, of_sources) = (all.len() / rows, shape[1..].iter().product::<usize>());
        let row = all[..own].to_vec();
        let alike = all
            .chunks(own)
            .enumerate()
            .all(|(n, other)| other.iter().zip(&row).all(|(a, b)| *a == b + n * of_sources));
        (alike && edit.shape(output)[0] == rows && row.iter().all(|place| *place < of_sources)).then_some(row)
    }
}

/// Every element's number among all sources joined.
fn numbered(own: &[usize], joined: &[usize], first: usize) -> Vec<f32> {
    let (length, row) = (
        own[1..].iter().product::<usize>(),
        joined[1..].iter().product::<usize>(),
    );
    let numbers = (0..own[0]).flat_map(|n| (0..length).map(move |i| (n * row + first + i) as f32));
    numbers.collect()
}

struct Search<'a> {
    edit: &'a Edit,
    known: HashMap<TensorId, Vec<TensorId>>,
    /// Whether all moves so far are layers of a DLA.
    plain: bool,
}

/// Whether a node is no move, or joins maps as networks do.
fn reads_map(edit: &Edit, node: usize) -> bool {
    let output = edit.node(node).output;
    let joins = matches!(edit.op(node), Op::Concat { axis: 1 });
    !is_move(edit, node)
        || joins
            && Search::new(edit)
                .sources(output, DEPTH)
                .is_none_or(|sources| sources == [output])
}

impl<'a> Search<'a> {
    fn new(edit: &'a Edit) -> Search<'a> {
        Search {
            edit,
            known: HashMap::new(),
            plain: true,
        }
    }

    /// What is moved to `id`. Maps that are joined as channels, as networks do it, are one tensor, unless all of them are
    /// parts of one.
    fn sources(&mut self, id: TensorId, depth: usize) -> Option<Vec<TensorId>> {
        if let Some(known) = self.known.get(&id) {
            return Some(known.clone());
        }
        if self.edit.shape(id).iter().product::<usize>() > MOST {
            return None;
        }
        let node = self
            .edit
            .producer(id)
            .filter(|node| is_move(self.edit, *node) && depth > 0);
        let mut sources = Vec::new();
        if let Some(node) = node {
            let before = self.plain;
            let Node { op, inputs, .. } = self.edit.node(node);
            let operands = if matches!(op, Op::Concat { .. }) {
                &inputs[..]
            } else {
                &inputs[..1]
            };
            for operand in operands {
                let new = self.sources(*operand, depth - 1)?;
                sources.extend(
                    new.into_iter()
                        .filter(|new| !sources.contains(new))
                        .collect::<Vec<_>>(),
                );
            }
            let rank = self.edit.shape(id).len();
            let joins = rank == 4 && matches!(op, Op::Concat { axis: 1 });
            if joins && sources.len() > 1 {
                (self.plain, sources) = (before, vec![id]);
            } else {
                self.plain &= joins || rank == 4 && unit(op);
            }
        } else {
            sources.push(id);
        }
        self.known.insert(id, sources.clone());
        Some(sources)
    }
}

/// A part without gaps.
fn unit(op: &Op) -> bool {
    matches!(op, Op::Slice { ranges } if ranges.iter().all(|range| range.step == 1))
}

/// The numbers of the elements of `id`.
fn follow(edit: &Edit, id: TensorId, known: &mut HashMap<TensorId, Vec<f32>>) -> Option<Vec<f32>> {
    if let Some(numbers) = known.get(&id) {
        return Some(numbers.clone());
    }
    let Node { op, inputs, .. } = edit.node(edit.producer(id)?);
    let mut operand = |id: TensorId| {
        Some(Values {
            shape: edit.shape(id).to_vec(),
            data: follow(edit, id, known)?,
        })
    };
    let shape = edit.shape(id);
    let numbers = match op {
        Op::Transpose { axes } => operand(inputs[0])?.transposed(axes),
        Op::Slice { ranges } => operand(inputs[0])?.sliced(ranges, shape),
        Op::Concat { axis } => {
            let parts: Option<Vec<Values>> = inputs.iter().map(|id| operand(*id)).collect();
            concatenated(&parts?, *axis)
        }
        Op::Binary(_) => operand(inputs[0])?.broadcast(shape),
        _ => operand(inputs[0])?.data,
    };
    known.insert(id, numbers.clone());
    Some(numbers)
}
