//! The rewritten model's nodes and initializers.

use std::collections::{HashMap, HashSet};

use prost::bytes::Bytes;

use crate::engine::cpu::onnx::proto::{self, Attribute};

/// A model in the making: the old one's initializers are there, its nodes are not.
pub(super) struct Emit {
    graph: proto::Graph,
    names: HashSet<String>,
    initializers: HashMap<String, usize>,
}

impl Emit {
    /// `graph` without nodes; every name that its nodes had is taken.
    pub fn new(mut graph: proto::Graph) -> (Emit, Vec<proto::Node>) {
        let nodes = std::mem::take(&mut graph.node);
        let outputs = nodes.iter().flat_map(|node| node.output.iter());
        let inputs = graph.input.iter().map(|input| &input.name);
        let weights = graph.initializer.iter().map(|tensor| &tensor.name);
        let names = outputs.chain(inputs).chain(weights).cloned().collect();
        let places = graph.initializer.iter().enumerate();
        let initializers = places.map(|(at, t)| (t.name.clone(), at)).collect();
        let emit = Emit {
            graph,
            names,
            initializers,
        };
        (emit, nodes)
    }

    pub fn initializer(&self, name: &str) -> Option<&proto::Tensor> {
        let at = self.initializers.get(name)?;
        self.graph.initializer.get(*at)
    }

    /// `name.suffix`, numbered where that is taken.
    fn unique(&mut self, name: &str, suffix: &str) -> String {
        let mut unique = format!("{name}.{suffix}");
        let mut count = 1;
        while !self.names.insert(unique.clone()) {
            count += 1;
            unique = format!("{name}.{suffix}_{count}");
        }
        unique
    }

    /// A node of one output, called after `name`; gives the output.
    pub fn node(
        &mut self,
        op: &str,
        (name, suffix): (&str, &str),
        input: Vec<String>,
        attribute: Vec<Attribute>,
    ) -> String {
        let output = self.unique(name, suffix);
        self.exact(proto::Node {
            input,
            output: vec![output.clone()],
            name: output.clone(),
            op_type: op.into(),
            attribute,
            domain: String::new(),
        });
        output
    }

    /// A node with the names it has.
    pub fn exact(&mut self, node: proto::Node) {
        self.graph.node.push(node);
    }

    pub fn tensor(
        &mut self,
        (name, suffix): (&str, &str),
        dims: &[i64],
        data_type: i32,
        data: Bytes,
    ) -> String {
        let name = self.unique(name, suffix);
        let at = self.graph.initializer.len();
        self.initializers.insert(name.clone(), at);
        self.graph.initializer.push(proto::Tensor {
            dims: dims.to_vec(),
            data_type,
            name: name.clone(),
            raw_data: data,
        });
        name
    }

    pub fn floats(&mut self, name: (&str, &str), dims: &[i64], values: &[f32]) -> String {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, dims, proto::FLOAT, bytes.into())
    }

    pub fn scalar(&mut self, name: (&str, &str), value: f32) -> String {
        self.floats(name, &[], &[value])
    }

    /// int8 zeros: a zero point, whose type is also the one to quantise to.
    pub fn zeros(&mut self, name: (&str, &str), dims: &[i64]) -> String {
        let count: i64 = dims.iter().product();
        self.tensor(name, dims, proto::INT8, vec![0; count as usize].into())
    }

    pub fn outputs(&self) -> Vec<String> {
        let outputs = self.graph.output.iter();
        outputs.map(|output| output.name.clone()).collect()
    }

    /// The model, without the initializers that nothing reads any more.
    pub fn finish(mut self) -> proto::Graph {
        let read: HashSet<&String> = self.graph.node.iter().flat_map(|n| n.input.iter()).collect();
        let outputs: HashSet<&String> = self.graph.output.iter().map(|o| &o.name).collect();
        let kept = |t: &proto::Tensor| read.contains(&t.name) || outputs.contains(&t.name);
        let kept: Vec<bool> = self.graph.initializer.iter().map(kept).collect();
        let mut kept = kept.into_iter();
        self.graph.initializer.retain(|_| kept.next().unwrap_or(true));
        self.graph
    }
}

/// The elements of a float32 initializer.
pub(super) fn values(tensor: &proto::Tensor) -> Vec<f32> {
    let element = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    tensor.raw_data.chunks_exact(4).map(element).collect()
}
