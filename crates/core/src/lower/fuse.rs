//! Which nodes become part of a neighbour's layer: constants added per channel, zero padding before a convolution, and
//! copies of one value per channel before an element-wise layer that broadcasts.

use std::collections::{HashMap, HashSet};

use super::Weights;
use crate::graph::{BinaryKind, DType, Graph, Node, Op, Pad, Padding2d, PoolKind, TensorId};

/// Found once per network, before the first layer is built.
#[derive(Debug, Default)]
pub(super) struct Fusions {
    /// By node: the `[C]` it adds at its end, and the tensor it writes instead of its own.
    shifts: HashMap<usize, (Weights, TensorId)>,
    /// By the padded tensor: what was padded, and how much.
    pads: HashMap<TensorId, (TensorId, Padding2d)>,
    /// By the tensor of copies: the values `[N, C, 1, 1]`.
    copies: HashMap<TensorId, TensorId>,
    absorbed: HashSet<usize>,
}

impl Fusions {
    /// `broadcasts` says whether element-wise layers repeat an operand's axes of length one, and what else only a DLA
    /// needs a layer for.
    pub fn find(graph: &Graph, broadcasts: bool) -> Fusions {
        let readers = Readers::of(graph);
        let mut fusions = Fusions::default();
        if broadcasts {
            fusions.find_copies(graph, &readers);
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            let Some(next) = readers.only(node.output) else {
                continue;
            };
            let reader = &graph.nodes[next];
            let framed = || broadcasts.then(|| frame(graph, node)).flatten();
            let zeros = spatial_zeros(node).or_else(framed);
            if let (Some(padding), Op::Conv2d(_)) = (zeros, &reader.op) {
                fusions.pads.insert(node.output, (node.inputs[0], padding));
                fusions.absorbed.insert(index);
            } else if let Some(shift) = takes_shift(graph, node)
                .then(|| shift_of(graph, reader, node.output))
                .flatten()
            {
                fusions.shifts.insert(index, (shift, reader.output));
                fusions.absorbed.insert(next);
            }
        }
        fusions
    }

    /// Copies that only an element-wise node reads, of a value per channel or of such copies.
    fn find_copies(&mut self, graph: &Graph, readers: &Readers) {
        let mut chains: HashMap<TensorId, Vec<usize>> = HashMap::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            let across = repeats_a_channel(graph, node);
            let copies = across || is_copy(&node.op);
            let Some(next) = readers.only(node.output).filter(|_| copies) else {
                continue;
            };
            let x = node.inputs[0];
            let mut chain = chains.remove(&x).unwrap_or_default();
            let first = chain.first().map_or(x, |first| graph.nodes[*first].inputs[0]);
            let one_place = matches!(graph.tensor(first).shape[..], [_, _, 1, 1]);
            let begins = across && chain.is_empty();
            if !one_place && !begins {
                continue;
            }
            chain.push(index);
            if let Op::Binary(_) = graph.nodes[next].op {
                let first = &graph.nodes[chain[0]];
                self.copies.insert(node.output, first.inputs[0]);
                self.absorbed.extend(chain);
            } else {
                chains.insert(node.output, chain);
            }
        }
    }

    /// What an element-wise layer reads in place of an operand.
    pub fn broadcast(&self, operand: TensorId) -> TensorId {
        self.copies.get(&operand).copied().unwrap_or(operand)
    }

    /// Whether another node's layer does this node's work.
    pub fn absorbed(&self, node: usize) -> bool {
        self.absorbed.contains(&node)
    }

    /// The constant `[C]` that the layer of `node` adds.
    pub fn shift(&self, node: usize) -> Option<&Weights> {
        self.shifts.get(&node).map(|(shift, _)| shift)
    }

    pub fn output_of(&self, node: usize) -> Option<TensorId> {
        self.shifts.get(&node).map(|(_, output)| *output)
    }

    /// The tensor behind an absorbed padding, and the padding.
    pub fn source(&self, tensor: TensorId) -> (TensorId, Padding2d) {
        let unpadded = (tensor, Padding2d::default());
        self.pads.get(&tensor).copied().unwrap_or(unpadded)
    }
}

/// Per tensor the nodes that read it; a network output has one reader more.
struct Readers(Vec<Vec<Option<usize>>>);

impl Readers {
    fn of(graph: &Graph) -> Readers {
        let mut readers = vec![Vec::new(); graph.tensors.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            for id in &node.inputs {
                readers[id.0 as usize].push(Some(index));
            }
        }
        for id in &graph.outputs {
            readers[id.0 as usize].push(None);
        }
        Readers(readers)
    }

    fn only(&self, id: TensorId) -> Option<usize> {
        match self.0[id.0 as usize].as_slice() {
            [reader] => *reader,
            _ => None,
        }
    }
}

/// Whether a map of equal values becomes a map of these, by the operators that `canon` spreads values with.
fn is_copy(op: &Op) -> bool {
    matches!(op, Op::Resize2d(_)) || matches!(op, Op::Pool2d(pool) if pool.kind == PoolKind::Max)
}

/// Whether one channel becomes several that are equal to it.
fn repeats_a_channel(graph: &Graph, node: &Node) -> bool {
    let Op::Conv2d(conv) = &node.op else {
        return false;
    };
    let kernel = node.inputs[1];
    let one = matches!(graph.tensor(kernel).shape[..], [_, 1, 1, 1]) && conv.groups == 1;
    let ones = || {
        graph
            .floats(kernel)
            .is_some_and(|mut values| values.all(|v| v == 1.0))
    };
    one && conv.stride == [1; 2] && conv.padding.is_zero() && ones()
}

/// The zeros that a convolution puts around every channel, which it otherwise copies.
fn frame(graph: &Graph, node: &Node) -> Option<Padding2d> {
    let Op::Conv2d(conv) = &node.op else {
        return None;
    };
    let [channels, 1, height, width] = graph.tensor(node.inputs[1]).shape[..] else {
        return None;
    };
    let plain = conv.groups == channels && conv.stride == [1; 2] && conv.dilation == [1; 2];
    let odd = height % 2 == 1 && width % 2 == 1 && height * width > 1;
    let values = graph.floats(node.inputs[1]).filter(|_| plain && odd)?;
    let taps = height * width;
    let mut taps_in_place = values.enumerate();
    if !taps_in_place.all(|(at, tap)| tap == f32::from(u8::from(at % taps == taps / 2))) {
        return None;
    }
    let (rows, columns, pads) = (height / 2, width / 2, conv.padding);
    Some(Padding2d {
        top: pads.top.checked_sub(rows)?,
        left: pads.left.checked_sub(columns)?,
        bottom: pads.bottom.checked_sub(rows)?,
        right: pads.right.checked_sub(columns)?,
    })
}

fn takes_shift(graph: &Graph, node: &Node) -> bool {
    match &node.op {
        Op::Conv1d(_) | Op::Conv2d(_) | Op::Conv3d(_) => true,
        // Zeros put behind the map would miss the bias.
        Op::Deconv2d(deconv) => deconv.overhang() == [0; 2],
        Op::Deconv3d(deconv) => deconv.overhang() == [0; 3],
        Op::Dense => {
            graph.tensor(node.inputs[1]).weight.is_some() && graph.tensor(node.output).shape.len() == 2
        }
        Op::Binary(BinaryKind::Mul) => channel_operand(graph, node).is_some(),
        _ => false,
    }
}

/// The `[C]` that `node` adds to `x` along axis 1.
fn shift_of(graph: &Graph, node: &Node, x: TensorId) -> Option<Weights> {
    match node.op {
        Op::BiasAdd { axis: 1 } if node.inputs[0] == x => constant(graph, node.inputs[1]),
        Op::Binary(BinaryKind::Add) => channel_operand(graph, node).map(|(_, shift)| shift),
        _ => None,
    }
}

/// An element-wise node over one activation and one constant per channel (or for all): the activation and `[C]`.
pub fn channel_operand(graph: &Graph, node: &Node) -> Option<(TensorId, Weights)> {
    let [a, b] = node.inputs[..] else {
        return None;
    };
    let commutes = !matches!(
        node.op,
        Op::Binary(BinaryKind::Sub | BinaryKind::Div | BinaryKind::Pow)
    );
    let (x, constant) = match (graph.tensor(a).weight.is_some(), graph.tensor(b).weight.is_some()) {
        (false, true) => (a, b),
        (true, false) if commutes => (b, a),
        _ => return None,
    };
    let same_shape = graph.tensor(x).shape == graph.tensor(node.output).shape;
    same_shape
        .then(|| channel_constant(graph, constant, node.output))
        .flatten()
        .map(|weights| (x, weights))
}

/// A constant that broadcasts along axis 1 of `like`, as `[C]`.
fn channel_constant(graph: &Graph, id: TensorId, like: TensorId) -> Option<Weights> {
    let (tensor, like) = (graph.tensor(id), &graph.tensor(like).shape);
    let channels = *like.get(1)?;
    let weights = constant(graph, id)?.reshaped(vec![channels]);
    let count: usize = tensor.shape.iter().product();
    if count == 1 && tensor.shape.len() <= like.len() {
        let value = weights.values()[0];
        return Some(Weights::from_values(&[channels], &vec![value; channels]));
    }
    // `[C, 1, ...]` with the rank of one row, or `[1, C, 1, ...]` with the rank of the whole.
    let axis = tensor.shape.len().checked_sub(like.len() - 1)?;
    let in_place = tensor.shape.get(axis) == Some(&channels) && count == channels;
    in_place.then_some(weights)
}

fn constant(graph: &Graph, id: TensorId) -> Option<Weights> {
    let tensor = graph.tensor(id);
    let data = tensor.weight.clone();
    data.filter(|_| tensor.dtype == DType::F32).map(|data| Weights {
        shape: tensor.shape.clone(),
        data,
    })
}

/// Zero padding of the two map axes only.
fn spatial_zeros(node: &Node) -> Option<Padding2d> {
    let Op::Pad(Pad {
        before,
        after,
        value: 0.0,
    }) = &node.op
    else {
        return None;
    };
    match (&before[..], &after[..]) {
        ([0, 0, top, left], [0, 0, bottom, right]) => Some(Padding2d {
            top: *top,
            left: *left,
            bottom: *bottom,
            right: *right,
        }),
        _ => None,
    }
}
