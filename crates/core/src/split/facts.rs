//! What TensorRT would make of a node, and the facts its DLA rules ask for.

use super::expr::{Facts, Value};
use super::window::{deconv_facts, padding, pads_apart, pool_facts, resize_facts, whole_map};
use crate::graph::{Activation, BinaryKind, Conv2d, Graph, Node, Op, ReduceKind, Tensor, UnaryKind};

/// One TensorRT layer with its facts.
pub struct Layer {
    pub name: &'static str,
    pub facts: Facts,
}

/// The layers `node` becomes; more than one when an operand needs a layer of its own.
pub fn layers(graph: &Graph, node: &Node) -> Vec<Layer> {
    let x = graph.tensor(node.inputs[0]);
    match &node.op {
        Op::Conv2d(conv) => one("conv", conv_facts(graph, node, conv)),
        Op::Conv1d(_) => one("conv", Facts::from([("spatial_dims", 1.into())])),
        Op::Conv3d(_) => one("conv", Facts::from([("spatial_dims", 3.into())])),
        Op::Deconv2d(deconv) => {
            let mut layers = one("deconv", deconv_facts(graph, node, deconv));
            if deconv.overhang() != [0; 2] {
                layers.extend(one("padding", Facts::new()));
            }
            layers
        }
        Op::Deconv3d(_) => one("deconv", Facts::from([("spatial_dims", 3.into())])),
        Op::BiasAdd { .. } | Op::BatchNorm { axis: 1, .. } => one("scale", scale()),
        Op::BatchNorm { .. } => one("batch norm of another axis than the channels", Facts::new()),
        Op::LayerNorm { .. } => one("layer normalisation", Facts::new()),
        Op::Unary(kind) => one("unary", Facts::from([("op", unary(*kind).into())])),
        Op::Activation(activation) => one("activation", activation_facts(*activation)),
        Op::PRelu => {
            let constant = graph.tensor(node.inputs[1]).weight.is_some();
            one("prelu", Facts::from([("slope_is_constant", constant.into())]))
        }
        Op::Binary(kind) => binary(graph, node, *kind),
        Op::Pool2d(pool) if pool.dilation == [1, 1] => {
            let y = graph.tensor(node.output);
            let mut layers = one("pool", pool_facts(x, y, pool));
            if pads_apart(x, y, pool) {
                layers.extend(one("padding", Facts::new()));
            }
            layers
        }
        Op::Pool2d(_) => one("dilated pooling", Facts::new()),
        Op::Pool3d(_) => one("pooling over three axes", Facts::new()),
        Op::Resize2d(resize) => one("resize", resize_facts(x, resize)),
        Op::GlobalPool(kind) => one("pool", whole_map(*kind, x, [1, 1])),
        Op::AdaptivePool { kind, output } if divides(x, *output) => one("pool", whole_map(*kind, x, *output)),
        Op::AdaptivePool { .. } => one("adaptive pooling with uneven windows", Facts::new()),
        Op::Concat { axis } => one(
            "concat",
            Facts::from([("axis", (*axis).into()), ("n", node.inputs.len().into())]),
        ),
        Op::Pad(_) => one("padding", Facts::new()),
        Op::Lrn(lrn) => one("lrn", Facts::from([("window", lrn.size.into())])),
        Op::Reduce { kind, axes, .. } => {
            let map = x.shape.len() == 4 && axes[..] == [2, 3];
            let facts = [("op", reduction(*kind).into()), ("whole_map", map.into())];
            one("reduce", Facts::from(facts))
        }
        Op::Slice { ranges } => {
            let unit_stride = ranges.iter().all(|range| range.step == 1);
            one("slice", Facts::from([("unit_stride", unit_stride.into())]))
        }
        Op::BatchMatmul { .. } => {
            let constant = graph.tensor(node.inputs[1]).weight.is_some();
            one("matmul", Facts::from([("b_is_constant", constant.into())]))
        }
        Op::Flatten
        | Op::Reshape { .. }
        | Op::Squeeze { .. }
        | Op::ExpandDims { .. }
        | Op::Transpose { .. } => one("shuffle", Facts::new()),
        Op::Dense if graph.tensor(node.inputs[1]).weight.is_none() => {
            one("matmul", Facts::from([("b_is_constant", false.into())]))
        }
        Op::Dense => one("fc", dense_facts(graph, node)),
        Op::Softmax { axis } => one("softmax", softmax_facts(x, *axis)),
    }
}

/// The names of the TensorRT layers that `node` becomes, as the rule table has them.
#[cfg(feature = "testing")]
pub fn layer_names(graph: &Graph, node: &Node) -> Vec<&'static str> {
    let layers = layers(graph, node).into_iter();
    layers.map(|layer| layer.name).collect()
}

/// Facts of a map for the rules that hold for every layer.
pub fn map_facts(tensor: &Tensor) -> Facts {
    let mut facts = Facts::from([("rank", tensor.shape.len().into())]);
    if let [_, c, h, w] = tensor.shape[..] {
        facts.extend([("C", c.into()), ("H", h.into()), ("W", w.into())]);
    }
    facts
}

fn one(name: &'static str, facts: Facts) -> Vec<Layer> {
    vec![Layer { name, facts }]
}

fn scale() -> Facts {
    Facts::from([("power", Value::from(1))])
}

fn conv_facts(graph: &Graph, node: &Node, conv: &Conv2d) -> Facts {
    let kernel = &graph.tensor(node.inputs[1]).shape;
    let mut facts = padding(&conv.padding);
    facts.extend([
        ("spatial_dims", Value::from(kernel.len() - 2)),
        ("K", kernel[0].into()),
        ("kh", kernel[2].into()),
        ("kw", kernel[3].into()),
        ("sh", conv.stride[0].into()),
        ("sw", conv.stride[1].into()),
        ("dh", conv.dilation[0].into()),
        ("dw", conv.dilation[1].into()),
        ("groups", conv.groups.into()),
    ]);
    facts
}

/// A dense layer is a 1x1 convolution over a map without width.
fn dense_facts(graph: &Graph, node: &Node) -> Facts {
    let weight = &graph.tensor(node.inputs[1]).shape;
    Facts::from([
        ("spatial_dims", Value::from(2)),
        ("kh", 1.into()),
        ("kw", 1.into()),
        ("K", weight[0].into()),
        ("C", weight[1].into()),
        ("W", 1.into()),
        ("dh", 1.into()),
    ])
}

fn activation_facts(activation: Activation) -> Facts {
    let kind = |name: &str| Facts::from([("kind", Value::from(name))]);
    match activation {
        Activation::Relu => kind("RELU"),
        Activation::LeakyRelu { .. } => kind("LEAKY_RELU"),
        Activation::Sigmoid => kind("SIGMOID"),
        Activation::Tanh => kind("TANH"),
        Activation::Clip { min, max } => {
            let mut facts = kind("CLIP");
            facts.insert("alpha", Value::Number(min.into()));
            facts.insert("beta", Value::Number(max.into()));
            facts
        }
    }
}

fn unary(kind: UnaryKind) -> &'static str {
    match kind {
        UnaryKind::Exp => "EXP",
        UnaryKind::Log => "LOG",
        UnaryKind::Sqrt => "SQRT",
        UnaryKind::Abs => "ABS",
        UnaryKind::Neg => "NEG",
        UnaryKind::Floor => "FLOOR",
        UnaryKind::Ceil => "CEIL",
        UnaryKind::Sin => "SIN",
        UnaryKind::Cos => "COS",
        UnaryKind::Tan => "TAN",
        UnaryKind::Sinh => "SINH",
        UnaryKind::Cosh => "COSH",
        UnaryKind::Asin => "ASIN",
        UnaryKind::Acos => "ACOS",
        UnaryKind::Asinh => "ASINH",
        UnaryKind::Acosh => "ACOSH",
        UnaryKind::Atanh => "ATANH",
        UnaryKind::Atan => "ATAN",
        UnaryKind::Erf => "ERF",
    }
}

fn reduction(kind: ReduceKind) -> &'static str {
    match kind {
        ReduceKind::Sum => "SUM",
        ReduceKind::Prod => "PROD",
        ReduceKind::Max => "MAX",
        ReduceKind::Min => "MIN",
        ReduceKind::Mean => "AVG",
    }
}

fn binary(graph: &Graph, node: &Node, kind: BinaryKind) -> Vec<Layer> {
    let op = match kind {
        BinaryKind::Add => "SUM",
        BinaryKind::Sub => "SUB",
        BinaryKind::Mul => "PROD",
        BinaryKind::Max => "MAX",
        BinaryKind::Min => "MIN",
        BinaryKind::Div => "DIV",
        BinaryKind::Pow => "POW",
    };
    let operands = [node.inputs[0], node.inputs[1]].map(|id| graph.tensor(id));
    let constant = operands.iter().find(|t| t.weight.is_some());
    let out = &graph.tensor(node.output).shape;
    let linear = matches!(kind, BinaryKind::Add | BinaryKind::Sub | BinaryKind::Mul);
    if constant.is_some_and(|c| linear && scales(&c.shape, out)) {
        return one("scale", scale());
    }
    let same = operands.iter().all(|t| t.weight.is_some() || t.shape == *out);
    let elementwise = Facts::from([("op", op.into()), ("same_shape", same.into())]);
    let mut layers = one("elementwise", elementwise);
    if constant.is_some() {
        layers.extend(one("constant", Facts::from([("constant_operand", true.into())])));
    }
    layers
}

/// Whether a constant is one value, one per channel or one per element of a row: what a scale layer takes.
fn scales(constant: &[usize], out: &[usize]) -> bool {
    let mut full = vec![1; out.len().saturating_sub(constant.len())];
    full.extend(constant);
    let rest = full.get(2..).unwrap_or_default();
    let uniform_or_channel = rest.iter().all(|d| *d == 1);
    full.first().is_none_or(|rows| *rows == 1)
        && full.len() == out.len()
        && (uniform_or_channel || full[1..] == out[1..])
}

fn divides(x: &Tensor, output: [usize; 2]) -> bool {
    x.shape[2].is_multiple_of(output[0]) && x.shape[3].is_multiple_of(output[1])
}

fn softmax_facts(x: &Tensor, axis: usize) -> Facts {
    let others: usize = x
        .shape
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != 0 && *i != axis)
        .map(|(_, d)| d)
        .product();
    Facts::from([
        ("axis_len", Value::from(x.shape[axis])),
        ("others", others.into()),
    ])
}
