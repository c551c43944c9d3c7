//! What the readers of a tensor want of the order of its axes.

use std::collections::{HashMap, HashSet};

use super::follow::{Minds, minds, parted, wanted};
use super::order::{Order, plain};
use crate::graph::{Graph, Node, Op, TensorId};

/// What is wanted of every tensor, found from the network's end to its beginning.
pub(super) struct Wishes {
    orders: HashMap<TensorId, WantedOrders>,
    flat: HashSet<TensorId>,
}

/// Orders that operators which mind want, directly or behind others that do not; how many they are.
pub(super) type WantedOrders = Vec<(Order, usize)>;

impl Wishes {
    pub(super) fn of(graph: &Graph) -> Wishes {
        let mut wishes = Wishes {
            orders: HashMap::new(),
            flat: products(graph),
        };
        for node in graph.nodes.iter().rev() {
            let (_, computed) = parted(graph, node);
            for id in computed {
                let rank = graph.tensor(id).shape.len();
                match minds(graph, node) {
                    Minds::Every => wishes.add(id, plain(rank), 1),
                    Minds::Each => {}
                    Minds::Common | Minds::Nothing => wishes.pass_on(graph, node, id),
                }
            }
        }
        wishes
    }

    pub(super) fn on(&self, id: TensorId) -> &[(Order, usize)] {
        self.orders.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The order that most of them want; of equals, the first reader's.
    pub(super) fn most(&self, id: TensorId) -> Option<&Order> {
        let most = self.on(id).iter().max_by_key(|(_, count)| *count);
        most.map(|(order, _)| order)
    }

    /// Whether nothing but products with weights reads the tensor's only axis behind the rows, directly or behind
    /// functions of single elements: then its elements may lie in any order.
    pub(super) fn is_flat(&self, id: TensorId) -> bool {
        self.flat.contains(&id)
    }

    /// What is wanted of the result is wanted of the operand; where nothing is, a reshape and a product with weights are
    /// easiest as the network says them.
    fn pass_on(&mut self, graph: &Graph, node: &Node, id: TensorId) {
        if self.is_flat(node.output) {
            return;
        }
        let on_result = self.on(node.output).iter();
        let on_operand = on_result.filter_map(|(order, count)| Some((wanted(graph, node, order)?, *count)));
        let mut on_operand: WantedOrders = on_operand.collect();
        let reorders = matches!(node.op, Op::Dense | Op::Flatten | Op::Reshape { .. });
        if on_operand.is_empty() && reorders {
            on_operand.push((plain(graph.tensor(id).shape.len()), 1));
        }
        for (order, count) in on_operand {
            self.add(id, order, count);
        }
    }

    fn add(&mut self, id: TensorId, order: Order, count: usize) {
        let wanted = self.orders.entry(id).or_default();
        match wanted.iter_mut().find(|(known, _)| *known == order) {
            Some((_, known)) => *known = known.saturating_add(count),
            None => wanted.push((order, count)),
        }
    }
}

/// The tensors of two axes that only products with weights read.
fn products(graph: &Graph) -> HashSet<TensorId> {
    let mut readers: HashMap<TensorId, Vec<&Node>> = HashMap::new();
    for node in &graph.nodes {
        for id in &node.inputs {
            readers.entry(*id).or_default().push(node);
        }
    }
    let mut flat: HashSet<TensorId> = HashSet::new();
    for node in graph.nodes.iter().rev() {
        let id = node.output;
        let mut its = readers.get(&id).into_iter().flatten().peekable();
        let read = its.peek().is_some() && !graph.outputs.contains(&id);
        let any_order = |reader: &&Node| match reader.op {
            Op::Dense => reader.inputs[0] == id && graph.tensor(reader.inputs[1]).weight.is_some(),
            Op::Activation(_) | Op::Unary(_) => flat.contains(&reader.output),
            _ => false,
        };
        if read && graph.tensor(id).shape.len() == 2 && its.all(any_order) {
            flat.insert(id);
        }
    }
    flat
}
