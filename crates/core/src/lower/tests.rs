//! What a builder is asked for, as one line per layer.

use std::sync::Arc;

use super::*;
use crate::graph::{
    Activation, BinaryKind, Conv2d, Coordinates, GraphBuilder, Lrn, Pad, Padding2d, Pool2d, PoolKind,
    Resize2d, ResizeMode, Rounding, UnaryKind,
};

/// Writes down every layer; refuses the one whose name it was given.
#[derive(Default)]
struct Recorder {
    lines: Vec<String>,
    values: u32,
    refuse: Option<&'static str>,
    /// Element-wise layers take operands of one shape, as a DLA's do.
    same_shapes: bool,
    kernels: Vec<Arc<Vec<u8>>>,
    /// Tensors of the network with their values and the layers built by then.
    tensors: Vec<(String, u32, usize)>,
}

impl Recorder {
    fn add(&mut self, name: &str, layer: String) -> LayerResult {
        if self.refuse == Some(name) {
            return Err(BuildError("no such layer here".into()));
        }
        self.lines.push(layer);
        self.values += 1;
        Ok(Value(self.values - 1))
    }
}

impl NetworkBuilder for Recorder {
    fn broadcasts(&self) -> bool {
        !self.same_shapes
    }
    fn input(&mut self, name: &str, shape: &[usize]) -> LayerResult {
        self.add(name, format!("input {shape:?}"))
    }
    fn constant(&mut self, name: &str, value: &Weights) -> LayerResult {
        self.add(name, format!("constant {:?}", value.shape))
    }
    fn convolution(&mut self, name: &str, x: Value, layer: &Convolution) -> LayerResult {
        self.kernels.push(layer.kernel.data.clone());
        let bias = layer.bias.as_ref().map(|b| b.values());
        let pads = pads(&layer.geometry);
        let line = format!(
            "conv {} {:?} pads {pads:?} bias {bias:?}",
            x.0, layer.kernel.shape
        );
        self.add(name, line)
    }
    fn deconvolution(&mut self, name: &str, x: Value, layer: &Deconvolution) -> LayerResult {
        let bias = layer.bias.as_ref().map(|b| b.values());
        let pads = pads(&layer.geometry);
        let line = format!(
            "deconv {} {:?} pads {pads:?} bias {bias:?}",
            x.0, layer.kernel.shape
        );
        self.add(name, line)
    }
    fn fully_connected(&mut self, name: &str, x: Value, layer: &FullyConnected) -> LayerResult {
        let line = format!("dense {} bias {}", x.0, layer.bias.is_some());
        self.add(name, line)
    }
    fn matrix_multiply_transposed(&mut self, name: &str, a: Value, b: Value) -> LayerResult {
        self.add(name, format!("matmul {} {}", a.0, b.0))
    }
    fn matrix_multiply(&mut self, name: &str, a: Value, b: Value, layer: &MatrixMultiply) -> LayerResult {
        self.add(name, format!("{layer:?} {} {}", a.0, b.0))
    }
    fn scale(&mut self, name: &str, x: Value, layer: &Scale) -> LayerResult {
        let values = |w: &Option<Weights>| w.as_ref().map(|w| (w.shape.clone(), w.values()));
        let line = format!(
            "scale {} {:?} {:?}",
            x.0,
            values(&layer.scale),
            values(&layer.shift)
        );
        self.add(name, line)
    }
    fn activation(&mut self, name: &str, x: Value, function: Activation) -> LayerResult {
        self.add(name, format!("{function:?} {}", x.0))
    }
    fn unary(&mut self, name: &str, x: Value, function: UnaryKind) -> LayerResult {
        self.add(name, format!("{function:?} {}", x.0))
    }
    fn parametric_relu(&mut self, name: &str, x: Value, slope: &Weights) -> LayerResult {
        self.add(name, format!("prelu {} {:?}", x.0, slope.shape))
    }
    fn elementwise(&mut self, name: &str, kind: BinaryKind, a: Value, b: Value) -> LayerResult {
        self.add(name, format!("{kind:?} {} {}", a.0, b.0))
    }
    fn pooling(&mut self, name: &str, x: Value, layer: &Pooling) -> LayerResult {
        let pads = pads(&layer.geometry);
        let line = format!(
            "pool {} {:?} pads {pads:?} counted {} global {}",
            x.0, layer.window, layer.count_padding, layer.global
        );
        self.add(name, line)
    }
    fn resize(&mut self, name: &str, x: Value, layer: &Resize) -> LayerResult {
        self.add(name, format!("resize {} {:?}", x.0, layer.shape))
    }
    fn padding(&mut self, name: &str, x: Value, layer: &Pad) -> LayerResult {
        self.add(name, format!("pad {} {:?} {:?}", x.0, layer.before, layer.after))
    }
    fn lrn(&mut self, name: &str, x: Value, layer: &Lrn) -> LayerResult {
        self.add(name, format!("lrn {} {}", x.0, layer.size))
    }
    fn reduce(&mut self, name: &str, x: Value, layer: &Reduction) -> LayerResult {
        self.add(name, format!("reduce {} {:?}", x.0, layer.axes))
    }
    fn shuffle(&mut self, name: &str, x: Value, layer: &Shuffle) -> LayerResult {
        let line = format!("shuffle {} {:?} {:?}", x.0, layer.permutation, layer.shape);
        self.add(name, line)
    }
    fn slice(&mut self, name: &str, x: Value, layer: &Slice) -> LayerResult {
        let ranges: Vec<String> = layer
            .ranges
            .iter()
            .map(|r| format!("axis {} {}+{}", r.axis, r.start, r.len))
            .collect();
        self.add(name, format!("slice {} {}", x.0, ranges.join(", ")))
    }
    fn concatenation(&mut self, name: &str, xs: &[Value], axis: usize) -> LayerResult {
        let xs: Vec<u32> = xs.iter().map(|x| x.0).collect();
        self.add(name, format!("concat {xs:?} axis {axis}"))
    }
    fn softmax(&mut self, name: &str, x: Value, axis: usize) -> LayerResult {
        self.add(name, format!("softmax {} axis {axis}", x.0))
    }
    fn tensor(&mut self, tensor: &str, x: Value) {
        self.tensors.push((tensor.into(), x.0, self.lines.len()));
    }
    fn output(&mut self, name: &str, x: Value, shape: &[usize]) -> Result<(), BuildError> {
        self.lines.push(format!("output {name} {} {shape:?}", x.0));
        Ok(())
    }
}

fn pads(geometry: &Geometry) -> Vec<usize> {
    [&geometry.before[..], &geometry.after[..]].concat()
}

fn conv(padding: Padding2d) -> Op {
    Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding,
        dilation: [1, 1],
        groups: 1,
    })
}

fn average(ceil_mode: bool, count_include_pad: bool) -> Op {
    Op::Pool2d(Pool2d {
        kind: PoolKind::Average,
        window: [3, 3],
        stride: [2, 2],
        padding: Padding2d::uniform(1),
        dilation: [1, 1],
        ceil_mode,
        count_include_pad,
    })
}

/// Layers of one operator on `x[1,2,6,6]`, without the input and the output.
fn layers(build: impl Fn(&mut GraphBuilder, TensorId) -> TensorId) -> Vec<String> {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 2, 6, 6]);
    let y = build(&mut b, x);
    b.output(y);
    let mut recorder = Recorder::default();
    lower(&b.finish().unwrap(), &mut recorder).unwrap();
    assert_eq!(recorder.lines.remove(0), "input [1, 2, 6, 6]");
    let last = recorder.lines.pop().unwrap();
    assert!(last.starts_with("output "), "{last}");
    recorder.lines
}

#[test]
fn padding_convolution_and_bias_are_one_layer() {
    let got = layers(|b, x| {
        let zeros = Pad {
            before: vec![0, 0, 1, 0],
            after: vec![0, 0, 0, 2],
            value: 0.0,
        };
        let x = b.node("pad", Op::Pad(zeros), &[x]).unwrap();
        let w = b.weight("w", &[3, 2, 1, 1], vec![1.0; 6]);
        let y = b.node("conv", conv(Padding2d::default()), &[x, w]).unwrap();
        let c = b.weight("c", &[3, 1, 1], vec![1.0, 2.0, 3.0]);
        let y = b.node("add", Op::Binary(BinaryKind::Add), &[y, c]).unwrap();
        b.node("relu", Op::Activation(Activation::Relu), &[y]).unwrap()
    });
    let want = [
        "conv 0 [3, 2, 1, 1] pads [1, 0, 0, 2] bias Some([1.0, 2.0, 3.0])",
        "Relu 1",
    ];
    assert_eq!(got, want);
}

#[test]
fn builders_learn_which_tensor_of_the_network_their_layers_compute() {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 2, 6, 6]);
    let w = b.weight("w", &[3, 2, 1, 1], vec![1.0; 6]);
    let c = b.weight("c", &[3], vec![1.0; 3]);
    let y = b.node("conv", conv(Padding2d::default()), &[x, w]).unwrap();
    let y = b.node("bias", Op::BiasAdd { axis: 1 }, &[y, c]).unwrap();
    let adaptive = Op::AdaptivePool {
        kind: PoolKind::Average,
        output: [4, 4],
    };
    let y = b.node("adaptive", adaptive, &[y]).unwrap();
    b.output(y);
    let mut recorder = Recorder::default();
    lower(&b.finish().unwrap(), &mut recorder).unwrap();
    let last = recorder.lines.len() - 1;
    let want = [
        ("x", 0, 1),
        ("bias", 1, 2), // the convolution adds it: its own output is no value
        ("adaptive", last as u32 - 1, last),
    ];
    let want = want.map(|(name, value, layers)| (name.to_string(), value, layers));
    assert_eq!(recorder.tensors, want);
}

/// What `canon` makes of a value per channel beside a map.
#[test]
fn copies_are_left_to_layers_that_broadcast() {
    let build = |read_twice: bool| {
        let mut b = GraphBuilder::new("net");
        let (x, gate) = (b.input("x", &[1, 2, 4, 8]), b.input("gate", &[1, 2, 1, 1]));
        let pool = Op::Pool2d(Pool2d {
            kind: PoolKind::Max,
            window: [1, 2],
            stride: [1; 2],
            padding: Padding2d {
                left: 1,
                right: 1,
                ..Padding2d::default()
            },
            dilation: [1; 2],
            ceil_mode: false,
            count_include_pad: false,
        });
        let wide = b.node("wide", pool, &[gate]).unwrap();
        let resize = Op::Resize2d(Resize2d {
            output: [4, 8],
            mode: ResizeMode::Nearest(Rounding::Floor),
            coordinates: Coordinates::Asymmetric,
        });
        let map = b.node("map", resize, &[wide]).unwrap();
        let y = b.node("y", Op::Binary(BinaryKind::Mul), &[x, map]).unwrap();
        b.output(y);
        if read_twice {
            b.output(map);
        }
        b.finish().unwrap()
    };
    let cases = [
        (false, false, 3, "the layer broadcasts"),
        (true, false, 5, "the layer does not"),
        (false, true, 5, "the network returns the copies"),
    ];
    for (same_shapes, read_twice, layers, why) in cases {
        let mut recorder = Recorder {
            same_shapes,
            ..Recorder::default()
        };
        lower(&build(read_twice), &mut recorder).unwrap();
        let built = recorder.lines.iter().filter(|line| !line.starts_with("output"));
        assert_eq!(built.count(), layers, "{why}: {:?}", recorder.lines);
    }
}

/// What `canon` makes of one channel beside a map, and of padding as wide as a window.
#[test]
fn convolutions_that_copy_are_left_to_layers_that_take_more() {
    let mut b = GraphBuilder::new("net");
    let (x, gate) = (b.input("x", &[1, 3, 4, 4]), b.input("gate", &[1, 1, 4, 4]));
    let ones = b.weight("ones", &[3, 1, 1, 1], vec![1.0; 3]);
    let all = b.node("all", Op::Conv2d(Conv2d::plain([1; 2])), &[gate, ones]);
    let y = b
        .node("y", Op::Binary(BinaryKind::Mul), &[x, all.unwrap()])
        .unwrap();
    let mut taps = vec![0.0; 27];
    taps.iter_mut().skip(4).step_by(9).for_each(|tap| *tap = 1.0);
    let taps = b.weight("taps", &[3, 1, 3, 3], taps);
    let frame = Conv2d {
        padding: Padding2d::uniform(2),
        groups: 3,
        ..Conv2d::plain([1; 2])
    };
    let wide = b.node("wide", Op::Conv2d(frame), &[y, taps]).unwrap();
    let w = b.weight("w", &[2, 3, 1, 1], vec![0.5; 6]);
    let z = b
        .node("z", Op::Conv2d(Conv2d::plain([1; 2])), &[wide, w])
        .unwrap();
    b.output(z);
    let graph = b.finish().unwrap();
    for (same_shapes, convolutions, pads) in [(false, 1, "[1, 1, 1, 1]"), (true, 3, "[0, 0, 0, 0]")] {
        let mut recorder = Recorder {
            same_shapes,
            ..Recorder::default()
        };
        lower(&graph, &mut recorder).unwrap();
        let mut convs = recorder.lines.iter().filter(|line| line.starts_with("conv"));
        assert_eq!(convs.clone().count(), convolutions, "{:?}", recorder.lines);
        let last = convs.next_back().unwrap();
        assert!(last.contains(pads), "{last}");
    }
}

#[test]
fn normalisation_is_a_scale_with_its_numbers_worked_out() {
    let got = layers(|b, x| {
        let mut w = |name: &str, values: [f32; 2]| b.weight(name, &[2], values.to_vec());
        let operands = [
            x,
            w("gamma", [2.0, 3.0]),
            w("beta", [1.0, 0.0]),
            w("mean", [4.0, 0.0]),
            w("variance", [3.0, 0.0]),
        ];
        b.node(
            "norm",
            Op::BatchNorm {
                epsilon: 1.0,
                axis: 1,
            },
            &operands,
        )
        .unwrap()
    });
    let want = "scale 0 Some(([1, 2, 1, 1], [1.0, 3.0])) Some(([1, 2, 1, 1], [-3.0, 0.0]))";
    assert_eq!(got, [want]);
}

#[test]
fn pooling_windows_are_explicit() {
    let adaptive = |output| Op::AdaptivePool {
        kind: PoolKind::Average,
        output,
    };
    let cases: Vec<(Op, Vec<&str>, &str)> = vec![
        (
            average(true, false),
            vec!["pool 0 [3, 3] pads [1, 1, 2, 2] counted false global false"],
            "a partial window becomes padding that does not count",
        ),
        (
            average(false, true),
            vec!["pool 0 [3, 3] pads [1, 1, 1, 1] counted true global false"],
            "padding that counts",
        ),
        (
            average(true, true),
            vec![
                "conv 0 [2, 1, 3, 3] pads [1, 1, 2, 2] bias None",
                "constant [1, 1, 4, 4]",
                "Mul 1 2",
            ],
            "padding that counts beside overhang that does not: sums and divisors",
        ),
        (
            Op::GlobalPool(PoolKind::Max),
            vec!["pool 0 [6, 6] pads [0, 0, 0, 0] counted false global true"],
            "global",
        ),
        (
            adaptive([3, 2]),
            vec!["pool 0 [2, 3] pads [0, 0, 0, 0] counted false global false"],
            "equal windows",
        ),
        (
            adaptive([6, 4]),
            vec![
                "slice 0 axis 3 0+2",
                "reduce 1 [3]",
                "slice 0 axis 3 1+2",
                "reduce 3 [3]",
                "slice 0 axis 3 3+2",
                "reduce 5 [3]",
                "slice 0 axis 3 4+2",
                "reduce 7 [3]",
                "concat [2, 4, 6, 8] axis 3",
            ],
            "unequal windows, one slice each",
        ),
    ];
    for (op, want, why) in cases {
        let got = layers(|b, x| b.node("pool", op.clone(), &[x]).unwrap());
        assert_eq!(got, want, "{why}");
    }
}

#[test]
fn what_no_layer_says_names_the_node() {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 2, 6, 6]);
    let w = b.input("w", &[3, 2, 1, 1]);
    let y = b.node("c1", conv(Padding2d::default()), &[x, w]).unwrap();
    b.output(y);
    let computed_kernel = b.finish().unwrap();

    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 2]);
    let half = Arc::new(vec![0; 4]);
    let w = b.tensor("w", &[1, 2], DType::F16, Some(half));
    let y = b.node("d1", Op::Dense, &[x, w]).unwrap();
    b.output(y);
    let half_kernel = b.finish().unwrap();

    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 2]);
    let y = b.node("s1", Op::Softmax { axis: 1 }, &[x]).unwrap();
    b.output(y);
    let softmax = b.finish().unwrap();
    let mut broken = softmax.clone();
    broken.nodes[0].op = Op::Softmax { axis: 5 };

    let cases = [
        (&computed_kernel, None, "node `c1`: weight `w` must be a constant"),
        (
            &half_kernel,
            None,
            "node `d1`: weight `w` is float16 and must be float32",
        ),
        (&softmax, Some("s1"), "node `s1`: no such layer here"),
        (
            &broken,
            None,
            "`s1` (softmax): axis 5 is outside the shape [1, 2]",
        ),
    ];
    for (graph, refuse, want) in cases {
        let mut recorder = Recorder {
            refuse,
            ..Recorder::default()
        };
        let error = lower(graph, &mut recorder).unwrap_err();
        assert_eq!(error.to_string(), want);
    }
}

#[test]
fn weights_are_shared_with_the_graph() {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 2, 6, 6]);
    let w = b.weight("w", &[3, 2, 1, 1], vec![1.0; 6]);
    let y = b.node("conv", conv(Padding2d::default()), &[x, w]).unwrap();
    b.output(y);
    let graph = b.finish().unwrap();
    let mut recorder = Recorder::default();
    lower(&graph, &mut recorder).unwrap();
    let in_graph = graph.tensor(w).weight.as_ref().unwrap();
    assert!(Arc::ptr_eq(&recorder.kernels[0], in_graph));
}
