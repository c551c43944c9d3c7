use super::*;
use crate::graph::*;

fn conv(stride: usize, pad: usize, dilation: usize) -> Op {
    Op::Conv2d(Conv2d {
        stride: [stride; 2],
        padding: Padding2d::uniform(pad),
        dilation: [dilation; 2],
        groups: 1,
    })
}

/// `op` over `x[2, channels, side, side]`, with a square kernel when it is a convolution.
fn single(op: Op, channels: usize, side: usize, kernel: usize) -> Graph {
    let mut b = GraphBuilder::new("one");
    let x = b.input("x", &[2, channels, side, side]);
    let weight = match op {
        Op::Conv2d(_) => vec![b.weight(
            "w",
            &[4, channels, kernel, kernel],
            vec![0.5; 4 * channels * kernel * kernel],
        )],
        Op::PRelu => vec![b.weight("slope", &[channels], vec![0.1; channels])],
        _ => vec![],
    };
    let y = b.node("layer", op, &[vec![x], weight].concat()).unwrap();
    b.output(y);
    b.finish().unwrap()
}

fn max_pool(window: usize, stride: usize) -> Op {
    pool(PoolKind::Max, window, stride, 0, false)
}

fn pool(kind: PoolKind, window: usize, stride: usize, pad: usize, include: bool) -> Op {
    Op::Pool2d(Pool2d {
        kind,
        window: [window; 2],
        stride: [stride; 2],
        padding: Padding2d::uniform(pad),
        dilation: [1, 1],
        ceil_mode: false,
        count_include_pad: include,
    })
}

fn xavier() -> DlaTarget {
    DlaTarget::default()
}

fn orin() -> DlaTarget {
    DlaTarget {
        chip: Chip::Orin,
        tensorrt: Version(10, 3, 0),
        precision: Precision::Int8,
    }
}

fn rule_of(graph: &Graph, target: &DlaTarget) -> String {
    match verdict(graph, &graph.nodes[0], target) {
        Verdict::Dla => "dla".to_string(),
        Verdict::Gpu(GpuReason::Rule { id, .. }) => id,
        Verdict::Gpu(GpuReason::NoLayer { .. }) => "no layer".to_string(),
        Verdict::Gpu(GpuReason::Requested { .. }) => "requested".to_string(),
    }
}

#[test]
fn each_limit_of_the_table_decides() {
    let avg = PoolKind::Average;
    let clip = |min, max| Op::Activation(Activation::Clip { min, max });
    let lrn = |size| {
        Op::Lrn(Lrn {
            size,
            alpha: 1e-4,
            beta: 0.75,
            bias: 1.0,
        })
    };
    let ceil_pool = Op::Pool2d(Pool2d {
        kind: PoolKind::Max,
        window: [2, 2],
        stride: [2, 2],
        padding: Padding2d {
            bottom: 1,
            right: 1,
            ..Padding2d::uniform(0)
        },
        dilation: [1, 1],
        ceil_mode: true,
        count_include_pad: false,
    });
    // (operator, channels, side, kernel, target, want, why)
    let cases: Vec<(Op, usize, usize, usize, DlaTarget, &str, &str)> = vec![
        (
            conv(1, 1, 1),
            3,
            16,
            3,
            xavier(),
            "dla",
            "an ordinary convolution",
        ),
        (conv(1, 0, 1), 3, 40, 32, xavier(), "dla", "the largest kernel"),
        (
            ceil_pool.clone(),
            3,
            7,
            0,
            xavier(),
            "dla",
            "windows that end with the padding",
        ),
        (
            ceil_pool,
            3,
            8,
            0,
            xavier(),
            "no layer",
            "the last windows lie in padding alone, which is a layer in front",
        ),
        (
            conv(1, 0, 1),
            3,
            40,
            33,
            xavier(),
            "conv.kernel",
            "one past the largest kernel",
        ),
        (conv(8, 1, 1), 3, 16, 3, xavier(), "dla", "the largest stride"),
        (
            conv(9, 1, 1),
            3,
            16,
            3,
            xavier(),
            "conv.stride",
            "one past the largest stride",
        ),
        (
            conv(1, 3, 1),
            3,
            16,
            3,
            xavier(),
            "conv.pad",
            "padding as wide as the kernel",
        ),
        (conv(1, 0, 32), 3, 16, 1, xavier(), "dla", "the largest dilation"),
        (
            conv(1, 0, 33),
            3,
            16,
            1,
            xavier(),
            "conv.dil",
            "one past the largest dilation",
        ),
        (
            conv(1, 1, 1),
            9000,
            3,
            3,
            orin(),
            "conv.outmaps",
            "too many channels",
        ),
        (
            conv(1, 1, 1),
            8192,
            16,
            3,
            xavier(),
            "conv.cbuf",
            "weights and window exceed the buffer",
        ),
        (
            max_pool(8, 16),
            4,
            24,
            0,
            xavier(),
            "dla",
            "largest window and stride",
        ),
        (
            max_pool(9, 1),
            4,
            24,
            0,
            xavier(),
            "pool.win",
            "one past the largest window",
        ),
        (
            max_pool(2, 17),
            4,
            24,
            0,
            xavier(),
            "pool.stride",
            "one past the largest stride",
        ),
        (
            pool(avg, 3, 1, 1, false),
            4,
            8,
            0,
            xavier(),
            "pool.excl",
            "Xavier counts the padding",
        ),
        (
            pool(avg, 3, 1, 1, true),
            4,
            8,
            0,
            xavier(),
            "dla",
            "inclusive padding",
        ),
        (
            pool(avg, 3, 1, 1, false),
            4,
            8,
            0,
            orin(),
            "dla",
            "Orin may exclude the padding",
        ),
        (Op::GlobalPool(avg), 4, 8, 0, xavier(), "dla", "8x8 is one window"),
        (Op::GlobalPool(avg), 4, 9, 0, xavier(), "pool.win", "9x9 is not"),
        (
            Op::AdaptivePool {
                kind: avg,
                output: [2, 2],
            },
            4,
            8,
            0,
            xavier(),
            "dla",
            "four equal windows",
        ),
        (
            Op::AdaptivePool {
                kind: avg,
                output: [3, 3],
            },
            4,
            8,
            0,
            xavier(),
            "no layer",
            "unequal windows",
        ),
        (clip(0.0, 6.0), 4, 8, 0, xavier(), "dla", "ReLU6"),
        (clip(0.0, 128.0), 4, 8, 0, xavier(), "act.clip", "upper limit 127"),
        (
            clip(-1.0, 6.0),
            4,
            8,
            0,
            xavier(),
            "act.clip",
            "a clipped ReLU starts at 0",
        ),
        (
            Op::Activation(Activation::Sigmoid),
            4,
            8,
            0,
            xavier(),
            "dla",
            "sigmoid",
        ),
        (
            Op::Activation(Activation::LeakyRelu { alpha: 0.1 }),
            4,
            8,
            0,
            xavier(),
            "dla",
            "from 8.4",
        ),
        (
            Op::Activation(Activation::LeakyRelu { alpha: 0.1 }),
            4,
            8,
            0,
            DlaTarget {
                tensorrt: Version(8, 2, 1),
                ..xavier()
            },
            "act.kinds.71",
            "before 8.4",
        ),
        (Op::PRelu, 4, 8, 0, xavier(), "dla", "constant slope"),
        (lrn(5), 4, 8, 0, xavier(), "dla", "window 5"),
        (lrn(11), 4, 8, 0, xavier(), "lrn", "window 11"),
        (
            Op::Softmax { axis: 1 },
            4,
            8,
            0,
            xavier(),
            "softmax.xavier",
            "no softmax on Xavier",
        ),
        (
            Op::Softmax { axis: 1 },
            1024,
            2,
            0,
            orin(),
            "dla",
            "1024 with a map",
        ),
        (
            Op::Softmax { axis: 1 },
            1025,
            2,
            0,
            orin(),
            "softmax.orin",
            "1025 with a map",
        ),
        (Op::Softmax { axis: 1 }, 8192, 1, 0, orin(), "dla", "8192 alone"),
        (
            Op::Reduce {
                kind: ReduceKind::Mean,
                axes: vec![2, 3],
                keepdims: true,
            },
            4,
            8,
            0,
            xavier(),
            "reduce",
            "an average reduce falls back",
        ),
        (
            Op::Flatten,
            4,
            8,
            0,
            xavier(),
            "shuffle.xavier",
            "no reshape on Xavier",
        ),
        (
            Op::Flatten,
            4,
            8,
            0,
            orin(),
            "shuffle",
            "reshapes stay off until a board shows otherwise",
        ),
        (
            Op::Pad(Pad {
                before: vec![0, 0, 1, 1],
                after: vec![0, 0, 1, 1],
                value: 0.0,
            }),
            4,
            8,
            0,
            xavier(),
            "no layer",
            "stand-alone padding",
        ),
    ];
    for (op, channels, side, kernel, target, want, why) in cases {
        let graph = single(op.clone(), channels, side, kernel);
        let got = rule_of(&graph, &target);
        assert_eq!(got, want, "{why}: {op:?}");
    }
}

#[test]
fn constants_scale_or_stay_off() {
    let cases: [(BinaryKind, &[usize], &str, &str); 6] = [
        (
            BinaryKind::Add,
            &[4, 1, 1],
            "dla",
            "one value per channel is a scale",
        ),
        (BinaryKind::Mul, &[1], "dla", "one value is a scale"),
        (
            BinaryKind::Sub,
            &[1, 4, 8, 8],
            "dla",
            "one value per element is a scale",
        ),
        (
            BinaryKind::Add,
            &[1, 1, 8, 8],
            "const",
            "a map shared by channels is none",
        ),
        (
            BinaryKind::Max,
            &[4, 1, 1],
            "const",
            "a maximum with a constant needs a constant layer",
        ),
        (BinaryKind::Mul, &[8], "const", "one value per column is none"),
    ];
    for (kind, shape, want, why) in cases {
        let mut b = GraphBuilder::new("binary");
        let x = b.input("x", &[2, 4, 8, 8]);
        let c = b.weight("c", shape, vec![1.0; shape.iter().product()]);
        let y = b.node("layer", Op::Binary(kind), &[x, c]).unwrap();
        b.output(y);
        let got = rule_of(&b.finish().unwrap(), &xavier());
        assert_eq!(got, want, "{why}");
    }
}

/// conv -> relu -> pool -> flatten -> dense -> softmax, with a second branch off the input.
fn classifier() -> Graph {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[2, 3, 8, 8]);
    let w = b.weight("w", &[4, 3, 3, 3], vec![0.1; 108]);
    let dense = b.weight("d", &[5, 67], vec![0.2; 335]);
    let c = b.node("c", conv(1, 1, 1), &[x, w]).unwrap();
    let r = b.node("r", Op::Activation(Activation::Relu), &[c]).unwrap();
    let p = b.node("p", max_pool(2, 2), &[r]).unwrap();
    let f = b.node("f", Op::Flatten, &[p]).unwrap();
    let m = b
        .node(
            "m",
            Op::Reduce {
                kind: ReduceKind::Mean,
                axes: vec![2, 3],
                keepdims: false,
            },
            &[x],
        )
        .unwrap();
    let j = b.node("j", Op::Concat { axis: 1 }, &[f, m]).unwrap();
    let d = b.node("d", Op::Dense, &[j, dense]).unwrap();
    let s = b.node("s", Op::Softmax { axis: 1 }, &[d]).unwrap();
    b.output(s);
    b.output(r);
    b.finish().unwrap()
}

#[test]
fn the_cut_keeps_every_node_once_and_says_how_to_wire() {
    let graph = classifier();
    let stages = cut(&graph, &xavier(), &[]).unwrap();
    let prefix = stages.prefix.as_ref().unwrap();
    let suffix = stages.suffix.as_ref().unwrap();
    let names = |g: &Graph| {
        g.nodes
            .iter()
            .map(|n| n.name.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names(prefix), "c r p");
    assert_eq!(names(suffix), "f m j d s");
    assert_eq!(
        stages.suffix_inputs,
        [SuffixInput::Cut(0), SuffixInput::GraphInput(0)]
    );
    assert_eq!(stages.outputs, [OutputSource::Suffix(0), OutputSource::Prefix(1)]);
    assert_eq!(prefix.macs() + suffix.macs(), graph.macs());
    assert_eq!(prefix.tensor(prefix.outputs[0]).name, "p");
}

#[test]
fn gpu_only_moves_the_cut_and_unknown_names_are_refused() {
    let graph = classifier();
    let stages = cut(&graph, &xavier(), &["max_pool2d".to_string()]).unwrap();
    assert_eq!(stages.prefix.unwrap().nodes.len(), 2);
    assert!(matches!(
        stages.verdicts[2],
        Verdict::Gpu(GpuReason::Requested { .. })
    ));
    let none = cut(&graph, &xavier(), &["c".to_string()]).unwrap();
    assert!(none.prefix.is_none(), "nothing is left in front of `c`");
    let error = cut(&graph, &xavier(), &["max_pool".to_string()]).unwrap_err();
    assert!(error.to_string().contains("`max_pool2d`"), "{error}");
}

/// conv -> pool -> (conv || conv) -> add -> relu -> conv -> flatten -> dense.
fn branches() -> Graph {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 4, 8, 8]);
    let w = b.weight("w", &[4, 4, 3, 3], vec![0.1; 144]);
    let dense = b.weight("d", &[5, 64], vec![0.2; 320]);
    let c = b.node("c1", conv(1, 1, 1), &[x, w]).unwrap();
    let p = b.node("p", max_pool(2, 2), &[c]).unwrap();
    let left = b.node("left", conv(1, 1, 1), &[p, w]).unwrap();
    let right = b.node("right", conv(1, 1, 1), &[p, w]).unwrap();
    let sum = b
        .node("sum", Op::Binary(BinaryKind::Add), &[left, right])
        .unwrap();
    let r = b.node("r", Op::Activation(Activation::Relu), &[sum]).unwrap();
    let last = b.node("last", conv(1, 1, 1), &[r, w]).unwrap();
    let f = b.node("f", Op::Flatten, &[last]).unwrap();
    let y = b.node("y", Op::Dense, &[f, dense]).unwrap();
    b.output(y);
    b.finish().unwrap()
}

#[test]
fn cuts_before_the_end_cross_one_tensor_or_several() {
    let graph = branches();
    let side = cut(&graph, &xavier(), &[]).unwrap().side;
    let found = cuts(&graph, &side);
    let found: Vec<_> = found
        .iter()
        .map(|c| (c.node.as_str(), c.tensors, c.elements))
        .collect();
    let wanted = [
        ("c1", 1, 256),
        ("p", 1, 64),
        ("left", 2, 128),
        ("right", 2, 128),
        ("r", 1, 64),
    ];
    assert_eq!(found, wanted, "not after `sum`: its relu is fused with it");
    for (node, tensors, elements) in wanted {
        let stages = cut_after(&graph, &xavier(), &[], node).unwrap();
        let prefix = stages.prefix.unwrap();
        let rows = prefix
            .outputs
            .iter()
            .map(|id| prefix.tensor(*id).shape[1..].iter().product::<usize>());
        assert_eq!(
            (prefix.outputs.len(), rows.sum::<usize>()),
            (tensors, elements),
            "{node}"
        );
        assert_eq!(prefix.nodes.last().unwrap().name, node);
        assert_eq!(prefix.macs() + stages.suffix.unwrap().macs(), graph.macs());
    }
}

#[test]
fn cuts_that_are_not_possible_say_why() {
    for (node, want) in [
        ("lost", "has no such node; the nearest place is after `last`"),
        ("f", "that node is not in the prefix"),
    ] {
        let error = cut_after(&branches(), &xavier(), &[], node).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
    }
    let mut b = GraphBuilder::new("relu first");
    let x = b.input("x", &[1, 4, 8, 8]);
    let w = b.weight("w", &[4, 4, 3, 3], vec![0.1; 144]);
    let r = b.node("r", Op::Activation(Activation::Relu), &[x]).unwrap();
    let c = b.node("c", conv(1, 1, 1), &[r, w]).unwrap();
    b.output(c);
    let error = cut_after(&b.finish().unwrap(), &xavier(), &[], "r").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("nothing before it is worth a hand-over"),
        "{error}"
    );
}

#[test]
fn a_prefix_without_convolution_is_none() {
    let mut b = GraphBuilder::new("relu");
    let x = b.input("x", &[1, 3, 4, 4]);
    let y = b.node("r", Op::Activation(Activation::Relu), &[x]).unwrap();
    b.output(y);
    let graph = b.finish().unwrap();
    let stages = cut(&graph, &xavier(), &[]).unwrap();
    assert!(stages.prefix.is_none() && stages.suffix.is_some());
    let reason = &report(&graph, &stages).nodes[0].reason;
    assert!(reason.contains("worth while"), "{reason}");
}

/// What stands in the report beside nodes that a DLA could run and that are not in the prefix.
#[test]
fn a_node_outside_the_prefix_names_what_keeps_it_there() {
    let relu = || Op::Activation(Activation::Relu);
    let sigmoid = || Op::Activation(Activation::Sigmoid);
    let mean = || Op::Activation(Activation::Clip { min: -1.0, max: 6.0 });
    // (operators in a chain, node asked about, what its reason says, why)
    let cases: [(Vec<Op>, usize, &str, &str); 4] = [
        (
            vec![mean(), conv(1, 1, 1), relu()],
            2,
            "comes after `n0`, which the DLA does not run",
            "the first node is refused, and not the convolution behind it",
        ),
        (
            vec![relu(), mean(), conv(1, 1, 1)],
            0,
            "there is none before `n1`",
            "the convolution comes too late",
        ),
        (
            vec![relu(), sigmoid()],
            1,
            "no convolution or pooling makes a hand-over to the DLA worth while",
            "the DLA runs what is before it",
        ),
        (
            vec![conv(1, 1, 1), mean(), relu(), sigmoid()],
            3,
            "comes after `n1`",
            "the one before it is only behind the one refused",
        ),
    ];
    for (ops, asked, want, why) in cases {
        let mut b = GraphBuilder::new("chain");
        let mut x = b.input("x", &[1, 4, 8, 8]);
        let w = b.weight("w", &[4, 4, 3, 3], vec![0.1; 144]);
        for (at, op) in ops.into_iter().enumerate() {
            let operands = match op {
                Op::Conv2d(_) => vec![x, w],
                _ => vec![x],
            };
            x = b.node(&format!("n{at}"), op, &operands).unwrap();
        }
        b.output(x);
        let graph = b.finish().unwrap();
        let stages = cut(&graph, &xavier(), &[]).unwrap();
        let reason = &report(&graph, &stages).nodes[asked].reason;
        assert!(reason.contains(want), "{why}: {reason}");
    }
}

#[test]
fn the_report_adds_up_and_gives_every_reason() {
    let graph = classifier();
    let stages = cut(&graph, &xavier(), &[]).unwrap();
    let report = report(&graph, &stages);
    assert_eq!(report.prefix.macs, 2 * 4 * 64 * 27);
    assert_eq!(report.prefix.nodes + report.suffix.nodes, graph.nodes.len());
    assert_eq!(report.cut.len(), 2, "the cut tensor and the early output");
    for node in &report.nodes {
        assert_eq!(node.reason.is_empty(), node.side == Side::Prefix, "{node:?}");
    }
}

#[test]
fn a_chip_without_a_dla_under_that_tensorrt_is_named() {
    let cases = [
        (Chip::Xavier, Version(8, 5, 2), None),
        (Chip::Xavier, Version(10, 3, 0), Some("gen.platform.xavier")),
        (Chip::Orin, Version(8, 6, 2), None),
        (Chip::Orin, Version(10, 7, 0), None),
        (Chip::Orin, Version(10, 9, 0), Some("gen.platform.orin10")),
        (Chip::Orin, Version(11, 1, 0), Some("gen.platform.11")),
        (Chip::Orin, Version(11, 4, 1), None),
        (Chip::Orin, Version(12, 0, 0), Some("gen.platform.known")),
        (Chip::Xavier, Version(6, 0, 0), Some("gen.platform.known")),
    ];
    for (chip, tensorrt, want) in cases {
        let target = DlaTarget {
            chip,
            tensorrt,
            precision: Precision::Fp16,
        };
        let got = platform_limit(&target);
        let id = got.map(|reason| match reason {
            GpuReason::Rule { id, .. } => id,
            other => other.to_string(),
        });
        assert_eq!(id.as_deref(), want, "{target}");
    }
}

#[test]
fn an_engine_has_a_largest_batch() {
    assert_eq!(batch_limit(&xavier(), 4096, 1), None);
    let rows = batch_limit(&xavier(), 4097, 1).unwrap();
    assert!(rows.to_string().contains("gen.batch"), "{rows}");
    let bytes = batch_limit(&xavier(), 1024, 1 << 20).unwrap();
    assert!(bytes.to_string().contains("gen.tensors"), "{bytes}");
}

#[test]
fn what_is_fused_is_no_tensor_of_its_own() {
    let graph = classifier();
    let prefix = cut(&graph, &xavier(), &[]).unwrap().prefix.unwrap();
    assert_eq!(
        internal_row_bytes(&prefix, &xavier()),
        0,
        "the convolution is fused with the relu, and relu and pool are outputs"
    );
    let mut inner = prefix.clone();
    inner.outputs.truncate(1);
    assert_eq!(internal_row_bytes(&inner, &xavier()), 4 * 8 * 8 * 2);
}
