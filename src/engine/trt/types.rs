//! What a precision means for the nodes and tensors of one network, in the terms that TensorRT is told.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::engine::precision::{Format, PrecisionError, assign, folded, stored};
use crate::engine::{Numerics, Precision};
use crate::graph::{Graph, TensorId};

/// Nodes and tensors by name; INT8 networks have no name twice.
#[derive(Debug, Default)]
pub(super) struct Types {
    pub precision: Precision,
    /// Nodes whose weights and operands are INT8.
    int8: HashSet<String>,
    /// Nodes that an INT8 network computes in FP16.
    half: HashSet<String>,
    /// Tensors that a device keeps in INT8, with their ranges.
    kept: HashMap<String, f32>,
    /// Tensors within a layer: they are not kept, but TensorRT asks before it knows that.
    inner: HashMap<String, f32>,
}

/// The network as it is lowered: for INT8 with scales and shifts folded into weights, before these are rounded.
pub(super) fn prepared<'a>(graph: &'a Graph, numerics: &Numerics) -> Cow<'a, Graph> {
    match numerics.precision {
        Precision::F32 | Precision::F16 => Cow::Borrowed(graph),
        Precision::Int8 => Cow::Owned(folded(graph)),
    }
}

impl Types {
    /// Of a [`prepared`] network.
    ///
    /// # Errors
    /// A range that INT8 lacks, by its tensor.
    pub fn of(graph: &Graph, numerics: &Numerics) -> Result<Types, PrecisionError> {
        let mut types = Types {
            precision: numerics.precision,
            ..Types::default()
        };
        if numerics.precision != Precision::Int8 {
            return Ok(types);
        }
        for (node, format) in graph.nodes.iter().zip(assign(graph, numerics)?) {
            let name = node.name.clone();
            match format {
                Format::Int8 => types.int8.insert(name),
                Format::F16(_) => types.half.insert(name),
                Format::F32 => false,
            };
        }
        types.keep(graph, numerics);
        Ok(types)
    }

    fn keep(&mut self, graph: &Graph, numerics: &Numerics) {
        let stored = stored(graph);
        // Backwards, so that what a tensor becomes is known before it.
        for (at, node) in graph.nodes.iter().enumerate().rev() {
            let name = &graph.tensor(node.output).name;
            if stored[at] {
                self.keep_one(graph, numerics, node.output)
            } else {
                let reader = graph.nodes.iter().find(|n| n.inputs.contains(&node.output));
                let becomes = reader.map(|n| &graph.tensor(n.output).name);
                if let Some(range) = becomes.and_then(|name| self.range(name)) {
                    self.inner.insert(name.clone(), range);
                }
            }
        }
        for id in &graph.inputs {
            self.keep_one(graph, numerics, *id);
        }
    }

    /// A tensor is kept in INT8 where an INT8 node writes or reads it.
    fn keep_one(&mut self, graph: &Graph, numerics: &Numerics, id: TensorId) {
        let name = &graph.tensor(id).name;
        let touches = |node: &&crate::graph::Node| node.output == id || node.inputs.contains(&id);
        let mut nodes = graph.nodes.iter().filter(touches);
        let int8 = nodes.any(|node| self.int8.contains(&node.name));
        if let Some(range) = numerics.ranges.get(name).filter(|_| int8) {
            self.kept.insert(name.clone(), range);
        }
    }

    /// What TensorRT is told of a tensor where ranges are implicit.
    pub fn range(&self, tensor: &str) -> Option<f32> {
        self.kept.get(tensor).or(self.inner.get(tensor)).copied()
    }

    /// The range of a tensor that is rounded to INT8.
    pub fn kept(&self, tensor: &str) -> Option<f32> {
        self.kept.get(tensor).copied()
    }

    pub fn is_int8(&self, node: &str) -> bool {
        self.int8.contains(node)
    }

    pub fn is_half(&self, node: &str) -> bool {
        self.half.contains(node)
    }
}
