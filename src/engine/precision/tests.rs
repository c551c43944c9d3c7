//! Precisions, ranges, and what each node of a network is computed in.

use super::*;
use crate::graph::{Activation, BinaryKind, Conv2d, Graph, GraphBuilder, Op, Padding2d, PoolKind};

#[test]
fn precisions_are_written_as_they_are_read() {
    for precision in [Precision::F32, Precision::F16, Precision::Int8] {
        assert_eq!(precision.to_string().parse(), Ok(precision));
    }
    let error = "float16".parse::<Precision>().unwrap_err();
    assert!(error.contains("fp32, fp16 or int8"), "{error}");
}

#[test]
fn a_range_is_finite_and_above_zero() {
    let cases = [
        (0.0, false, "an all-zero tensor has no scale"),
        (-1.0, false, "a magnitude"),
        (f32::NAN, false, "not a number"),
        (f32::INFINITY, false, "infinite"),
        (1e-38, false, "the scale would be denormal"),
        (127.0, true, "one per step"),
    ];
    for (max, good, why) in cases {
        let mut ranges = Ranges::default();
        let inserted = ranges.insert("conv2d_3", max);
        assert_eq!(inserted.is_ok(), good, "{why}");
        if let Err(error) = inserted {
            assert!(error.to_string().contains("`conv2d_3`"), "{error}");
        }
    }
    let mut ranges = Ranges::default();
    ranges.insert("x", 254.0).unwrap();
    assert_eq!(ranges.scale("x"), Some(2.0));
    assert_eq!(ranges.scale("y"), None);
}

/// conv -> relu, conv, both added; pooled; sigmoid; joined with the pool; a dense layer behind it.
fn net() -> Graph {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 2, 8, 8]);
    let w = b.weight("w", &[2, 2, 1, 1], vec![0.5; 4]);
    let conv = Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding: Padding2d::default(),
        dilation: [1, 1],
        groups: 1,
    });
    let c1 = b.node("conv1", conv.clone(), &[x, w]).unwrap();
    let r = b.node("relu", Op::Activation(Activation::Relu), &[c1]).unwrap();
    let c2 = b.node("conv2", conv, &[r, w]).unwrap();
    let s = b.node("sum", Op::Binary(BinaryKind::Add), &[r, c2]).unwrap();
    let pool = Op::GlobalPool(PoolKind::Max);
    let p = b.node("pool", pool, &[s]).unwrap();
    let sigmoid = Op::Activation(Activation::Sigmoid);
    let g = b.node("sigmoid", sigmoid, &[p]).unwrap();
    let j = b.node("join", Op::Concat { axis: 1 }, &[p, g]).unwrap();
    let f = b.node("flat", Op::Flatten, &[j]).unwrap();
    let w = b.weight("dense_w", &[3, 4], vec![1.0; 12]);
    let d = b.node("dense", Op::Dense, &[f, w]).unwrap();
    b.output(d);
    b.finish().unwrap()
}

fn ranges(of: &[(&str, f32)]) -> Ranges {
    let mut ranges = Ranges::default();
    for (name, max) in of {
        ranges.insert(name, *max).unwrap();
    }
    ranges
}

const ALL: [(&str, f32); 9] = [
    ("x", 1.0),
    ("relu", 2.0),
    ("conv2", 3.0),
    ("sum", 5.0),
    ("pool", 4.0),
    ("sigmoid", 1.0),
    ("join", 4.0),
    ("flat", 4.0),
    ("dense", 9.0),
];

fn of(numerics: &Numerics, name: &str) -> Option<f32> {
    numerics.ranges.get(name)
}

#[test]
fn the_dla_wants_equal_scales_and_the_gpu_does_not() {
    let graph = net();
    let (numerics, changes) = Numerics::int8(&graph, &ranges(&ALL), [], |_| true);
    let cases = [
        ("relu", 3.0, "the operands of a sum"),
        ("conv2", 3.0, "the operands of a sum"),
        (
            "sum",
            5.0,
            "input and output of pooling, and all that the concatenation joins",
        ),
        ("sigmoid", 5.0, "joined with the pool"),
        ("flat", 5.0, "moved, not computed"),
        ("x", 1.0, "nobody asks"),
        ("dense", 9.0, "nobody asks"),
    ];
    for (name, want, why) in cases {
        assert_eq!(of(&numerics, name), Some(want), "{name}: {why}");
    }
    assert_eq!(changes.unified.len(), 2, "{changes:?}");
    assert_eq!(changes.unified[0].nodes, ["sum"]);
    let own = [("relu".to_string(), 2.0), ("conv2".to_string(), 3.0)];
    assert_eq!(changes.unified[0].own, own);
    let (numerics, _) = Numerics::int8(&graph, &ranges(&ALL), [], |_| false);
    assert_eq!(of(&numerics, "relu"), Some(2.0), "TensorRT rescales on the GPU");
    assert_eq!(
        of(&numerics, "sigmoid"),
        Some(4.0),
        "a concatenation moves elements"
    );
}

#[test]
fn scales_that_do_not_suit_move_a_node_to_fp16_and_say_so() {
    let graph = net();
    let mut given = ranges(&ALL);
    given.insert("conv2", 33.0).unwrap();
    let (numerics, changes) = Numerics::int8(&graph, &given, [], |_| true);
    let factor = 33.0 / 2.0;
    let reason = HalfReason::Scales { factor };
    let moved = MovedNode {
        node: "sum".into(),
        reason,
    };
    assert_eq!(changes.moved, [moved]);
    assert_eq!(of(&numerics, "relu"), Some(2.0), "its own range stays");
    let formats = assign(&folded(&graph), &numerics).unwrap();
    assert_eq!(formats[3], Format::F16(Some(HalfReason::Requested)));
    assert!(reason.to_string().contains("differ 16 times"), "{reason}");
}

#[test]
fn every_node_has_a_precision_and_a_reason() {
    let graph = net();
    let numerics = |half: &[&str]| {
        let half = half.iter().map(|name| name.to_string());
        Numerics::int8(&graph, &ranges(&ALL), half, |_| true).0
    };
    let formats = |half: &[&str]| assign(&graph, &numerics(half)).unwrap();
    let plain = formats(&[]);
    let sigmoid = Format::F16(Some(HalfReason::NoInt8));
    for (node, format) in graph.nodes.iter().zip(&plain) {
        let want = if node.name == "sigmoid" {
            sigmoid
        } else {
            Format::Int8
        };
        assert_eq!(*format, want, "{}", node.name);
    }
    let asked = Format::F16(Some(HalfReason::Requested));
    for (half, why) in [("conv1", "the layer's first node"), ("relu", "its last one")] {
        let formats = formats(&[half]);
        assert_eq!(formats[..2], [asked, asked], "{why} takes the whole layer");
        assert_eq!(formats[2], Format::Int8);
    }
    let half = assign(&graph, &Numerics::of(Precision::F16)).unwrap();
    assert!(half.iter().all(|format| *format == Format::F16(None)));
}

#[test]
fn int8_without_a_range_names_the_tensor() {
    let graph = net();
    let mut named = Vec::new();
    for (left_out, _) in ALL {
        let given: Vec<(&str, f32)> = ALL.into_iter().filter(|(n, _)| *n != left_out).collect();
        let numerics = Numerics {
            precision: Precision::Int8,
            ranges: ranges(&given),
            ..Numerics::default()
        };
        if let Err(PrecisionError::NoRange { tensor, .. }) = assign(&graph, &numerics) {
            named.push(tensor);
        }
    }
    let all: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, all, "the activation inside a layer needs none");
    let mut twice = graph.clone();
    twice.tensors[2].name = "x".into();
    let numerics = Numerics::int8(&graph, &ranges(&ALL), [], |_| true).0;
    let ambiguous = PrecisionError::Ambiguous("x".into());
    assert_eq!(assign(&twice, &numerics), Err(ambiguous));
}

#[test]
fn folding_keeps_outputs_and_leaves_lone_biases_to_the_layers() {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 2, 4, 4]);
    let w = b.weight("w", &[2, 2, 1, 1], vec![1.0, 2.0, 3.0, 4.0]);
    let conv = Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding: Padding2d::default(),
        dilation: [1, 1],
        groups: 1,
    });
    let y = b.node("conv", conv.clone(), &[x, w]).unwrap();
    let s = b.weight("s", &[2, 1, 1], vec![2.0, -1.0]);
    let c = b.weight("c", &[2], vec![0.5; 2]);
    let y = b.node("mul", Op::Binary(BinaryKind::Mul), &[y, s]).unwrap();
    let y = b.node("add", Op::Binary(BinaryKind::Add), &[s, y]).unwrap();
    let z = b.node("conv", conv, &[y, w]).unwrap();
    let z = b.node("bias", Op::BiasAdd { axis: 1 }, &[z, c]).unwrap();
    b.output(z);
    let graph = folded(&b.finish().unwrap());
    graph.validate().unwrap();
    let names: Vec<&str> = graph.nodes.iter().map(|n| n.op.name()).collect();
    assert_eq!(names, ["conv2d", "bias_add", "conv2d", "bias_add"]);
    let values = |at: usize| {
        let id = graph.nodes[at].inputs[1];
        crate::lower::Weights::of(graph.tensor(id)).values()
    };
    assert_eq!(values(0), [2.0, 4.0, -3.0, -4.0]);
    assert_eq!(values(1), [2.0, -1.0]);
    assert_eq!(values(2), [1.0, 2.0, 3.0, 4.0], "nothing scales it");
    assert_eq!(graph.tensor(graph.nodes[1].output).name, "add");
}

#[test]
fn a_model_quantised_before_tvm_brings_its_ranges_and_keeps_its_floats() {
    use crate::bundle::{Bundle, Options, Origin, Port};
    let mut b = GraphBuilder::new("net");
    let relu = Op::Activation(Activation::Relu);
    let mut x = b.input("x", &[1, 2, 4, 4]);
    for name in ["a", "b", "c"] {
        x = b.node(name, relu.clone(), &[x]).unwrap();
    }
    b.output(x);
    let mut bundle = Bundle {
        graph: b.finish().unwrap(),
        options: Options::default(),
        plan: None,
        origin: None,
        kept: Vec::new(),
    };
    assert_eq!(quantised(&bundle), Ok(None), "a float model has none");
    let ranges = [("x", 1.0), ("a", 2.0)].map(|(name, max)| (name.to_string(), max));
    let mut origin = Origin {
        ranges: ranges.into(),
        inputs: vec![Port::PLAIN],
        outputs: vec![crate::bundle::Port::PLAIN],
    };
    bundle.origin = Some(origin.clone());
    let (ranges, floats) = quantised(&bundle).unwrap().unwrap();
    assert_eq!((ranges.get("a"), ranges.get("b")), (Some(2.0), None));
    assert_eq!(floats, ["b", "c"], "tensor `b` has no range");
    origin.ranges.insert("b".to_string(), f32::INFINITY);
    bundle.origin = Some(origin);
    assert_eq!(quantised(&bundle).unwrap_err().tensor, "b");
}

/// x * clip(x) has no INT8 layer of one scale; what scales it by channel would round it twice, a convolution has to.
#[test]
fn what_only_scales_an_fp16_layer_is_in_fp16_too() {
    let mut b = GraphBuilder::new("affine");
    let x = b.input("x", &[1, 2, 4, 4]);
    let w = b.weight("w", &[2, 2, 1, 1], vec![0.5; 4]);
    let conv = Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding: Padding2d::default(),
        dilation: [1, 1],
        groups: 1,
    });
    let c = b.node("conv", conv.clone(), &[x, w]).unwrap();
    let sigmoid = Op::Activation(Activation::Sigmoid);
    let s = b.node("sigmoid", sigmoid, &[c]).unwrap();
    let two = b.weight("two", &[1, 2, 1, 1], vec![2.0, 3.0]);
    let mul = Op::Binary(BinaryKind::Mul);
    let m = b.node("scale", mul.clone(), &[s, two]).unwrap();
    let relu = Op::Activation(Activation::Relu);
    let r = b.node("relu", relu, &[m]).unwrap();
    let last = b.node("last", conv, &[r, w]).unwrap();
    let y = b.node("scaled", mul, &[last, two]).unwrap();
    b.output(y);
    let graph = b.finish().unwrap();
    let names = ["x", "conv", "sigmoid", "scale", "relu", "last", "scaled"];
    let names = names.map(|name| (name, 2.0));
    let (numerics, _) = Numerics::int8(&graph, &ranges(&names), [], |_| false);
    let formats = assign(&graph, &numerics).unwrap();
    let behind = Format::F16(Some(HalfReason::Behind));
    let half = Format::F16(Some(HalfReason::NoInt8));
    let int8 = Format::Int8;
    assert_eq!(formats, [int8, half, behind, behind, int8, int8]);
}
