//! Follows the rows from the inputs to every tensor.

use super::place::Place;
use super::step::{MixedRows, Operand, Step, steps};
use crate::graph::{Graph, GraphError, Node, Tensor, TensorId};

/// How often nodes are looked at, per node: places are guessed where there are several, and taken back where a guess
/// leads nowhere.
const LOOKS: usize = 64;

/// Where the rows of a network lie.
pub(super) struct RowPlaces {
    pub rows: usize,
    /// Per tensor; `None` where it is the same for every row.
    pub places: Vec<Option<Place>>,
    /// Per node: weights that another batch needs as often as it has rows.
    pub repeated: Vec<Vec<(usize, Place)>>,
}

/// A node that was seen in one of several ways, and the other ones.
struct Guess {
    node: usize,
    others: std::vec::IntoIter<Step>,
}

impl RowPlaces {
    /// The first output that does not hold its rows one after the other.
    pub fn scattered(&self, graph: &Graph) -> Option<TensorId> {
        let leads = |id: &TensorId| {
            let place = self.places[id.0 as usize];
            place.is_some_and(|place| place.leads(&graph.tensor(*id).shape))
        };
        graph.outputs.iter().copied().find(|id| !leads(id))
    }
}

pub(super) fn follow(graph: &Graph) -> Result<RowPlaces, GraphError> {
    let mut found = inputs(graph)?;
    let mut guesses: Vec<Guess> = Vec::new();
    let mut first: Option<GraphError> = None;
    let mut looks = LOOKS * (graph.nodes.len() + 1);
    let mut at = 0;
    while let Some(node) = graph.nodes.get(at) {
        looks = looks.saturating_sub(1);
        let error = match look(graph, node, &found) {
            Ok(steps) => {
                let mut others = steps.into_iter();
                take(&mut found, graph, at, others.next());
                if others.len() > 0 {
                    guesses.push(Guess { node: at, others });
                }
                at += 1;
                continue;
            }
            Err(error) => first.get_or_insert(error).clone(),
        };
        at = match looks {
            0 => return Err(error),
            _ => again(&mut found, graph, &mut guesses, at).ok_or(error)?,
        };
    }
    Ok(found)
}

fn inputs(graph: &Graph) -> Result<RowPlaces, GraphError> {
    let rows = graph.leading().ok_or(GraphError::Ragged)?;
    let mut places = vec![None; graph.tensors.len()];
    for id in &graph.inputs {
        places[id.0 as usize] = Some(Place::of(0));
    }
    Ok(RowPlaces {
        rows,
        places,
        repeated: vec![Vec::new(); graph.nodes.len()],
    })
}

fn look(graph: &Graph, node: &Node, found: &RowPlaces) -> Result<Vec<Step>, GraphError> {
    let output = &graph.tensor(node.output).shape;
    let place = |id: &TensorId| found.places[id.0 as usize];
    let (name, op) = (node.name.clone(), node.op.name());
    let steps = operands_of(graph, node, place, found.rows, |operands| {
        steps(&node.op, operands, output, found.rows)
    });
    steps.map_err(|mixed| match mixed {
        MixedRows::Because(reason) => GraphError::NotRowIndependent {
            node: name,
            op,
            reason,
        },
        MixedRows::NoBatch(reason) => GraphError::NoBatch {
            node: name,
            op,
            reason,
        },
    })
}

/// What `look` sees in the operands of a node, of which `place` says where their rows lie.
pub(super) fn operands_of<T>(
    graph: &Graph,
    node: &Node,
    place: impl Fn(&TensorId) -> Option<Place>,
    rows: usize,
    look: impl FnOnce(&[Operand<'_>]) -> T,
) -> T {
    let tensors: Vec<&Tensor> = node.inputs.iter().map(|id| graph.tensor(*id)).collect();
    let repeats: Vec<_> = tensors
        .iter()
        .map(|tensor| move |place: Place| repeats(tensor, place, rows))
        .collect();
    let operands: Vec<Operand<'_>> = (0..tensors.len())
        .map(|at| Operand {
            shape: &tensors[at].shape,
            place: place(&node.inputs[at]),
            repeats: &repeats[at],
        })
        .collect();
    look(&operands)
}

/// Sees the last guess that `at` depends on in another way; gives the node to go on with.
fn again(found: &mut RowPlaces, graph: &Graph, guesses: &mut Vec<Guess>, at: usize) -> Option<usize> {
    let behind = ancestors(graph, at);
    while let Some(mut guess) = guesses.pop() {
        let other = if behind[guess.node] {
            guess.others.next()
        } else {
            None
        };
        if other.is_some() {
            let node = guess.node;
            take(found, graph, node, other);
            if guess.others.len() > 0 {
                guesses.push(guess);
            }
            return Some(node + 1);
        }
    }
    None
}

fn take(found: &mut RowPlaces, graph: &Graph, at: usize, step: Option<Step>) {
    let step = step.unwrap_or(Step::SAME);
    found.places[graph.nodes[at].output.0 as usize] = step.place;
    found.repeated[at] = step.repeated;
}

/// Per node whether node `at` reads what it computes, or what is computed from that.
fn ancestors(graph: &Graph, at: usize) -> Vec<bool> {
    let mut read = vec![false; graph.tensors.len()];
    let mut found = vec![false; graph.nodes.len()];
    found[at] = true;
    read[graph.nodes[at].output.0 as usize] = true;
    for (index, node) in graph.nodes.iter().enumerate().take(at + 1).rev() {
        if read[node.output.0 as usize] {
            found[index] = true;
            node.inputs.iter().for_each(|id| read[id.0 as usize] = true);
        }
    }
    found
}

/// Whether a weight has the same elements for every row.
fn repeats(tensor: &Tensor, place: Place, rows: usize) -> bool {
    let Some(data) = &tensor.weight else {
        return false;
    };
    if tensor.shape[place.axis] != place.outer * rows * place.inner {
        return false;
    }
    let row = place.after(&tensor.shape) * tensor.dtype.size();
    let mut groups = data.chunks_exact((row * rows).max(1));
    groups.all(|group| group.chunks_exact(row).all(|other| *other == group[..row]))
}
