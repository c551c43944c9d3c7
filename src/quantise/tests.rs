//! Networks over real engines: what is counted, what ranges come of it, and every refusal.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::engine::Array;
use crate::engine::cpu::{CpuBackend, CpuOptions, SearchPaths, find_library};
use crate::graph::{Activation, Conv2d, Graph, GraphBuilder, Op, Padding2d};
use crate::plan::Device;

fn backend() -> CpuBackend {
    let paths = SearchPaths {
        roots: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/0.9")],
        ..SearchPaths::default()
    };
    let library = find_library(&paths).expect("these tests need ./scripts/setup");
    let options = CpuOptions {
        library,
        threads_per_device: 1,
        devices: vec![Device::Gpu],
    };
    CpuBackend::new(options).unwrap()
}

/// `relu(weight * x)` over one element per row, and what a dense layer makes of it.
fn net(weight: f32) -> Graph {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 1, 1, 1]);
    let w = b.weight("w", &[1, 1, 1, 1], vec![weight]);
    let conv = Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding: Padding2d::default(),
        dilation: [1, 1],
        groups: 1,
    });
    let y = b.node("conv", conv, &[x, w]).unwrap();
    let relu = Op::Activation(Activation::Relu);
    let y = b.node("relu", relu, &[y]).unwrap();
    let y = b.node("flat", Op::Flatten, &[y]).unwrap();
    b.output(y);
    b.finish().unwrap()
}

fn rows(values: &[f32]) -> Batch {
    vec![Array {
        shape: vec![values.len(), 1, 1, 1],
        data: Arc::new(values.to_vec()),
    }]
}

fn runs(rows: usize, engines: usize) -> Runs {
    Runs { rows, engines }
}

fn counted(graph: &Graph, batches: &[&[f32]], runs: Runs) -> Result<Distributions, CalibrateError> {
    let mut batches = batches.iter();
    let next = || Ok(batches.next().map(|values| rows(values)));
    let mut seen = 0;
    let counted = collect(&backend(), &probed(graph, &[]), runs, next, |rows| seen += rows)?;
    assert_eq!(seen, counted.rows, "progress hears of every row");
    Ok(counted)
}

#[test]
fn every_stored_tensor_is_counted_once_per_row() {
    let counted = counted(&net(2.0), &[&[1.0, -3.0], &[0.5]], runs(2, 1)).unwrap();
    let names: Vec<&str> = counted.tensors.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(
        names,
        ["x", "relu", "flat"],
        "relu is part of the convolution's layer"
    );
    for (name, histogram) in &counted.tensors {
        assert_eq!(
            histogram.count(),
            3,
            "{name}: a row that fills a batch does not count"
        );
    }
    let ranges = counted.choose(Method::Max).unwrap().ranges;
    let got: Vec<(&str, f32)> = ranges.iter().collect();
    assert_eq!(got, [("flat", 2.0), ("relu", 2.0), ("x", 3.0)]);
}

#[test]
fn the_same_images_give_the_same_ranges_however_they_are_batched() {
    let values: Vec<f32> = (0..50).map(|i| ((i * 37) % 50) as f32 - 20.0).collect();
    let ranges = |rows: usize, engines: usize| {
        let batches: Vec<&[f32]> = values.chunks(rows).collect();
        let counted = counted(&net(1.0), &batches, runs(rows, engines)).unwrap();
        counted.choose(Method::Entropy).unwrap().ranges
    };
    assert_eq!(ranges(1, 1), ranges(8, 1));
    assert_eq!(ranges(8, 1), ranges(8, 1), "again");
    assert_eq!(ranges(8, 1), ranges(3, 4), "by several engines");
}

#[test]
fn refusals_name_the_tensor_and_the_row() {
    let cases: [(&[&[f32]], f32, &str, &str); 4] = [
        (
            &[&[1.0, 2.0], &[3.0, f32::NAN]],
            1.0,
            "`x` holds infinities or NaN in row 3",
            "data",
        ),
        (
            &[&[1e38]],
            1e38,
            "`relu` holds infinities or NaN in row 0",
            "overflow inside",
        ),
        (
            &[&[1.0, -3.0e38]],
            1.0,
            "`x` has the range 300000000000000000000000000000000000000, and INT8 has no steps",
            "a constant that stands for infinity",
        ),
        (&[], 1.0, "no rows", "nothing given"),
    ];
    for (batches, weight, want, why) in cases {
        let ranges = counted(&net(weight), batches, runs(2, 2));
        let ranges = ranges.and_then(|counted| counted.choose(Method::Max));
        let error = ranges.unwrap_err().to_string();
        assert!(error.contains(want), "{why}: {error}");
    }
}

#[test]
fn a_tensor_of_zeros_gets_a_range_and_a_remark() {
    let counted = counted(&net(1.0), &[&[-1.0, -2.0]], runs(2, 1)).unwrap();
    for method in [Method::Max, Method::Entropy] {
        let ChosenRanges { ranges, remarks } = counted.choose(method).unwrap();
        let zero = |name: &str| remarks.contains(&(name.to_string(), Remark::Zero));
        assert!(zero("relu") && zero("flat") && !zero("x"), "{remarks:?}");
        assert_eq!(ranges.get("relu"), Some(2.0), "as its neighbours");
    }
}

#[test]
fn files_belong_to_one_network() {
    let graph = net(2.0);
    let counted = counted(&graph, &[&[1.0, -3.0]], runs(2, 1)).unwrap();
    let found = counted.choose(Method::Max).unwrap().ranges;
    let calibration = Calibration::new(&graph, Method::Max, 2, &found);
    let json = serde_json::to_string(&calibration).unwrap();
    let text = cache::write(&found, crate::split::Version(8, 5, 2));
    assert_eq!(ranges(&json, &graph).unwrap(), found);
    assert_eq!(ranges(&text, &graph).unwrap().len(), 3);
    let mut other = net(2.0);
    other.tensors[0].name = "y".into();
    let later = json.replace("\"version\":1", "\"version\":2");
    let padded = json.replace("\"relu\":2.0", "\"relu\":3.4028235e38");
    let zero = json.replace("\"relu\":2.0", "\"relu\":0.0");
    let cases = [
        (
            json.as_str(),
            &net(3.0),
            "another network: its digest",
            "other weights",
        ),
        (text.as_str(), &other, "tensor `x` does not exist", "other names"),
        ("{}", &graph, "no calibration", "empty JSON"),
        ("conv 1.0", &graph, "no calibration cache", "other text"),
        (later.as_str(), &graph, "version 2", "a later version"),
        (
            zero.as_str(),
            &graph,
            "`relu` has the range 0",
            "an all-zero tensor",
        ),
        (
            padded.as_str(),
            &graph,
            "`relu` has the range 340282350000000000000000000000000000000, and INT8 has no steps",
            "a constant that pads",
        ),
    ];
    for (text, graph, want, why) in cases {
        let error = ranges(text, graph).unwrap_err().to_string();
        assert!(error.contains(want), "{why}: {error}");
    }
}
