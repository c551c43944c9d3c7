use super::*;

fn conv(stride: usize, pad: usize, groups: usize) -> Op {
    Op::Conv2d(Conv2d {
        stride: [stride; 2],
        padding: Padding2d::uniform(pad),
        dilation: [1; 2],
        groups,
    })
}

fn pool(window: usize, stride: usize, ceil_mode: bool) -> Op {
    Op::Pool2d(Pool2d {
        kind: PoolKind::Max,
        window: [window; 2],
        stride: [stride; 2],
        padding: Padding2d::default(),
        dilation: [1; 2],
        ceil_mode,
        count_include_pad: false,
    })
}

#[test]
fn shapes_follow_the_operator() {
    struct Case {
        op: Op,
        inputs: &'static [&'static [usize]],
        want: Option<&'static [usize]>,
        why: &'static str,
    }
    let case = |op, inputs, want, why| Case {
        op,
        inputs,
        want,
        why,
    };
    let cases = [
        case(
            conv(2, 1, 1),
            &[&[1, 3, 224, 224], &[32, 3, 3, 3]],
            Some(&[1, 32, 112, 112]),
            "MobileNet's first layer",
        ),
        case(
            conv(1, 1, 32),
            &[&[2, 32, 8, 8], &[32, 1, 3, 3]],
            Some(&[2, 32, 8, 8]),
            "depthwise",
        ),
        case(
            conv(1, 0, 1),
            &[&[1, 3, 2, 2], &[8, 3, 3, 3]],
            None,
            "the kernel exceeds the map",
        ),
        case(
            conv(1, 0, 2),
            &[&[1, 3, 8, 8], &[8, 3, 3, 3]],
            None,
            "3 channels in 2 groups",
        ),
        case(
            pool(3, 2, false),
            &[&[1, 8, 6, 6]],
            Some(&[1, 8, 2, 2]),
            "the partial window is dropped",
        ),
        case(
            pool(3, 2, true),
            &[&[1, 8, 6, 6]],
            Some(&[1, 8, 3, 3]),
            "the partial window counts",
        ),
        case(
            Op::Binary(BinaryKind::Add),
            &[&[2, 8, 4, 4], &[8, 1, 1]],
            Some(&[2, 8, 4, 4]),
            "NumPy aligns on the right",
        ),
        case(
            Op::Binary(BinaryKind::Add),
            &[&[2, 8], &[2, 7]],
            None,
            "8 against 7",
        ),
        case(
            Op::Concat { axis: 1 },
            &[&[1, 2, 4, 4], &[1, 3, 4, 4]],
            Some(&[1, 5, 4, 4]),
            "channels add up",
        ),
        case(
            Op::Concat { axis: 1 },
            &[&[1, 2, 4, 4], &[1, 3, 5, 4]],
            None,
            "heights differ",
        ),
        case(Op::Flatten, &[&[2, 3, 4]], Some(&[2, 12]), "all but the batch"),
        case(
            Op::Reshape { dims: vec![0, -1] },
            &[&[2, 3, 4]],
            Some(&[2, 12]),
            "0 copies, -1 is inferred",
        ),
        case(
            Op::Reshape { dims: vec![5, 5] },
            &[&[2, 3, 4]],
            None,
            "24 elements are not 25",
        ),
        case(
            Op::Dense,
            &[&[4, 16], &[10, 16]],
            Some(&[4, 10]),
            "units come first in the weight",
        ),
        case(Op::Dense, &[&[4, 16], &[10, 15]], None, "16 inputs against 15"),
        case(
            Op::Reduce {
                kind: ReduceKind::Mean,
                axes: vec![2, 3],
                keepdims: false,
            },
            &[&[1, 8, 4, 4]],
            Some(&[1, 8]),
            "global average",
        ),
        case(
            Op::Transpose { axes: vec![0, 2, 1] },
            &[&[1, 2, 3]],
            Some(&[1, 3, 2]),
            "a permutation",
        ),
        case(
            Op::Transpose { axes: vec![0, 2, 2] },
            &[&[1, 2, 3]],
            None,
            "no permutation",
        ),
        case(
            Op::Squeeze { axes: vec![1] },
            &[&[1, 2, 3]],
            None,
            "axis 1 has two elements",
        ),
        case(
            Op::BiasAdd { axis: 1 },
            &[&[1, 8, 2, 2], &[8]],
            Some(&[1, 8, 2, 2]),
            "one bias a channel",
        ),
        case(Op::Flatten, &[&[1, 2], &[1, 2]], None, "one operand too many"),
    ];
    for Case {
        op,
        inputs,
        want,
        why,
    } in cases
    {
        assert_eq!(infer_shape(&op, inputs).ok().as_deref(), want, "{why}: {op:?}");
    }
}

fn small(reshape: Vec<i64>) -> Graph {
    let mut b = GraphBuilder::new("small");
    let x = b.input("x", &[2, 3, 8, 8]);
    let w = b.weight("w", &[4, 3, 3, 3], vec![0.5; 108]);
    let y = b.node("conv", conv(1, 1, 1), &[x, w]).unwrap();
    let y = b.node("flat", Op::Reshape { dims: reshape }, &[y]).unwrap();
    b.output(y);
    b.finish().unwrap()
}

#[test]
fn another_batch_changes_activations_only() {
    let graph = small(vec![0, -1]);
    let wide = graph.with_batch(7).unwrap();
    assert_eq!(wide.batch(), 7);
    assert_eq!(wide.tensor(wide.outputs[0]).shape, [7, 256]);
    assert_eq!(wide.weight_bytes(), graph.weight_bytes());
    assert_eq!(wide.macs() * 2, graph.macs() * 7);
    wide.validate().unwrap();
}

#[test]
fn a_network_that_mixes_rows_keeps_its_batch() {
    let mut b = GraphBuilder::new("mixing");
    let x = b.input("x", &[2, 3]);
    let flat = Op::Reshape { dims: vec![1, -1] };
    let y = b.node("flat", flat, &[x]).unwrap();
    let y = b.node("mix", Op::Softmax { axis: 1 }, &[y]).unwrap();
    b.output(y);
    let error = b.finish().unwrap().with_batch(7).unwrap_err();
    assert!(
        matches!(&error, GraphError::NotRowIndependent { node, .. } if node == "mix"),
        "{error}"
    );
}

#[test]
fn costs_are_those_of_the_layers() {
    let graph = small(vec![0, -1]);
    assert_eq!(graph.macs(), 2 * 4 * 64 * 27);
    assert_eq!(graph.weight_bytes(), 108 * 4);
    assert_eq!(graph.activation_bytes(), 2 * (2 * 4 * 64 * 4));
    assert!(
        graph.text().contains("%conv[2, 4, 8, 8] = Conv2d"),
        "{}",
        graph.text()
    );
}

#[test]
fn a_convolution_of_lone_ones_copies() {
    let cases: [(&[f32], bool, &str); 5] = [
        (
            &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            true,
            "zeros between two channels",
        ),
        (&[0.0, 1.0, 1.0, 0.0, 0.0, 0.0], true, "channels in another order"),
        (&[1.0, 0.0, 0.0, 0.0, 0.0, 0.5], false, "one is scaled"),
        (&[1.0, 1.0, 0.0, 0.0, 0.0, 1.0], false, "one is a sum"),
        (&[-1.0, 0.0, 0.0, 0.0, 0.0, 1.0], false, "one is negated"),
    ];
    for (kernel, copies, why) in cases {
        let mut b = GraphBuilder::new("net");
        let x = b.input("x", &[1, 2, 4, 4]);
        let w = b.weight("w", &[3, 2, 1, 1], kernel.to_vec());
        let conv = Op::Conv2d(Conv2d {
            stride: [1; 2],
            padding: Padding2d::default(),
            dilation: [1; 2],
            groups: 1,
        });
        let y = b.node("y", conv, &[x, w]).unwrap();
        b.output(y);
        let graph = b.finish().unwrap();
        assert_eq!(graph.copies(&graph.nodes[0]), copies, "{why}");
    }
}

#[test]
fn a_broken_network_is_refused_by_name() {
    type Break = fn(&mut Graph);
    let cases: [(Break, &str); 6] = [
        (|g| g.nodes.swap(0, 1), "no earlier node"),
        (|g| g.outputs.clear(), "no output"),
        (|g| g.outputs.push(TensorId(99)), "outside"),
        (|g| g.tensors[2].shape[1] = 5, "stated as"),
        (|g| g.tensors[1].shape[0] = 5, "another size"),
        (|g| g.nodes[1].output = g.nodes[0].output, "written twice"),
    ];
    for (damage, want) in cases {
        let mut graph = small(vec![0, -1]);
        damage(&mut graph);
        let error = graph.validate().unwrap_err().to_string();
        assert!(error.contains(want), "{want}: {error}");
    }
}

#[test]
fn padding_keeps_its_value_through_json_infinite_or_not() {
    for value in [0.0, -0.1, f32::MIN, f32::NEG_INFINITY, f32::INFINITY] {
        let pad = Pad {
            before: vec![0, 1],
            after: vec![0, 2],
            value,
        };
        let text = serde_json::to_string(&pad).unwrap();
        assert_eq!(serde_json::from_str::<Pad>(&text).unwrap(), pad, "{text}");
    }
    for wrong in ["null", "\"NaN\"", "\"1.5\"", "\"much\""] {
        let text = format!(r#"{{"before":[0],"after":[1],"value":{wrong}}}"#);
        assert!(serde_json::from_str::<Pad>(&text).is_err(), "{wrong}");
    }
}
