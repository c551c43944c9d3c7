//! Transposes of inputs: what NCHW costs a model that has channels last. They leave the network, and whoever passes the
//! input orders it, so that what follows can run on a DLA.

use std::collections::HashMap;

use crate::graph::{Graph, Op, TensorId};

/// The inputs whose axes were put in order, and the tensors that were their transposes.
#[derive(Default)]
pub struct Folded {
    /// Input -> its axes: axis `i` of the network is axis `axes[i]` of what is passed.
    pub axes: HashMap<TensorId, Vec<usize>>,
    /// Transposed tensor -> input.
    pub alias: HashMap<TensorId, TensorId>,
}

/// Takes out of `graph` every transpose of an input that nothing reads in its own order.
pub fn fold(graph: &mut Graph) -> Folded {
    let mut folded = Folded::default();
    for input in graph.inputs.clone() {
        let Some(axes) = only_transposed(graph, input) else {
            continue;
        };
        let shape = &graph.tensors[input.0 as usize].shape;
        let ordered = axes.iter().map(|axis| shape[*axis]).collect();
        graph.tensors[input.0 as usize].shape = ordered;
        graph.nodes.retain(|node| {
            let gone = node.inputs.contains(&input);
            if gone {
                folded.alias.insert(node.output, input);
            }
            !gone
        });
        folded.axes.insert(input, axes);
    }
    for id in graph.nodes.iter_mut().flat_map(|node| &mut node.inputs) {
        *id = folded.now(*id);
    }
    folded
}

impl Folded {
    /// The tensor that `id` is now.
    pub fn now(&self, id: TensorId) -> TensorId {
        self.alias.get(&id).copied().unwrap_or(id)
    }
}

/// The order in which every reader of `input` reads it; rows stay first, and no reader is the caller.
fn only_transposed(graph: &Graph, input: TensorId) -> Option<Vec<usize>> {
    let readers = || {
        graph
            .nodes
            .iter()
            .filter(|node| node.inputs.contains(&input))
    };
    let axes = readers().find_map(|node| match &node.op {
        Op::Transpose { axes } => Some(axes.clone()),
        _ => None,
    })?;
    let same =
        readers().all(|node| matches!(&node.op, Op::Transpose { axes: own } if *own == axes));
    let inside = readers().all(|node| !graph.outputs.contains(&node.output));
    let fold = same && inside && axes.first() == Some(&0) && !graph.outputs.contains(&input);
    fold.then_some(axes)
}
