//! A part of an execution graph as a graph of its own, which TVM's executor runs with the same library.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::graph_json::{DeclaredTensor, Entry, GraphJson};

/// What computes some results from others.
pub struct Part {
    /// The graph for TVM's executor.
    pub text: String,
    /// The results it takes, as entries of the whole graph; parameters are none.
    pub from: Vec<Entry>,
    /// The same as tensors, with names that are unique.
    pub inputs: Vec<DeclaredTensor>,
    pub outputs: Vec<DeclaredTensor>,
    /// The functions in it, in their order.
    pub functions: Vec<String>,
}

impl Part {
    /// What computes `wanted`, where the results of the node `given` are there already. `None` when nothing is wanted.
    pub fn of(graph: &GraphJson, wanted: &[Entry], given: usize) -> Option<Part> {
        if wanted.is_empty() {
            return None;
        }
        let mut found = PartSearch {
            graph,
            given,
            leaves: BTreeSet::new(),
            calls: BTreeSet::new(),
        };
        wanted.iter().for_each(|entry| found.follow(*entry));
        Some(found.part(wanted))
    }
}

struct PartSearch<'a> {
    graph: &'a GraphJson,
    given: usize,
    /// Inputs, parameters, and results of `given`.
    leaves: BTreeSet<Entry>,
    calls: BTreeSet<usize>,
}

impl PartSearch<'_> {
    fn follow(&mut self, entry: Entry) {
        let mut open = vec![entry];
        while let Some(entry) = open.pop() {
            let node = &self.graph.nodes[entry.0];
            if node.is_given() || entry.0 == self.given {
                self.leaves.insert((entry.0, entry.1, 0));
            } else if self.calls.insert(entry.0) {
                open.extend(&node.inputs);
            }
        }
    }

    fn part(self, wanted: &[Entry]) -> Part {
        let graph = self.graph;
        let mut new = Writer::default();
        let mut part = Part {
            text: String::new(),
            from: Vec::new(),
            inputs: Vec::new(),
            outputs: wanted.iter().map(|e| graph.declared(*e)).collect(),
            functions: Vec::new(),
        };
        for leaf in &self.leaves {
            let mut declared = graph.declared(*leaf);
            let parameter =
                graph.nodes[leaf.0].is_given() && graph.params().get(&graph.nodes[leaf.0].name).is_some();
            if leaf.0 == self.given {
                declared.name = format!("{}:{}", declared.name, leaf.1);
            }
            new.leaf(*leaf, &declared);
            if !parameter {
                part.from.push(*leaf);
                part.inputs.push(declared);
            }
        }
        let whole: Value = serde_json::from_str(graph.text()).unwrap_or_default();
        for call in &self.calls {
            new.call(graph, *call, whole["nodes"][*call].clone());
            let node = &graph.nodes[*call];
            let name = (!node.is_reshape()).then(|| node.function().to_string());
            part.functions.extend(name);
        }
        part.text = new.finish(wanted);
        part
    }
}

/// Writes a graph, node by node. Every result has storage of its own, but for a reshape, which is in place.
#[derive(Default)]
struct Writer {
    nodes: Vec<Value>,
    inputs: Vec<usize>,
    rows: Vec<usize>,
    shapes: Vec<Vec<usize>>,
    dtypes: Vec<String>,
    storage: Vec<usize>,
    /// Node and result of the whole graph -> here.
    places: BTreeMap<(usize, usize), (usize, usize)>,
}

impl Writer {
    fn leaf(&mut self, entry: Entry, declared: &DeclaredTensor) {
        let at = self.nodes.len();
        self.places.insert((entry.0, entry.1), (at, 0));
        self.inputs.push(at);
        self.nodes
            .push(json!({"op": "null", "name": declared.name, "inputs": []}));
        self.rows.push(self.shapes.len());
        let storage = self.shapes.len();
        self.result(declared, storage);
    }

    fn call(&mut self, graph: &GraphJson, call: usize, mut node: Value) {
        let at = self.nodes.len();
        let inputs = &graph.nodes[call].inputs;
        let inputs: Vec<(usize, usize)> = inputs.iter().map(|e| self.place(*e)).collect();
        self.rows.push(self.shapes.len());
        for result in 0..graph.results(call) {
            self.places.insert((call, result), (at, result));
            let storage = match inputs.first() {
                Some(first) if graph.nodes[call].is_reshape() => self.storage[self.rows[first.0] + first.1],
                _ => self.shapes.len(),
            };
            self.result(&graph.declared((call, result, 0)), storage);
        }
        node["inputs"] = inputs.iter().map(|(n, i)| json!([n, i, 0])).collect();
        self.nodes.push(node);
    }

    fn result(&mut self, declared: &DeclaredTensor, storage: usize) {
        self.shapes.push(declared.shape.clone());
        self.dtypes.push(declared.dtype.clone());
        self.storage.push(storage);
    }

    fn place(&self, entry: Entry) -> (usize, usize) {
        self.places[&(entry.0, entry.1)]
    }

    fn finish(mut self, wanted: &[Entry]) -> String {
        let heads: Vec<Value> = wanted
            .iter()
            .map(|entry| self.place(*entry))
            .map(|(node, result)| json!([node, result, 0]))
            .collect();
        self.rows.push(self.shapes.len());
        json!({
            "nodes": self.nodes,
            "arg_nodes": self.inputs,
            "heads": heads,
            "node_row_ptr": self.rows,
            "attrs": {
                "shape": ["list_shape", self.shapes],
                "dltype": ["list_str", self.dtypes],
                "storage_id": ["list_int", self.storage],
            },
        })
        .to_string()
    }
}
