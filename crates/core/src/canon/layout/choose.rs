//! In which order every tensor is to lie: each node takes what its operands lie in where it can, so that transposes move
//! towards the network's end and meet; where operands disagree, the order that costs the fewest transposes is taken.

use std::collections::{HashMap, HashSet};

use super::follow::{Minds, follow, minds, parted, swapped};
use super::order::{Order, composed, inverse, is_plain, plain};
use super::wishes::Wishes;
use crate::graph::{Graph, Node, Op, TensorId};

/// How a tensor lies.
#[derive(Debug, Clone)]
pub(super) enum Lies {
    In(Order),
    /// Behind the rows, the elements of a tensor of `shape` that lies in `order`.
    Flat {
        shape: Vec<usize>,
        order: Order,
    },
}

/// An array that a network needs: a tensor that no transpose gives, and an order of its axes.
pub(super) type Array = (TensorId, Order);

/// The order of every tensor that is no weight, and what that costs.
#[derive(Default)]
pub(super) struct Choice {
    lies: HashMap<TensorId, Lies>,
    /// By a node's result: the order in which it reads its operands, where it minds a common one.
    read: HashMap<TensorId, Order>,
    /// Result of a transpose -> the tensor before all transposes, and the axes that it has of it.
    source: HashMap<TensorId, Array>,
    transposed: HashSet<Array>,
    /// Per output its order.
    ends: Vec<Order>,
}

impl Choice {
    /// Transposes that remain inside the network.
    pub(super) fn cost(&self) -> usize {
        self.transposed.len()
    }

    pub(super) fn ends(&self) -> &[Order] {
        &self.ends
    }

    pub(super) fn lies(&self, id: TensorId) -> &Lies {
        &self.lies[&id]
    }

    /// The order in which the node with this result reads its operands.
    pub(super) fn read(&self, output: TensorId) -> Option<&Order> {
        self.read.get(&output)
    }

    /// The order of a tensor that is neither flat nor a weight.
    pub(super) fn found(&self, id: TensorId) -> Option<&Order> {
        match self.lies.get(&id)? {
            Lies::In(order) => Some(order),
            Lies::Flat { .. } => None,
        }
    }

    /// The array that `id` in `order` is.
    pub(super) fn array(&self, id: TensorId, order: &Order) -> Array {
        match self.source.get(&id) {
            Some((source, axes)) => (*source, composed(axes, order)),
            None => (id, order.clone()),
        }
    }

    fn has(&self, id: TensorId, order: &Order) -> bool {
        let array = self.array(id, order);
        self.found(array.0) == Some(&array.1) || self.transposed.contains(&array)
    }

    /// `id` is read in this order.
    fn demand(&mut self, id: TensorId, order: &Order) {
        if !self.has(id, order) {
            self.transposed.insert(self.array(id, order));
        }
    }
}

/// Chooses; the tensors in `early` are transposed where they are made, and read as the network says them.
pub(super) fn choose(graph: &Graph, wishes: &Wishes, early: &HashSet<TensorId>) -> Choice {
    let mut chooser = Chooser {
        graph,
        wishes,
        early,
        choice: Choice::default(),
    };
    for id in &graph.inputs {
        let wish = wishes.most(*id).filter(|order| order.first() == Some(&0));
        let order = wish.cloned().unwrap_or_else(|| chooser.plain(*id));
        chooser.choice.lies.insert(*id, Lies::In(order));
    }
    for node in &graph.nodes {
        let lies = chooser.node(node);
        chooser.choice.lies.insert(node.output, lies);
        if early.contains(&node.output) {
            let order = chooser.plain(node.output);
            chooser.choice.demand(node.output, &order);
        }
    }
    chooser.ends();
    chooser.choice
}

struct Chooser<'a> {
    graph: &'a Graph,
    wishes: &'a Wishes,
    early: &'a HashSet<TensorId>,
    choice: Choice,
}

impl Chooser<'_> {
    fn node(&mut self, node: &Node) -> Lies {
        let (_, computed) = parted(self.graph, node);
        let own = Lies::In(self.plain(node.output));
        match (minds(self.graph, node), &node.op) {
            _ if computed.is_empty() => own,
            (Minds::Nothing, Op::Transpose { axes }) => {
                let array = self.choice.array(computed[0], axes);
                self.choice.source.insert(node.output, array);
                let order = self.choice.found(computed[0]);
                let follows = order.and_then(|order| follow(self.graph, node, order, None));
                follows.map_or(own, Lies::In)
            }
            (Minds::Each, _) => {
                for id in computed {
                    let order = self.choice.found(id);
                    if order.is_none_or(|order| swapped(order).is_none()) {
                        self.choice.demand(id, &plain(3));
                    }
                }
                own
            }
            (Minds::Every | Minds::Nothing, _) => {
                for id in computed {
                    self.choice.demand(id, &self.plain(id));
                }
                own
            }
            (Minds::Common, _) => self.common(node, &computed),
        }
    }

    fn common(&mut self, node: &Node, computed: &[TensorId]) -> Lies {
        let x = computed[0];
        if let flat @ Lies::Flat { .. } = &self.choice.lies[&x] {
            return match node.op {
                Op::Dense => Lies::In(self.plain(node.output)),
                _ => flat.clone(),
            };
        }
        if let Some(flat) = self.flattened(node, x) {
            return flat;
        }
        let (order, result) = self.cheapest(node, computed);
        for id in computed {
            self.choice.demand(*id, &order);
        }
        self.choice.read.insert(node.output, order);
        Lies::In(result)
    }

    /// The common order of a node's operands that costs the fewest transposes here and behind it, and that of its result.
    /// Of equals, the one that the first operand lies in.
    fn cheapest(&self, node: &Node, computed: &[TensorId]) -> (Order, Order) {
        let wish = self.wishes.most(node.output);
        let own = self.plain(computed[0]);
        let early = computed.iter().any(|id| self.early.contains(id));
        let of_operands = computed.iter().filter_map(|id| self.choice.found(*id));
        let of_operands = early.then_some(&own).into_iter().chain(of_operands);
        let wished = self.wishes.on(computed[0]).iter().map(|(order, _)| order);
        let mut best: Option<(usize, Order, Order)> = None;
        for order in of_operands.chain(wished).chain([&own]) {
            let Some(result) = follow(self.graph, node, order, wish) else {
                continue;
            };
            let cost = self.price(computed, order) + self.missed(node.output, &result);
            if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
                best = Some((cost, order.clone(), result));
            }
        }
        let best = best.map(|(_, order, result)| (order, result));
        best.unwrap_or_else(|| (own, self.plain(node.output)))
    }

    /// A reshape to rows of single elements that only products with weights read: the weights take on the order.
    fn flattened(&mut self, node: &Node, x: TensorId) -> Option<Lies> {
        let reshapes = matches!(node.op, Op::Flatten | Op::Reshape { .. });
        if !reshapes || !self.wishes.is_flat(node.output) {
            return None;
        }
        let shape = &self.graph.tensor(x).shape;
        let same_rows = shape.first() == self.graph.tensor(node.output).shape.first();
        let order = self.choice.found(x)?.clone();
        let moved = same_rows && !is_plain(&order) && order.first() == Some(&0);
        if !moved || follow(self.graph, node, &order, None).is_some() {
            return None;
        }
        self.choice.read.insert(node.output, order.clone());
        Some(Lies::Flat {
            shape: shape.clone(),
            order,
        })
    }

    /// Transposes that it takes to have these tensors in `order`.
    fn price(&self, ids: &[TensorId], order: &Order) -> usize {
        let lacking = ids.iter().filter(|id| !self.choice.has(**id, order));
        let arrays: HashSet<Array> = lacking.map(|id| self.choice.array(*id, order)).collect();
        arrays.len()
    }

    /// Other orders that are wanted of a tensor.
    fn missed(&self, id: TensorId, order: &Order) -> usize {
        let others = self.wishes.on(id).iter();
        others.filter(|(wish, _)| wish != order).count()
    }

    /// Outputs that lie as the network says them go first, since two cannot be the same array.
    fn ends(&mut self) {
        let nodes = self.graph.nodes.iter();
        let computed: HashSet<TensorId> = nodes.map(|node| node.output).collect();
        let outputs = &self.graph.outputs;
        let mut ends: Vec<Order> = outputs.iter().map(|id| self.plain(*id)).collect();
        let lies_plain = |at: &usize| self.choice.found(outputs[*at]).is_some_and(|o| is_plain(o));
        let (first, others): (Vec<usize>, Vec<usize>) = (0..ends.len()).partition(lies_plain);
        let mut taken: HashSet<Array> = HashSet::new();
        for at in first.into_iter().chain(others) {
            ends[at] = self.end(outputs[at], &computed, &taken);
            taken.insert(self.choice.array(outputs[at], &ends[at]));
            self.choice.demand(outputs[at], &ends[at]);
        }
        self.choice.ends = ends;
    }

    /// The order of an output: as it lies, unless its rows do not come first there, no node computes it, or another
    /// output is the same array.
    fn end(&self, id: TensorId, computed: &HashSet<TensorId>, taken: &HashSet<Array>) -> Order {
        let own = self.plain(id);
        let before = self.choice.source.get(&id).map(|(_, axes)| inverse(axes));
        let lies = self.choice.found(id).cloned();
        let mut orders = lies.into_iter().chain([own.clone()]).chain(before);
        let possible = |order: &Order| {
            let array = self.choice.array(id, order);
            let made = computed.contains(&array.0) || self.choice.found(array.0) != Some(&array.1);
            order.first() == Some(&0) && made && !taken.contains(&array)
        };
        orders.find(possible).unwrap_or(own)
    }

    /// The order in which the network says a tensor.
    fn plain(&self, id: TensorId) -> Order {
        plain(self.graph.tensor(id).shape.len())
    }
}
