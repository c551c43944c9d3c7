//! FP16 and INT8 against references in exact integers and float64, with bounds that are derived where they stand.

use half::f16;

use super::networks::{Build, binary, constant, conv, network, relu, zeros};
use super::{inputs_of, library, spec};
use crate::engine::cpu::{CpuBackend, CpuOptions};
use crate::engine::precision::{Format, Numerics, Precision, Ranges, assign, folded, has_kernel, stored};
use crate::engine::{Array, Backend, Rows};
use crate::graph::cases::all;
use crate::graph::reference::{apply, array, evaluate, floats};
use crate::graph::{
    Activation, BinaryKind, Conv2d, DeconvNd, Graph, GraphBuilder, Node, Op, Padding2d, PaddingNd, Pool2d,
    PoolKind, TensorId,
};
use crate::plan::Device;

fn run(graph: &Graph, numerics: &Numerics, inputs: &[Array]) -> Vec<Vec<f32>> {
    let backend = CpuBackend::new(CpuOptions {
        library: library(),
        threads_per_device: 1,
        devices: vec![Device::Gpu],
    });
    let backend = backend.unwrap().with_numerics(numerics.clone());
    let mut engine = backend.build(graph, &spec(graph)).unwrap();
    engine.enqueue(inputs.iter().map(Rows::from).collect()).unwrap();
    engine.wait().unwrap()
}

fn function(b: &mut GraphBuilder, function: Activation, x: TensorId) -> TensorId {
    b.node("act", Op::Activation(function), &[x]).unwrap()
}

fn norm(b: &mut GraphBuilder, x: TensorId) -> TensorId {
    let channels = b.shape(x)[1];
    let mut operands = vec![x];
    for (name, low) in [("gamma", 0.5), ("beta", -0.2), ("mean", 0.1), ("variance", 0.7)] {
        let values = (0..channels).map(|c| low + 0.3 * c as f32).collect();
        operands.push(b.weight(name, &[channels], values));
    }
    b.node(
        "norm",
        Op::BatchNorm {
            epsilon: 1e-3,
            axis: 1,
        },
        &operands,
    )
    .unwrap()
}

fn pool(kind: PoolKind, padding: usize) -> Op {
    Op::Pool2d(Pool2d {
        kind,
        window: [2, 2],
        stride: [2, 2],
        padding: Padding2d::uniform(padding),
        dilation: [1, 1],
        ceil_mode: false,
        count_include_pad: true,
    })
}

fn depthwise(b: &mut GraphBuilder, x: TensorId) -> TensorId {
    let channels = b.shape(x)[1];
    let w = constant(b, &[channels, 1, 3, 3]);
    let op = Op::Conv2d(Conv2d {
        stride: [2, 1],
        padding: Padding2d::uniform(1),
        dilation: [1, 1],
        groups: channels,
    });
    b.node("depthwise", op, &[x, w]).unwrap()
}

fn dense(b: &mut GraphBuilder, x: TensorId, units: usize) -> TensorId {
    let flat = b.node("flat", Op::Flatten, &[x]).unwrap();
    let width = b.shape(flat)[1];
    let (w, c) = (constant(b, &[units, width]), constant(b, &[units]));
    let y = b.node("dense", Op::Dense, &[flat, w]).unwrap();
    b.node("bias", Op::BiasAdd { axis: 1 }, &[y, c]).unwrap()
}

/// One stored layer each, so that a rounding shows and is not rounded again.
const LAYERS: &[(&str, Build)] = &[
    ("a convolution", |b, x| vec![conv(b, x, 4, 3, 1)]),
    ("with relu in it", |b, x| {
        let y = conv(b, x, 4, 3, 0);
        vec![relu(b, y)]
    }),
    ("folded scale, shift and norm", |b, x| {
        let (y, s) = (conv(b, x, 4, 3, 1), constant(b, &[4, 1, 1]));
        let y = binary(b, BinaryKind::Mul, y, s);
        let y = binary(b, BinaryKind::Sub, y, s);
        let y = norm(b, y);
        vec![relu(b, y)]
    }),
    ("relu6 whose bound is inside the range", |b, x| {
        let y = conv(b, x, 4, 3, 1);
        let function_ = Activation::Clip { min: 0.0, max: 0.5 };
        vec![function(b, function_, y)]
    }),
    ("clip with two bounds", |b, x| {
        let y = conv(b, x, 4, 3, 1);
        let bounds = Activation::Clip { min: -0.3, max: 6.0 };
        vec![function(b, bounds, y)]
    }),
    ("leaky relu", |b, x| {
        let y = conv(b, x, 4, 1, 0);
        vec![function(b, Activation::LeakyRelu { alpha: 0.1 }, y)]
    }),
    ("prelu", |b, x| {
        let (y, c) = (conv(b, x, 4, 1, 0), constant(b, &[4]));
        vec![b.node("prelu", Op::PRelu, &[y, c]).unwrap()]
    }),
    ("depthwise with strides", |b, x| vec![depthwise(b, x)]),
    ("deconvolution", |b, x| {
        let w = constant(b, &[3, 4, 2, 2]);
        let op = Op::Deconv2d(DeconvNd {
            stride: [2, 2],
            padding: PaddingNd::uniform(0),
            output_padding: [0, 0],
            groups: 1,
        });
        let y = b.node("deconv", op, &[x, w]).unwrap();
        vec![relu(b, y)]
    }),
    ("padding absorbed", |b, x| {
        let y = zeros(b, x, 0.0);
        vec![conv(b, y, 4, 3, 0)]
    }),
    ("dense with bias", |b, x| vec![dense(b, x, 5)]),
    ("max pooling", |b, x| {
        vec![b.node("pool", pool(PoolKind::Max, 0), &[x]).unwrap()]
    }),
    ("average pooling", |b, x| {
        vec![b.node("pool", pool(PoolKind::Average, 0), &[x]).unwrap()]
    }),
    ("average pooling as sums of windows", |b, x| {
        vec![b.node("pool", pool(PoolKind::Average, 2), &[x]).unwrap()]
    }),
    ("a sum with relu in it", |b, x| {
        let y = b.input("other", &[2, 3, 6, 6]);
        let y = binary(b, BinaryKind::Add, x, y);
        vec![relu(b, y)]
    }),
    ("a product", |b, x| {
        let y = b.input("other", &[2, 3, 6, 6]);
        vec![binary(b, BinaryKind::Mul, x, y)]
    }),
    ("concatenation", |b, x| {
        let y = b.input("other", &[2, 2, 6, 6]);
        vec![b.node("concat", Op::Concat { axis: 1 }, &[x, y]).unwrap()]
    }),
    ("normalisation alone", |b, x| vec![norm(b, x)]),
    ("sigmoid, which stays in fp16", |b, x| {
        vec![function(b, Activation::Sigmoid, x)]
    }),
    ("moved and multiplied", |b, x| {
        let axes = vec![0, 2, 3, 1];
        let y = b.node("transpose", Op::Transpose { axes }, &[x]).unwrap();
        vec![dense(b, y, 3)]
    }),
];

/// The largest magnitude of every activation, the reference's.
fn ranges(graph: &Graph, inputs: &[Array], of: impl Fn(f32) -> f32) -> Ranges {
    let mut all = folded(graph);
    let weight = |id: &TensorId| graph.tensors[id.0 as usize].weight.is_some();
    all.outputs = all.nodes.iter().map(|node| node.output).collect();
    let values = evaluate(&all, inputs);
    let mut ranges = Ranges::default();
    let computed = all.outputs.iter().zip(&values);
    for (id, value) in graph.inputs.iter().zip(inputs).chain(computed) {
        assert!(graph.tensors.get(id.0 as usize).is_none() || !weight(id));
        let most = value.data.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        ranges.insert(&all.tensor(*id).name, of(most)).unwrap();
    }
    ranges
}

/// What a network computes before its last rounding, and what it rounds to: one value per element of each output.
struct Exact {
    before: Vec<f64>,
    after: Vec<f64>,
}

/// Tensors by number: real values that are stored, or sums in units of their own.
struct Reference<'a> {
    graph: &'a Graph,
    numerics: &'a Numerics,
    formats: Vec<Format>,
    stored: Vec<bool>,
    values: Vec<Option<Array>>,
    units: Vec<Option<Vec<f64>>>,
    before: Vec<Vec<f64>>,
}

fn map(x: &Array, function: impl Fn(f32) -> f32) -> Array {
    array(&x.shape, x.data.iter().map(|v| function(*v)).collect())
}

fn in_steps(value: f64, step: f64) -> f64 {
    (value / step).round_ties_even().clamp(-128.0, 127.0)
}

impl Reference<'_> {
    fn run(graph: &Graph, numerics: &Numerics, inputs: &[Array]) -> Vec<Exact> {
        let graph = &folded(graph);
        let weights = graph.tensors.iter().map(|t| {
            let bytes = t.weight.as_ref();
            bytes.map(|bytes| array(&t.shape, floats(bytes)))
        });
        let mut reference = Reference {
            graph,
            numerics,
            formats: assign(graph, numerics).unwrap(),
            stored: stored(graph),
            values: weights.collect(),
            units: vec![None; graph.tensors.len()],
            before: vec![Vec::new(); graph.tensors.len()],
        };
        for (id, input) in graph.inputs.iter().zip(inputs) {
            reference.values[id.0 as usize] = Some(input.clone());
        }
        for (at, node) in graph.nodes.iter().enumerate() {
            reference.node(at, node);
        }
        let exact = |id: &TensorId| Exact {
            before: reference.before[id.0 as usize].clone(),
            after: reference.values[id.0 as usize]
                .iter()
                .flat_map(|v| v.data.iter().map(|v| f64::from(*v)))
                .collect(),
        };
        graph.outputs.iter().map(exact).collect()
    }

    fn value(&self, id: TensorId) -> Array {
        self.values[id.0 as usize].clone().unwrap()
    }

    fn step(&self, id: TensorId) -> f64 {
        let name = &self.graph.tensor(id).name;
        f64::from(self.numerics.ranges.scale(name).unwrap())
    }

    fn node(&mut self, at: usize, node: &Node) {
        let out = node.output.0 as usize;
        let shape = self.graph.tensor(node.output).shape.clone();
        let kernel = has_kernel(self.graph, node);
        let sums = self.units[node.inputs[0].0 as usize].clone();
        let mut operands: Vec<Array> = node.inputs.iter().map(|id| self.value(*id)).collect();
        match (self.formats[at], sums) {
            (Format::F16(_), _) => {
                for (operand, id) in operands.iter_mut().zip(&node.inputs) {
                    if self.is_stored_activation(*id) || self.graph.tensor(*id).weight.is_some() {
                        *operand = map(operand, |v| f16::from_f32(v).to_f32());
                    }
                }
                let result = apply(node, &operands, &shape);
                self.before[out] = result.data.iter().map(|v| f64::from(*v)).collect();
                self.values[out] = Some(if self.stored[at] {
                    map(&result, |v| f16::from_f32(v).to_f32())
                } else {
                    result
                });
            }
            (Format::Int8, None) if kernel => {
                let step = self.step(node.inputs[0]);
                let x = operands[0].data.iter();
                let x = x.map(|v| in_steps(f64::from(*v), step) as f32).collect();
                operands[0] = array(&operands[0].shape, x);
                let w = &operands[1];
                // `[outputs, ...]`, but `[inputs, outputs / groups, ...]` for a deconvolution.
                let groups = match &node.op {
                    Op::Deconv2d(deconv) => Some(deconv.groups),
                    _ => None,
                };
                let size = |dims: &[usize]| dims.iter().product::<usize>();
                let channel = |at: usize| match groups {
                    None => at / size(&w.shape[1..]),
                    Some(groups) => {
                        let input = at / size(&w.shape[1..]);
                        let within = at / size(&w.shape[2..]) % w.shape[1];
                        input / (w.shape[0] / groups) * w.shape[1] + within
                    }
                };
                let mut steps = vec![0.0f64; shape[1]];
                for (i, v) in w.data.iter().enumerate() {
                    let step = &mut steps[channel(i)];
                    *step = step.max(f64::from(v.abs()) / 127.0);
                }
                let quantised = w.data.iter().enumerate();
                let quantised = quantised.map(|(i, v)| in_steps((*v).into(), steps[channel(i)]));
                operands[1] = array(&w.shape, quantised.map(|v| v as f32).collect());
                let units = steps.iter().map(|s| s * step).collect();
                self.sums(at, node, apply(node, &operands, &shape), units);
            }
            (Format::Int8, Some(units)) => {
                let unit = |c: usize| units[c];
                let channel = channels(&shape);
                if let Op::BiasAdd { .. } = node.op {
                    let bias = operands[1].data.iter().enumerate();
                    let bias = bias.map(|(c, b)| (f64::from(*b) / unit(c)).round_ties_even());
                    operands[1] = array(&operands[1].shape, bias.map(|b| b as f32).collect());
                    let result = apply(node, &operands, &shape);
                    return self.sums(at, node, result, units.clone());
                }
                let real = operands[0].data.iter().enumerate();
                let real = real.map(|(i, v)| f64::from(*v) * unit(channel(i)));
                operands[0] = array(&operands[0].shape, real.map(|v| v as f32).collect());
                let result = apply(node, &operands, &shape);
                self.keep(at, node, result.data.iter().map(|v| f64::from(*v)).collect());
            }
            (Format::Int8, None) => {
                for (operand, id) in operands.iter_mut().zip(&node.inputs) {
                    if self.is_stored_activation(*id) {
                        let step = self.step(*id);
                        *operand = map(operand, |v| (in_steps(v.into(), step) * step) as f32);
                    }
                }
                let result = apply(node, &operands, &shape);
                self.keep(at, node, result.data.iter().map(|v| f64::from(*v)).collect());
            }
            (Format::F32, _) => unreachable!("these networks are FP16 or INT8"),
        }
    }

    fn is_stored_activation(&self, id: TensorId) -> bool {
        let producer = self.graph.nodes.iter().position(|node| node.output == id);
        let stored = producer.is_none_or(|at| self.stored[at]);
        stored && self.graph.tensor(id).weight.is_none()
    }

    fn sums(&mut self, at: usize, node: &Node, sums: Array, units: Vec<f64>) {
        if !self.stored[at] {
            self.units[node.output.0 as usize] = Some(units);
            self.values[node.output.0 as usize] = Some(sums);
            return;
        }
        let channel = channels(&sums.shape);
        let real = sums.data.iter().enumerate();
        let real = real.map(|(i, v)| f64::from(*v) * units[channel(i)]);
        self.keep(at, node, real.collect());
    }

    fn keep(&mut self, at: usize, node: &Node, real: Vec<f64>) {
        let out = node.output.0 as usize;
        let shape = &self.graph.tensor(node.output).shape;
        let after = if self.stored[at] {
            let step = self.step(node.output);
            let steps = real.iter().map(|v| in_steps(*v, step));
            steps.map(|steps| (steps * step) as f32).collect()
        } else {
            real.iter().map(|v| *v as f32).collect()
        };
        self.values[out] = Some(array(shape, after));
        self.before[out] = real;
    }
}

/// Ranges go by name, so that every tensor needs its own.
fn named(build: Build) -> Graph {
    let mut graph = network(build);
    for (at, tensor) in graph.tensors.iter_mut().enumerate() {
        tensor.name += &format!("_{at}");
    }
    graph
}

fn int8(graph: &Graph, inputs: &[Array], of: impl Fn(f32) -> f32) -> Numerics {
    let ranges = ranges(graph, inputs, of);
    Numerics::int8(graph, &ranges, [], |_| true).0
}

/// float32 multiplies sums by factors that are rounded once (2^-24), and divides once more: a value of up to 128 steps
/// is off by less than 128 * 4 * 2^-24 steps, and only what lies so near a tie may round the other way. Operands that
/// are dequantised first are up to three such roundings off.
const NEAR_A_TIE: f64 = 128.0 * 16.0 / (1 << 24) as f64;

#[test]
fn int8_layers_round_where_exact_integers_say() {
    for (why, build) in LAYERS {
        let graph = named(*build);
        let inputs = inputs_of(&graph);
        let numerics = int8(&graph, &inputs, |most| most);
        let formats = assign(&folded(&graph), &numerics).unwrap();
        if formats.iter().all(|format| matches!(format, Format::F16(_))) {
            continue;
        }
        let got = run(&graph, &numerics, &inputs);
        let want = Reference::run(&graph, &numerics, &inputs);
        let name = &graph.tensor(graph.outputs[0]).name;
        let step = f64::from(numerics.ranges.scale(name).unwrap());
        assert_eq!(got[0].len(), want[0].after.len(), "{why}");
        for (i, got) in got[0].iter().enumerate() {
            let (before, after) = (want[0].before[i] / step, want[0].after[i] / step);
            let near_a_tie = (before - before.floor() - 0.5).abs() < NEAR_A_TIE;
            let off = (f64::from(*got) / step - after).abs();
            let fine = off < 1e-4 || (near_a_tie && off < 1.0001);
            assert!(
                fine,
                "{why}: element {i} is {got}, {before} steps before rounding, {off} off"
            );
        }
    }
}

/// With scales that are powers of two everything is exact, ties included.
#[test]
fn int8_is_bit_exact_over_powers_of_two() {
    let mut ties = 0;
    for (why, build) in LAYERS {
        let mut graph = named(*build);
        for tensor in graph.tensors.iter_mut().filter(|t| t.weight.is_some()) {
            let noise = floats(tensor.weight.as_ref().unwrap()).into_iter();
            let coarse = noise.map(|v| (v * 8.0).round() / 8.0);
            let mut coarse: Vec<f32> = coarse.collect();
            let each = coarse.len() / tensor.shape[0];
            // A kernel's largest magnitude makes its step 1 / 64; vectors are scales, shifts and slopes.
            if tensor.shape.len() > 1 && each > 1 {
                coarse.chunks_mut(each).for_each(|c| c[0] = 127.0 / 64.0);
                if tensor.shape == [3, 4, 2, 2] {
                    coarse.chunks_mut(4).for_each(|c| c[0] = 127.0 / 64.0);
                }
            }
            let bytes = coarse.iter().flat_map(|v| v.to_le_bytes()).collect();
            tensor.weight = Some(std::sync::Arc::new(bytes));
        }
        if why.contains("norm") || why.contains("windows") || why.contains("sigmoid") {
            continue; // square roots, ninths and exponentials are no binary fractions
        }
        let inputs = inputs_of(&graph);
        let numerics = int8(&graph, &inputs, |most| {
            127.0 * 2f32.powf((most / 127.0).log2().ceil())
        });
        let got = run(&graph, &numerics, &inputs);
        let want = Reference::run(&graph, &numerics, &inputs);
        let name = &graph.tensor(graph.outputs[0]).name;
        let step = f64::from(numerics.ranges.scale(name).unwrap());
        let tie = |v: &&f64| (**v / step).fract().abs() == 0.5;
        ties += want[0].before.iter().filter(tie).count();
        let want: Vec<f32> = want[0].after.iter().map(|v| *v as f32).collect();
        assert_eq!(got[0], want, "{why}");
    }
    assert!(ties > 20, "only {ties} ties were seen");
}

/// The sums of magnitudes that a network's results come from: every weight and input made positive, no bounds.
fn magnitudes(graph: &Graph, inputs: &[Array]) -> Vec<Array> {
    let mut graph = graph.clone();
    let norms = graph.nodes.iter();
    let norms = norms.filter(|node| matches!(node.op, Op::BatchNorm { .. }));
    let means: Vec<TensorId> = norms.map(|node| node.inputs[3]).collect();
    for (at, tensor) in graph.tensors.iter_mut().enumerate() {
        // A mean is subtracted.
        let sign = if means.contains(&TensorId(at as u32)) {
            -1.0
        } else {
            1.0
        };
        let positive = |bytes: &std::sync::Arc<Vec<u8>>| {
            let values = floats(bytes).into_iter();
            std::sync::Arc::new(values.flat_map(|v| (sign * v.abs()).to_le_bytes()).collect())
        };
        tensor.weight = tensor.weight.as_ref().map(positive);
    }
    for node in &mut graph.nodes {
        match node.op {
            Op::Activation(Activation::Clip { .. }) => node.op = Op::Activation(Activation::Relu),
            Op::Binary(BinaryKind::Sub) => node.op = Op::Binary(BinaryKind::Add),
            _ => {}
        }
    }
    let inputs: Vec<Array> = inputs.iter().map(|x| map(x, f32::abs)).collect();
    evaluate(&graph, &inputs)
}

/// A layer's FP16 result is its float32 sum rounded once. A sum of `n` products is off by at most `n * 2^-24` of the
/// sum of their magnitudes, whatever its order; rounding adds half a unit, which is `2^-11` of the result, or `2^-25`
/// where FP16 is subnormal. The longest sum here has 108 products and a bias, each factor rounded by at most one
/// float32 rounding more.
#[test]
fn fp16_layers_round_their_result_once() {
    for (why, build) in LAYERS {
        if why.contains("alone") || why.contains("folded") {
            continue; // scales and shifts are worked out before they are rounded: the next test
        }
        let graph = named(*build);
        let inputs = inputs_of(&graph);
        let got = run(&graph, &Numerics::of(Precision::F16), &inputs);
        let want = Reference::run(&graph, &Numerics::of(Precision::F16), &inputs);
        let magnitudes = magnitudes(&graph, &inputs);
        for (i, got) in got[0].iter().enumerate() {
            assert_eq!(f16::from_f32(*got).to_f32(), *got, "{why}: fp16 has no {got}");
            let exact = want[0].before[i];
            let sums = 110.0 * f64::from(magnitudes[0].data[i]) / (1 << 24) as f64;
            let bound = exact.abs() / 2048.0 + 2f64.powi(-25) + sums;
            let off = (f64::from(*got) - exact).abs();
            assert!(off <= bound, "{why}: element {i} is {got}, exactly {exact}");
        }
    }
}

/// A folded layer rounds its inputs and its scaled weights (`2^-11` of each product, twice) and its result: within
/// `3 * 2^-11` of the sum of magnitudes, and a little for the products of roundings.
#[test]
fn fp16_folds_scales_before_it_rounds_weights() {
    for (why, build) in LAYERS.iter().filter(|(why, _)| why.contains("folded")) {
        let graph = named(*build);
        let inputs = inputs_of(&graph);
        let got = run(&graph, &Numerics::of(Precision::F16), &inputs);
        let (want, most) = (evaluate(&graph, &inputs), magnitudes(&graph, &inputs));
        for (i, got) in got[0].iter().enumerate() {
            assert_eq!(f16::from_f32(*got).to_f32(), *got, "{why}: fp16 has no {got}");
            let off = (got - want[0].data[i]).abs();
            assert!(
                off <= most[0].data[i] * 3.1 / 2048.0,
                "{why}: element {i} is {got}"
            );
        }
    }
}

/// The most terms that an element of the last layer may be made of.
fn terms(graph: &Graph) -> f64 {
    let last = graph.nodes.last().unwrap();
    let sizes = last.inputs.iter().map(|id| graph.tensor(*id).shape.iter());
    sizes.map(|shape| shape.product::<usize>()).max().unwrap() as f64
}

/// How far an FP16 result may be from the layer's exact one over the same rounded operands: half a unit of the result,
/// or of a subnormal one, and what float32 arithmetic is off, `2^-24` of the sum of magnitudes per term. Functions of one
/// argument, here of at most 3 and none steeper than exp, are good to `8 * 2^-24` of 1 or of their result. Where
/// constants are combined before they are rounded (`2^-11` of each product, twice) instead of rounded one by one, that is
/// added, and the other way's as well.
fn fp16_bound(graph: &Graph, exact: f64, magnitude: f64) -> f64 {
    let unit = 2f64.powi(-11);
    let arithmetic = (8.0 + terms(graph)) * 2f64.powi(-24) * (1.0 + magnitude.max(exact.abs()));
    let last = graph.nodes.last().unwrap();
    let constant = |id: &TensorId| graph.tensor(*id).weight.is_some();
    let combined = match last.op {
        // Four constants, each with half a unit of its own; the variance's goes under a square root.
        Op::BatchNorm { .. } => 6.1 * unit * magnitude,
        // A reciprocal.
        Op::Binary(BinaryKind::Div) if constant(&last.inputs[1]) => 2.1 * unit * exact.abs(),
        // Eight layers, each rounded, of values up to the root of their number; gamma and beta are up to 1.
        Op::LayerNorm { axis, .. } => {
            let count = graph.tensor(last.inputs[0]).shape[axis] as f64;
            8.1 * unit * (count.sqrt() + 1.0)
        }
        // Weights of a window that padding or overhang makes uneven.
        Op::Pool2d(_) | Op::Pool3d(_) | Op::AdaptivePool { .. } => 1.1 * unit * magnitude,
        _ => 0.0,
    };
    unit * exact.abs() + 2f64.powi(-25) + arithmetic + combined
}

/// Every operator, whatever layers it is made of, over operands that are rounded first.
#[test]
fn every_operator_rounds_its_fp16_result_once() {
    let mut wrong = Vec::new();
    for case in all() {
        let (graph, why) = (case.graph(), case.name());
        let (inputs, numerics) = (inputs_of(&graph), Numerics::of(Precision::F16));
        let want = &Reference::run(&graph, &numerics, &inputs)[0].before;
        let magnitudes = magnitudes(&graph, &inputs);
        for (i, got) in run(&graph, &numerics, &inputs)[0].iter().enumerate() {
            // A maximum over no element at all is the lowest float32, as in TVM.
            let lowest = *got == f32::MIN && want[i] == f64::from(f32::MIN);
            let held = f16::from_f32(*got).to_f32() == *got;
            assert!(held || lowest, "{why}: fp16 has no {got}");
            let bound = fp16_bound(&graph, want[i], magnitudes[0].data[i].into());
            let off = (f64::from(*got) - want[i]).abs();
            let beyond = want[i].abs() > 65504.0;
            if !beyond && off > bound {
                let exact = want[i];
                wrong.push(format!(
                    "{why}: element {i} is {got}, exactly {exact}, {off} > {bound}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Where an operator has an INT8 layer, its result is the exact one over operands in steps, rounded to a step: another
/// one only where it lies as near a tie as float32 arithmetic is off. Where it has none, it is an FP16 result.
#[test]
fn every_operator_rounds_its_int8_result_once() {
    let (mut layers, mut wrong) = (0, Vec::new());
    for case in all() {
        let (graph, why) = (case.graph(), case.name());
        let inputs = inputs_of(&graph);
        if evaluate(&graph, &inputs)[0].data.contains(&f32::MIN) {
            continue;
        }
        let numerics = int8(&graph, &inputs, |most| most.max(1e-6));
        let formats = assign(&folded(&graph), &numerics).unwrap();
        let got = run(&graph, &numerics, &inputs);
        let want = &Reference::run(&graph, &numerics, &inputs)[0];
        let step = f64::from(numerics.ranges.scale("y").unwrap());
        let magnitudes = magnitudes(&graph, &inputs);
        let in_int8 = formats.last() == Some(&Format::Int8);
        layers += usize::from(in_int8);
        for (i, got) in got[0].iter().enumerate() {
            let (got, exact) = (f64::from(*got), want.before[i]);
            let fine = if in_int8 {
                let fraction = (exact / step).rem_euclid(1.0);
                let near_a_tie = (fraction - 0.5).abs() < NEAR_A_TIE * (1.0 + terms(&graph) / 16.0);
                let off = ((got - want.after[i]) / step).abs();
                off < 1e-4 || (near_a_tie && off < 1.0001)
            } else {
                (got - exact).abs() <= fp16_bound(&graph, exact, magnitudes[0].data[i].into())
            };
            if !fine {
                wrong.push(format!(
                    "{why}: element {i} is {got}, exactly {exact}, a step is {step}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(layers > 40, "only {layers} cases have an int8 layer");
}

/// The channel of an element.
fn channels(shape: &[usize]) -> impl Fn(usize) -> usize + use<> {
    let (channels, each) = (shape[1], shape[2..].iter().product::<usize>());
    move |at| at / each % channels
}
