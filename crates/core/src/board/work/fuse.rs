//! TensorRT's fusions: bias, batch norm, activation and addition into the convolution before them, padding into the
//! one after, chains of element-wise operators into one kernel, concatenation by writing in place.

use super::class::{Class, class};
use super::layer::{Kind, Layer};
use super::shape;
use crate::graph::{BinaryKind, Graph, Node, Op, TensorId};

/// A layer, and what decides whether it can be merged with another.
#[derive(Clone)]
pub(super) struct FusedLayer {
    pub layer: Layer,
    /// The activation it reads first.
    pub reads: TensorId,
    /// Whether it is zero padding, or has taken some in.
    pub padded: bool,
    /// Whether a concatenation takes its result where it was written.
    pub joined: bool,
    /// The activation at its end.
    pub activation: Option<&'static str>,
    /// Whether another layer has taken it in.
    absorbed: bool,
}

pub(super) fn fuse(graph: &Graph) -> Vec<FusedLayer> {
    let mut fuser = Fuser {
        graph,
        rows: graph.batch() as f64,
        readers: readers(graph),
        writer: vec![None; graph.tensors.len()],
        found: Vec::new(),
    };
    for node in &graph.nodes {
        fuser.node(node);
    }
    fuser.found.retain(|f| !f.absorbed);
    fuser.found
}

fn readers(graph: &Graph) -> Vec<usize> {
    let mut readers = vec![0; graph.tensors.len()];
    let inputs = graph.nodes.iter().flat_map(|n| &n.inputs);
    for id in inputs.chain(&graph.outputs) {
        readers[id.0 as usize] += 1;
    }
    readers
}

struct Fuser<'a> {
    graph: &'a Graph,
    rows: f64,
    readers: Vec<usize>,
    /// By tensor: the layer whose result it is, as long as nothing else reads it.
    writer: Vec<Option<usize>>,
    found: Vec<FusedLayer>,
}

impl Fuser<'_> {
    fn node(&mut self, node: &Node) {
        match class(&node.op) {
            Class::Convolution => self.convolution(node),
            Class::MatMul => self.multiplying(node, Kind::MatMul),
            Class::Epilogue => self.element_wise(node, true),
            Class::Unary => self.element_wise(node, false),
            Class::Binary => self.binary(node),
            Class::Pool => self.pool(node),
            Class::Lrn => self.plain(node, Kind::Lrn),
            Class::Reduce => self.plain(node, Kind::Reduce),
            Class::Softmax => self.plain(node, Kind::Softmax),
            Class::Copy => self.plain(node, Kind::Move),
            Class::Concat => self.concat(node),
            Class::Pad => self.pad(node),
            Class::View => self.pass(node),
        }
    }

    fn multiplying(&mut self, node: &Node, kind: Kind) {
        let geometry = shape::multiplying(self.graph, node, self.rows);
        let macs = self.graph.node_macs(node) as f64 / self.rows;
        let padded = self.padding_before(node.inputs[0]);
        let index = self.start(node, kind);
        let fused = &mut self.found[index];
        fused.layer.macs = macs;
        fused.layer.geometry = Some(geometry);
        fused.padded = padded;
    }

    fn convolution(&mut self, node: &Node) {
        let geometry = shape::multiplying(self.graph, node, self.rows);
        let depthwise = geometry.groups > 1.0 && geometry.groups == geometry.channels;
        let kind = if depthwise {
            Kind::Depthwise
        } else {
            Kind::Convolution
        };
        self.multiplying(node, kind);
    }

    /// Takes up the padding that wrote `x`: the convolution reads what it read.
    fn padding_before(&mut self, x: TensorId) -> bool {
        let last = self.writer[x.0 as usize];
        let padding = |f: &&mut FusedLayer| f.padded && f.layer.kind == Kind::Move;
        match last.map(|i| &mut self.found[i]).filter(padding) {
            Some(found) => {
                found.absorbed = true;
                true
            }
            None => false,
        }
    }

    fn pool(&mut self, node: &Node) {
        let geometry = shape::pooling(self.graph, node);
        let index = self.start(node, Kind::Pool);
        self.found[index].layer.geometry = Some(geometry);
    }

    fn plain(&mut self, node: &Node, kind: Kind) {
        self.start(node, kind);
    }

    /// Becomes the end of the layer before it, or a kernel of its own.
    fn element_wise(&mut self, node: &Node, fits: bool) {
        match self.host(node.inputs[0], fits) {
            Some(index) => self.extend(index, node),
            None => self.plain(node, Kind::Pointwise),
        }
    }

    fn binary(&mut self, node: &Node) {
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let weight = |id: TensorId| self.graph.tensor(id).weight.is_some();
        if weight(a) || weight(b) {
            let x = if weight(a) { b } else { a };
            return match self.host(x, true) {
                Some(index) => self.extend(index, node),
                None => self.plain(node, Kind::Pointwise),
            };
        }
        // Only an addition goes into a convolution; of two candidates the later one takes the other's result.
        let adds = matches!(node.op, Op::Binary(BinaryKind::Add));
        let hosts = [(self.host(a, adds), b), (self.host(b, adds), a)];
        let best = hosts
            .into_iter()
            .filter_map(|(host, other)| Some((host?, other)))
            .max_by_key(|(host, _)| *host);
        match best {
            Some((index, other)) => {
                self.found[index].layer.inputs += self.elements(other);
                self.found[index].layer.adds = true;
                self.extend(index, node);
            }
            None => self.plain(node, Kind::Pointwise),
        }
    }

    fn concat(&mut self, node: &Node) {
        for &id in &node.inputs {
            match self.writer[id.0 as usize] {
                Some(index) => self.found[index].joined = true,
                None if self.graph.tensor(id).weight.is_some() => {}
                None => {
                    let elements = self.elements(id);
                    let index = self.push(node, Kind::Move, id, [elements, elements], 0.0);
                    self.found[index].layer.name += " copy";
                }
            }
        }
    }

    fn pad(&mut self, node: &Node) {
        let zero = matches!(&node.op, Op::Pad(pad) if pad.value == 0.0);
        let index = self.start(node, Kind::Move);
        self.found[index].padded = zero;
    }

    fn pass(&mut self, node: &Node) {
        let from = node.inputs[0].0 as usize;
        let alone = self.readers[node.output.0 as usize] == 1;
        self.writer[node.output.0 as usize] = self.writer[from].filter(|_| alone);
    }

    /// The layer that wrote `id`, if an element-wise operator may become its end: an element-wise one or, if it `fits`
    /// those, one that multiplies.
    fn host(&self, id: TensorId, fits: bool) -> Option<usize> {
        let index = self.writer[id.0 as usize]?;
        let takes = match self.found[index].layer.kind {
            Kind::Convolution | Kind::Depthwise | Kind::MatMul => fits,
            Kind::Pointwise => true,
            Kind::Pool | Kind::Lrn | Kind::Reduce | Kind::Softmax | Kind::Move => false,
        };
        takes.then_some(index)
    }

    fn extend(&mut self, index: usize, node: &Node) {
        let outputs = self.elements(node.output);
        let found = &mut self.found[index];
        found.layer.outputs = outputs;
        if let Op::Activation(_) = node.op {
            found.activation = Some(node.op.name());
        }
        self.wrote(node.output, index);
        self.leaves(node.output, index);
    }

    /// A new layer that reads the node's activations and writes its output.
    fn start(&mut self, node: &Node, kind: Kind) -> usize {
        let tensor = |id: &TensorId| self.graph.tensor(*id);
        let (weights, activations): (Vec<TensorId>, Vec<TensorId>) =
            node.inputs.iter().partition(|id| tensor(id).weight.is_some());
        let inputs = activations.iter().map(|id| self.elements(*id)).sum();
        let size = |id: &TensorId| tensor(id).shape.iter().product::<usize>() as f64;
        let weights = weights.iter().map(size).sum();
        let reads = activations.first().copied().unwrap_or(node.output);
        let index = self.push(node, kind, reads, [inputs, self.elements(node.output)], weights);
        self.wrote(node.output, index);
        let graph = self.graph;
        let entered = node.inputs.iter().filter(|id| graph.inputs.contains(id));
        self.found[index].layer.outside = entered.map(|id| self.elements(*id)).sum();
        self.leaves(node.output, index);
        index
    }

    /// Counts a result of the network.
    fn leaves(&mut self, id: TensorId, index: usize) {
        if self.graph.outputs.contains(&id) {
            self.found[index].layer.outside += self.elements(id);
        }
    }

    fn push(
        &mut self,
        node: &Node,
        kind: Kind,
        reads: TensorId,
        [inputs, outputs]: [f64; 2],
        weights: f64,
    ) -> usize {
        self.found.push(FusedLayer {
            layer: Layer {
                name: node.name.clone(),
                kind,
                inputs,
                outputs,
                outside: 0.0,
                weights,
                macs: 0.0,
                adds: false,
                geometry: None,
            },
            reads,
            padded: false,
            joined: false,
            activation: None,
            absorbed: false,
        });
        self.found.len() - 1
    }

    fn wrote(&mut self, id: TensorId, index: usize) {
        let alone = self.readers[id.0 as usize] == 1;
        self.writer[id.0 as usize] = Some(index).filter(|_| alone);
    }

    fn shape(&self, id: TensorId) -> Vec<f64> {
        self.graph.tensor(id).shape.iter().map(|d| *d as f64).collect()
    }

    /// Elements per row.
    fn elements(&self, id: TensorId) -> f64 {
        self.shape(id).iter().product::<f64>() / self.rows
    }
}
