//! The CPU backend against a plain reference, operator by operator and failure by failure.

mod engines;
mod layout;
mod networks;
mod ops;
mod precision;
mod random;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::{CpuBackend, CpuOptions, SearchPaths, find_library};
use crate::engine::{Array, Backend, Engine, EngineSpec, Rows, StageKind};
use crate::graph::Graph;
use crate::graph::cases::noise;
use crate::graph::reference::{array, evaluate};
use crate::plan::Device;

fn library() -> PathBuf {
    let paths = SearchPaths {
        roots: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/0.9")],
        ..SearchPaths::default()
    };
    find_library(&paths)
        .unwrap_or_else(|e| panic!("these tests need ONNX Runtime: run `./scripts/setup` ({e})"))
}

/// One backend for all tests of the process.
fn backend() -> &'static CpuBackend {
    static BACKEND: OnceLock<CpuBackend> = OnceLock::new();
    BACKEND.get_or_init(|| {
        CpuBackend::new(CpuOptions {
            library: library(),
            threads_per_device: 1,
            devices: vec![Device::Gpu, Device::Dla(0), Device::Dla(1)],
        })
        .unwrap()
    })
}

fn spec(graph: &Graph) -> EngineSpec {
    EngineSpec {
        stage: StageKind::Prefix,
        device: Device::Gpu,
        batch: graph.batch(),
    }
}

fn engine(graph: &Graph) -> Box<dyn Engine> {
    backend().build(graph, &spec(graph)).unwrap()
}

fn inputs_of(graph: &Graph) -> Vec<Array> {
    let input = |(seed, id): (usize, &crate::graph::TensorId)| {
        let shape = &graph.tensor(*id).shape;
        array(shape, noise(shape.iter().product(), 100 + seed as u32))
    };
    graph.inputs.iter().enumerate().map(input).collect()
}

/// Runs the network in an engine and in the reference, and has TensorRT's builder check it.
fn compare(graph: &Graph, why: &str) {
    crate::engine::trt::tests::builds(graph, why);
    compute(graph, why);
}

/// Runs the network in an engine and in the reference.
fn compute(graph: &Graph, why: &str) {
    let inputs = inputs_of(graph);
    let mut engine = engine(graph);
    engine.enqueue(inputs.iter().map(Rows::from).collect()).unwrap();
    let got = engine.wait().unwrap();
    let want = evaluate(graph, &inputs);
    assert_eq!(got.len(), want.len(), "{why}: number of outputs");
    for (got, want) in got.iter().zip(&want) {
        assert_close(got, &want.data, why);
    }
}

fn assert_close(got: &[f32], want: &Arc<Vec<f32>>, why: &str) {
    assert_eq!(got.len(), want.len(), "{why}: number of elements");
    for (i, (g, w)) in got.iter().zip(want.iter()).enumerate() {
        let tolerance = 2e-6 + 2e-5 * w.abs();
        let near = (g - w).abs() <= tolerance || g == w;
        assert!(near, "{why}: element {i} is {g}, the reference says {w}");
    }
}
