//! What stands around the one network of a model: TVM's head in front of it, TVM's tail behind it, and outputs that are
//! constants or inputs.

use super::graph_json::{DeclaredTensor, Entry, GraphJson};
use super::params::Constant;
use super::part::Part;

/// Where a tensor is from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// An input of the model.
    Input(usize),
    /// An output of the network.
    Network(usize),
    /// An output of the part at hand: of the head for an input of the network, of the tail for an output of the model.
    Part(usize),
    Constant(Constant),
}

/// Where a head or a tail takes a tensor from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// An input of the model.
    Input(usize),
    /// An output of the network.
    Network(usize),
}

/// A tensor, and where it is from.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedTensor {
    pub declared: DeclaredTensor,
    pub source: Source,
}

/// A model with one network.
pub struct Layout {
    /// Of the model: those of the network first, in its order.
    pub inputs: Vec<DeclaredTensor>,
    /// The network's inputs.
    pub enters: Vec<PlacedTensor>,
    /// The network's outputs as the model declares them.
    pub network: Vec<DeclaredTensor>,
    /// Of the model.
    pub outputs: Vec<PlacedTensor>,
    pub head: Option<Part>,
    pub tail: Option<Part>,
    given: Vec<usize>,
    call: usize,
}

impl Layout {
    /// Around the network that `symbol` names; `None` unless the graph calls it exactly once.
    pub fn of(graph: &GraphJson, symbol: &str) -> Option<Layout> {
        let call = graph.call(symbol)?;
        let arguments = &graph.nodes[call].inputs;
        let computed = |entry: &&Entry| !graph.nodes[entry.0].is_given();
        let wanted: Vec<Entry> = unique(arguments.iter().filter(computed));
        let behind = |entry: &&Entry| computed(entry) && entry.0 != call;
        let behind: Vec<Entry> = unique(graph.heads.iter().filter(behind));
        let (head, tail) = (Part::of(graph, &wanted, call), Part::of(graph, &behind, call));
        let parts = head.iter().chain(&tail).flat_map(|part| &part.from);
        let used = arguments.iter().chain(parts).chain(&graph.heads);
        let mut given = graph.given();
        given.retain(|node| used.clone().any(|entry| entry.0 == *node));
        // A stable sort: what the network takes comes first, in its order.
        given.sort_by_key(|node| {
            let place = arguments.iter().position(|entry| entry.0 == *node);
            place.unwrap_or(usize::MAX)
        });
        let mut layout = Layout {
            inputs: given.iter().map(|node| graph.declared((*node, 0, 0))).collect(),
            enters: Vec::new(),
            network: (0..graph.results(call))
                .map(|result| graph.declared((call, result, 0)))
                .collect(),
            outputs: Vec::new(),
            head,
            tail,
            given,
            call,
        };
        let place = |entry: &Entry, declared: DeclaredTensor, computed: &[Entry]| {
            Some(PlacedTensor {
                declared,
                source: layout.source(graph, *entry, computed)?,
            })
        };
        let enters = arguments.iter();
        let enters: Option<Vec<_>> = enters
            .map(|entry| place(entry, graph.declared(*entry), &wanted))
            .collect();
        let outputs = graph.heads.iter().zip(graph.outputs());
        let outputs: Option<Vec<_>> = outputs
            .map(|(entry, declared)| place(entry, declared, &behind))
            .collect();
        (layout.enters, layout.outputs) = (enters?, outputs?);
        Some(layout)
    }

    /// Where a result is from, of a part that computes `computed`.
    fn source(&self, graph: &GraphJson, entry: Entry, computed: &[Entry]) -> Option<Source> {
        if entry.0 == self.call {
            return Some(Source::Network(entry.1));
        }
        if let Some(at) = computed.iter().position(|e| same(e, &entry)) {
            return Some(Source::Part(at));
        }
        match self.given.iter().position(|node| *node == entry.0) {
            Some(at) => Some(Source::Input(at)),
            None => graph
                .params()
                .get(&graph.nodes[entry.0].name)
                .cloned()
                .map(Source::Constant),
        }
    }

    /// Where a part of this model takes its input from.
    pub(super) fn feeds(&self, part: &Part) -> Vec<Feed> {
        let entry = |entry: &Entry| match self.given.iter().position(|node| *node == entry.0) {
            Some(at) => Feed::Input(at),
            None => Feed::Network(entry.1),
        };
        part.from.iter().map(entry).collect()
    }

    /// Whether the network's ends are the model's.
    pub fn is_plain(&self) -> bool {
        let inputs = (0..).zip(&self.enters);
        let outputs = (0..).zip(&self.outputs);
        self.inputs.len() == self.enters.len()
            && self.network.len() == self.outputs.len()
            && inputs.into_iter().all(|(i, p)| p.source == Source::Input(i))
            && outputs.into_iter().all(|(i, p)| p.source == Source::Network(i))
    }

    /// What TVM computes, in words; empty when that is nothing.
    pub fn describe(&self) -> String {
        let count = |part: &Option<Part>, place: &str| {
            let noun = match part.as_ref()?.functions.len() {
                0 => "a reshape".to_string(),
                1 => "1 function".to_string(),
                many => format!("{many} functions"),
            };
            Some(format!("{noun} {place} the network"))
        };
        let head = count(&self.head, "in front of");
        let tail = count(&self.tail, "behind");
        head.into_iter().chain(tail).collect::<Vec<_>>().join(", ")
    }

    /// Whether TVM computes something in front of the network or behind it.
    pub fn needs_tvm(&self) -> bool {
        self.head.is_some() || self.tail.is_some()
    }

    /// Whether input number `index` of the model is needed for anything but the network.
    pub(super) fn input_is_shared(&self, index: usize) -> bool {
        let parts = self.head.iter().chain(&self.tail);
        let mut fed = parts.flat_map(|part| self.feeds(part));
        let mut outputs = self.outputs.iter();
        fed.any(|feed| feed == Feed::Input(index))
            || outputs.any(|output| output.source == Source::Input(index))
    }
}

fn same(a: &Entry, b: &Entry) -> bool {
    (a.0, a.1) == (b.0, b.1)
}

/// Each entry once, in order.
fn unique<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    for entry in entries {
        if !found.iter().any(|e| same(e, entry)) {
            found.push(*entry);
        }
    }
    found
}
