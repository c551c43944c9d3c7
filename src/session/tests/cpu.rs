//! The same on the CPU backend, where networks are computed by ONNX Runtime.

use super::super::*;
use crate::bundle::Options;
use crate::engine::cpu::{CpuBackend, CpuOptions, find_library};
use crate::graph::*;
use proptest::prelude::*;

/// conv -> relu -> pool | flatten -> dense, with small integers everywhere: float32 computes them exactly.
fn integers() -> Graph {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[2, 3, 6, 6]);
    let values = |n: usize| (0..n).map(|i| (i % 5) as f32 - 2.0).collect();
    let w = b.weight("w", &[4, 3, 3, 3], values(108));
    let d = b.weight("d", &[5, 16], values(80));
    let conv = Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding: Padding2d::default(),
        dilation: [1, 1],
        groups: 1,
    });
    let pool = Op::Pool2d(Pool2d {
        kind: PoolKind::Max,
        window: [2, 2],
        stride: [2, 2],
        padding: Padding2d::default(),
        dilation: [1, 1],
        ceil_mode: false,
        count_include_pad: false,
    });
    let c = b.node("c", conv, &[x, w]).unwrap();
    let r = b.node("r", Op::Activation(Activation::Relu), &[c]).unwrap();
    let p = b.node("p", pool, &[r]).unwrap();
    let f = b.node("f", Op::Flatten, &[p]).unwrap();
    let y = b.node("y", Op::Dense, &[f, d]).unwrap();
    b.output(y);
    b.output(p);
    b.finish().unwrap()
}

fn bundle(graph: Graph) -> Bundle {
    Bundle {
        graph,
        options: Options::default(),
        plan: None,
        origin: None,
        kept: Vec::new(),
    }
}

fn session(graph: Graph, config: SessionConfig) -> Result<Session, SessionError> {
    let library = find_library(&default_search()).expect("ONNX Runtime: run ./scripts/setup");
    let backend = CpuBackend::new(CpuOptions {
        library,
        threads_per_device: 1,
        devices: vec![Device::Gpu, Device::Dla(0), Device::Dla(1)],
    });
    Session::from_bundle(bundle(graph), Arc::new(backend.unwrap()), config)
}

fn batch(rows: usize) -> Array {
    let count = rows * 108;
    Array {
        shape: vec![rows, 3, 6, 6],
        data: Arc::new((0..count).map(|i| ((i * 7) % 11) as f32 - 5.0).collect()),
    }
}

#[test]
fn integer_networks_give_the_same_bits_for_every_plan() {
    let session = session(integers(), SessionConfig::default()).unwrap();
    let want = session.run_with(&Plan::gpu_only(40), &[batch(40)]).unwrap();
    assert_eq!(want.outputs[0].shape, [40, 5]);
    assert_eq!(want.outputs[1].shape, [40, 4, 2, 2]);
    for plan in [
        "gpu=4x4,dla0=4x3,dla1=4x3,suffix=40",
        "gpu=1x20,dla0=20x1,suffix=5",
        "dla0=8x5,suffix=8",
        "dla1=5x2,dla0=5x2,gpu=20x1,suffix=40",
    ] {
        let got = session.run_with(&plan.parse().unwrap(), &[batch(40)]).unwrap();
        assert_eq!(got.outputs, want.outputs, "{plan}");
    }
    let got = session.run(&[batch(40)]).unwrap();
    assert_eq!(got.outputs, want.outputs, "{}", got.plan);
    assert_eq!(got.plan.devices().len(), 3, "40 rows are shared by default");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_batch_runs_by_the_default_plan(rows in 1usize..100) {
        let session = session(integers(), SessionConfig::default()).unwrap();
        let whole = session.run(&[batch(rows)]).unwrap();
        let alone = session.run_with(&Plan::gpu_only(rows), &[batch(rows)]).unwrap();
        prop_assert_eq!(whole.outputs, alone.outputs);
    }
}

#[test]
fn wrong_inputs_are_named() {
    let session = session(integers(), SessionConfig::default()).unwrap();
    let mut torn = batch(2);
    torn.shape[0] = 3;
    let mut flat = batch(2);
    flat.shape = vec![2, 108];
    let cases = [
        (vec![], "the network has 1 input (x), but 0 were given"),
        (vec![batch(2), batch(2)], "2 were given"),
        (vec![flat], "[N, 3, 6, 6]"),
        (vec![torn], "216 elements"),
        (vec![batch(0)], "no rows"),
    ];
    for (inputs, want) in cases {
        let error = session.run(&inputs).unwrap_err().to_string();
        assert!(error.contains(want), "{want}: {error}");
    }
}

#[test]
fn wrong_plans_and_devices_are_named() {
    let all = session(integers(), SessionConfig::default()).unwrap();
    let plan = |text: &str| text.parse::<Plan>().unwrap();
    let rows = all
        .run_with(&plan("gpu=4x4,suffix=16"), &[batch(40)])
        .unwrap_err();
    assert!(
        rows.to_string().contains("16 rows but the batch has 40"),
        "{rows}"
    );
    let huge = all
        .run_with(&plan("dla0=5000x1,suffix=5000"), &[batch(5000)])
        .unwrap_err();
    assert!(huge.to_string().contains("gen.batch"), "{huge}");
    let only = |devices: &[Device]| SessionConfig {
        devices: Some(devices.to_vec()),
        ..SessionConfig::default()
    };
    let gpu = session(integers(), only(&[Device::Gpu])).unwrap();
    let missing = gpu
        .run_with(&plan("dla0=40x1,suffix=40"), &[batch(40)])
        .unwrap_err();
    assert!(missing.to_string().contains("dla0"), "{missing}");
    let error = session(integers(), only(&[Device::Dla(0)])).err().unwrap();
    assert!(matches!(error, SessionError::GpuNeeded), "{error}");
}

#[test]
fn a_network_that_mixes_rows_runs_only_as_compiled() {
    let mut b = GraphBuilder::new("mix");
    let x = b.input("x", &[2, 4]);
    let y = b.node("s", Op::Softmax { axis: 0 }, &[x]).unwrap();
    b.output(y);
    let session = session(b.finish().unwrap(), SessionConfig::default()).unwrap();
    let rows = |n: usize| Array {
        shape: vec![n, 4],
        data: Arc::new(vec![1.0; n * 4]),
    };
    let two = session.run(&[rows(2)]).unwrap();
    assert_eq!(*two.outputs[0].data, vec![0.5; 8]);
    let four = session.run(&[rows(4)]).unwrap();
    assert_eq!(*four.outputs[0].data, vec![0.5; 16], "two by two");
    let error = session.run(&[rows(3)]).unwrap_err().to_string();
    assert!(error.contains("only in batches of 2"), "{error}");
    assert!(error.contains("3 rows is no multiple"), "{error}");
}

/// A convolution with rectifier, and what follows it.
fn headed(input: &[usize], head: &[Op]) -> Graph {
    let mut b = GraphBuilder::new("headed");
    let mut x = b.input("x", input);
    if input.len() == 3 {
        x = b.node("up", Op::ExpandDims { axis: 0, count: 1 }, &[x]).unwrap();
    }
    let values = (0..8 * 3 * 9).map(|v| (v % 7) as f32 - 3.0).collect();
    let w = b.weight("w", &[8, 3, 3, 3], values);
    let conv = Op::Conv2d(Conv2d {
        stride: [1; 2],
        padding: Padding2d::uniform(1),
        dilation: [1; 2],
        groups: 1,
    });
    x = b.node("conv", conv, &[x, w]).unwrap();
    x = b.node("relu", Op::Activation(Activation::Relu), &[x]).unwrap();
    for (at, op) in head.iter().enumerate() {
        x = b.node(&format!("head{at}"), op.clone(), &[x]).unwrap();
    }
    b.output(x);
    b.finish().unwrap()
}

/// Rows of whatever network are those of single runs, dealt to all devices.
#[test]
fn rows_of_any_network_are_dealt() {
    let mean = |axes: &[usize]| Op::Reduce {
        kind: ReduceKind::Mean,
        axes: axes.to_vec(),
        keepdims: false,
    };
    let to = |dims: &[i64]| Op::Reshape { dims: dims.to_vec() };
    let turned = |axes: &[usize]| Op::Transpose { axes: axes.to_vec() };
    let folded = vec![to(&[2, 4, 36]), Op::Softmax { axis: 2 }, to(&[1, 8, 6, 6])];
    let nhwc = turned(&[0, 2, 3, 1]);
    let any = "any batch";
    let single = "any batch, row by row";
    for (input, head, rows, shape, batch, why) in [
        (
            &[1, 3, 6, 6][..],
            folded,
            20,
            vec![20, 8, 6, 6],
            any,
            "heads in the batch",
        ),
        (
            &[1, 3, 6, 6],
            vec![nhwc, to(&[-1, 4])],
            20,
            vec![20, 72, 4],
            any,
            "boxes",
        ),
        (
            &[1, 3, 6, 6],
            vec![
                Op::GlobalPool(PoolKind::Average),
                Op::Squeeze { axes: vec![0, 2, 3] },
            ],
            17,
            vec![17, 8],
            any,
            "squeezed",
        ),
        (
            &[1, 3, 6, 6],
            vec![mean(&[0, 1, 2, 3])],
            20,
            vec![20],
            single,
            "a scalar",
        ),
        (
            &[1, 3, 6, 6],
            vec![turned(&[2, 0, 1, 3])],
            18,
            vec![18, 6, 1, 8, 6],
            single,
            "rows inside",
        ),
        (
            &[3, 6, 6],
            vec![Op::Squeeze { axes: vec![0] }],
            20,
            vec![20, 8, 6, 6],
            single,
            "no batch at all",
        ),
    ] {
        let session = session(headed(input, &head), SessionConfig::default()).unwrap();
        let described = session.describe();
        assert!(
            described.contains(&format!("nodes, {batch}\n")),
            "{why}: {described}"
        );
        let inputs: Vec<f32> = (0..rows * 108).map(|v| ((v * 29) % 17) as f32 - 8.0).collect();
        let array = |rows: usize, data: &[f32]| Array {
            shape: session.input_shapes(rows).remove(0),
            data: Arc::new(data.to_vec()),
        };
        let outcome = session.run(&[array(rows, &inputs)]).unwrap();
        assert_eq!(outcome.outputs[0].shape, shape, "{why}");
        let devices = outcome.plan.devices().len();
        let dealt = session.gpu_alone_because().is_none();
        assert_eq!(
            (devices == 3, input.len() == 4),
            (dealt, dealt),
            "{why}: {}",
            outcome.plan
        );
        let width = outcome.outputs[0].data.len() / rows;
        let own = session.graph().tensor(session.graph().outputs[0]).shape.clone();
        for row in [0, 7, rows - 1] {
            let one = session
                .run(&[array(1, &inputs[row * 108..(row + 1) * 108])])
                .unwrap();
            assert_eq!(one.outputs[0].shape, own, "{why}");
            let got = &outcome.outputs[0].data[row * width..(row + 1) * width];
            assert_eq!(got, &one.outputs[0].data[..], "{why}, row {row}");
        }
    }
}

/// `x[4,3] + row[3] * factor[]` and the column sums of `x`: no two tensors share a first dimension.
fn ragged() -> Graph {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[4, 3]);
    let row = b.input("row", &[3]);
    let factor = b.input("factor", &[]);
    let scaled = b.node("scaled", Op::Binary(BinaryKind::Mul), &[row, factor]);
    let y = b.node("y", Op::Binary(BinaryKind::Add), &[x, scaled.unwrap()]);
    let sums = Op::Reduce {
        kind: ReduceKind::Sum,
        axes: vec![0],
        keepdims: false,
    };
    let sums = b.node("sums", sums, &[x]).unwrap();
    b.output(y.unwrap());
    b.output(sums);
    b.finish().unwrap()
}

#[test]
fn a_network_without_a_batch_runs_as_a_whole_on_the_gpu() {
    let session = session(ragged(), SessionConfig::default()).unwrap();
    let array = |shape: &[usize], data: &[f32]| Array {
        shape: shape.to_vec(),
        data: Arc::new(data.to_vec()),
    };
    let x: Vec<f32> = (0..12).map(|v| v as f32).collect();
    let mut inputs = vec![
        array(&[4, 3], &x),
        array(&[3], &[1.0, 2.0, 3.0]),
        array(&[], &[10.0]),
    ];
    let outcome = session.run(&inputs).unwrap();
    let shapes: Vec<&[usize]> = outcome.outputs.iter().map(|o| &o.shape[..]).collect();
    assert_eq!(shapes, [&[4, 3][..], &[3]]);
    assert_eq!(outcome.outputs[0].data[3..6], [13.0, 24.0, 35.0]);
    assert_eq!(*outcome.outputs[1].data, [18.0, 22.0, 26.0]);
    let reason = session.fixed_because().unwrap();
    assert!(
        reason.contains("do not all have the same number of rows"),
        "{reason}"
    );
    assert!(session.gpu_alone_because().is_some());

    inputs[0] = array(&[2, 3], &x[..6]);
    let refused = session.run(&inputs).unwrap_err().to_string();
    assert!(
        refused.contains("`x` has the shape [2, 3] but must be [4, 3]"),
        "{refused}"
    );
}
