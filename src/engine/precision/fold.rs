//! Scales and shifts after a convolution or dense layer become part of its weights before these are rounded, as
//! TensorRT fuses them.

use crate::graph::{BinaryKind, DType, Graph, Node, Op, Tensor, TensorId};
use crate::lower::{Weights, channel_operand};

/// The same network with such chains folded. Outputs, and every tensor that is still there, keep their names.
pub fn folded(graph: &Graph) -> Graph {
    let mut result = graph.clone();
    result.nodes.clear();
    let mut absorbed = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        if absorbed[index] {
            continue;
        }
        match Chain::from(graph, node) {
            Some(chain) => {
                chain.nodes.iter().for_each(|at| absorbed[*at] = true);
                result.nodes.extend(chain.fold(&mut result.tensors, node));
            }
            None => result.nodes.push(node.clone()),
        }
    }
    result
}

/// What follows a layer with weights, as one scale and one shift per output channel.
struct Chain {
    nodes: Vec<usize>,
    scale: Vec<f64>,
    shift: Vec<f64>,
    output: TensorId,
}

impl Chain {
    /// `None` where nothing follows but, perhaps, a bias.
    fn from(graph: &Graph, node: &Node) -> Option<Chain> {
        let kernel = graph.tensor(*weighted(graph, node)?);
        let channels = *kernel.shape.first()?;
        let mut chain = Chain {
            nodes: Vec::new(),
            scale: vec![1.0; channels],
            shift: vec![0.0; channels],
            output: node.output,
        };
        while let Some(next) = only_reader(graph, chain.output) {
            let reader = &graph.nodes[next];
            let Some((scale, shift)) = affine(graph, reader, chain.output) else {
                break;
            };
            for c in 0..channels {
                chain.shift[c] = chain.shift[c] * scale[c] + shift[c];
                chain.scale[c] *= scale[c];
            }
            chain.nodes.push(next);
            chain.output = reader.output;
        }
        let is_bias = |at: &usize| matches!(graph.nodes[*at].op, Op::BiasAdd { .. });
        match &chain.nodes[..] {
            [] => None,
            [only] if is_bias(only) => None,
            _ => Some(chain),
        }
    }

    /// The layer with scaled weights, and its bias.
    fn fold(self, tensors: &mut Vec<Tensor>, node: &Node) -> [Node; 2] {
        let kernel = tensors[node.inputs[1].0 as usize].clone();
        let values = Weights::of(&kernel).values();
        let each = values.len() / self.scale.len();
        let scaled = values.iter().enumerate();
        let scaled = scaled.map(|(i, v)| (f64::from(*v) * self.scale[i / each]) as f32);
        let shift: Vec<f32> = self.shift.iter().map(|v| *v as f32).collect();
        let mut add = |name: String, shape: Vec<usize>, values: Option<Vec<f32>>| {
            let weight = values.map(|values| Weights::from_values(&shape, &values).data);
            tensors.push(Tensor {
                name,
                shape,
                dtype: DType::F32,
                weight,
            });
            TensorId(tensors.len() as u32 - 1)
        };
        let scaled = add(
            format!("{}.folded", kernel.name),
            kernel.shape.clone(),
            Some(scaled.collect()),
        );
        let bias = add(format!("{}.shift", kernel.name), vec![shift.len()], Some(shift));
        let output = &tensors[node.output.0 as usize];
        let (name, shape) = (output.name.clone(), output.shape.clone());
        let sums = TensorId(tensors.len() as u32);
        tensors.push(Tensor {
            name: format!("{name}.sums"),
            shape,
            dtype: DType::F32,
            weight: None,
        });
        let layer = Node {
            inputs: vec![node.inputs[0], scaled],
            output: sums,
            ..node.clone()
        };
        let bias = Node {
            name: node.name.clone(),
            op: Op::BiasAdd { axis: 1 },
            inputs: vec![sums, bias],
            output: self.output,
        };
        [layer, bias]
    }
}

/// The kernel of a layer whose first axis is the output channel, and axis 1 that of its output.
fn weighted<'a>(graph: &Graph, node: &'a Node) -> Option<&'a TensorId> {
    let kernel = node.inputs.get(1)?;
    let tensor = graph.tensor(*kernel);
    let constant = tensor.weight.is_some() && tensor.dtype == DType::F32;
    let fits = match node.op {
        Op::Conv2d(_) => true,
        Op::Dense => graph.tensor(node.output).shape.len() == 2,
        _ => false,
    };
    (constant && fits).then_some(kernel)
}

/// Scale and shift per channel when `node` applies nothing else to `x`.
fn affine(graph: &Graph, node: &Node, x: TensorId) -> Option<(Vec<f64>, Vec<f64>)> {
    let values = |id: TensorId| -> Option<Vec<f64>> {
        let tensor = graph.tensor(id);
        let constant = tensor.weight.is_some() && tensor.dtype == DType::F32;
        let values = constant.then(|| Weights::of(tensor).values())?;
        Some(values.into_iter().map(f64::from).collect())
    };
    let ones = |shift: Vec<f64>| (vec![1.0; shift.len()], shift);
    match node.op {
        Op::BiasAdd { axis: 1 } if node.inputs[0] == x => values(node.inputs[1]).map(ones),
        Op::BatchNorm { epsilon, axis: 1 } if node.inputs[0] == x => {
            let operands: Option<Vec<_>> = node.inputs[1..].iter().map(|id| values(*id)).collect();
            let [gamma, beta, mean, variance] = &operands?[..] else {
                return None;
            };
            let scale: Vec<f64> = gamma
                .iter()
                .zip(variance)
                .map(|(g, v)| g / (v + f64::from(epsilon)).sqrt())
                .collect();
            let shift = (0..scale.len()).map(|c| beta[c] - mean[c] * scale[c]);
            let shift = shift.collect();
            Some((scale, shift))
        }
        Op::Binary(kind) => {
            let (operand, constant) = channel_operand(graph, node)?;
            let constant: Vec<f64> = constant.values().into_iter().map(f64::from).collect();
            match kind {
                _ if operand != x => None,
                BinaryKind::Mul => Some((constant.clone(), vec![0.0; constant.len()])),
                BinaryKind::Add => Some(ones(constant)),
                BinaryKind::Sub => Some(ones(constant.iter().map(|v| -v).collect())),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The node that alone reads a tensor which is no output.
pub(super) fn only_reader(graph: &Graph, id: TensorId) -> Option<usize> {
    let reads = |node: &Node| node.inputs.iter().filter(|input| **input == id).count();
    let count: usize = graph.nodes.iter().map(reads).sum();
    let alone = count == 1 && !graph.outputs.contains(&id);
    alone.then(|| graph.nodes.iter().position(|node| reads(node) == 1))?
}
