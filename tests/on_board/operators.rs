//! Every operator case on the GPU through TensorRT against the plain reference, in one process: a builder's start costs
//! seconds and gigabytes.

use std::path::PathBuf;

use tvm_dla::engine::trt::{LibraryPaths, Recipe, TrtBackend, TrtOptions};
use tvm_dla::engine::{Array, Backend, EngineSpec, Numerics, Precision, Rows};
use tvm_dla::graph::Graph;
use tvm_dla::graph::cases::{all, noise, pooling_remainders};
use tvm_dla::graph::reference::{array, evaluate};
use tvm_dla::plan::Device;
use tvm_dla::split::DlaTarget;

/// TensorRT's builder at the level that builds fastest, computing in `precision`; without a library or a GPU, why not.
fn backend(precision: Precision) -> Result<TrtBackend, String> {
    let named = |variable| std::env::var_os(variable).map(PathBuf::from);
    let mut recipe = Recipe::new(Numerics::of(precision), DlaTarget::default());
    recipe.options.level = Some(0);
    let options = TrtOptions {
        tensorrt: LibraryPaths::system(named("TVM_DLA_TENSORRT"), Vec::new()),
        cuda: LibraryPaths::system(named("TVM_DLA_CUDART"), Vec::new()),
        recipe,
    };
    TrtBackend::new(options).map_err(|e| e.to_string())
}

fn inputs(graph: &Graph) -> Vec<Array> {
    let shapes = graph.inputs.iter().map(|id| &graph.tensor(*id).shape);
    let seeded = (100..).zip(shapes);
    seeded
        .map(|(seed, shape)| array(shape, noise(shape.iter().product(), seed)))
        .collect()
}

fn run(backend: &TrtBackend, graph: &Graph, inputs: &[Array]) -> Result<Vec<Vec<f32>>, String> {
    let engine = backend.build(graph, &EngineSpec::whole(graph, Device::Gpu));
    let mut engine = engine.map_err(|e| e.to_string())?;
    let started = engine.enqueue(inputs.iter().map(Rows::from).collect());
    started.and_then(|()| engine.wait()).map_err(|e| e.to_string())
}

/// How far `got` is off, in parts of the largest element of its output that is less than `most`, the precision's largest
/// number (of 1 if that is smaller); NaN is infinitely far. What is not less, such as the greatest of a window that lies
/// in padding alone, is so in both and of one sign.
fn distance(got: &[Vec<f32>], want: &[Array], most: f32) -> f32 {
    let mut farthest = 0f32;
    for (got, want) in got.iter().zip(want) {
        let held = want.data.iter().map(|v| v.abs()).filter(|v| *v < most);
        let largest = held.fold(1f32, f32::max);
        for (&got, &want) in got.iter().zip(want.data.iter()) {
            let past = want.abs() >= most && got.abs() >= most;
            if got == want || past && got.signum() == want.signum() {
                continue;
            }
            let off = (got - want).abs() / largest;
            farthest = farthest.max(if off.is_nan() { f32::INFINITY } else { off });
        }
    }
    farthest
}

/// What is wrong with a case, or nothing.
fn fault(backend: &TrtBackend, graph: &Graph, bound: f32, most: f32) -> Option<String> {
    let inputs = inputs(graph);
    let want = evaluate(graph, &inputs);
    let got = match run(backend, graph, &inputs) {
        Ok(got) => got,
        Err(error) => return Some(error),
    };
    let given: Vec<usize> = got.iter().map(Vec::len).collect();
    let wanted: Vec<usize> = want.iter().map(|w| w.data.len()).collect();
    if given != wanted {
        return Some(format!("outputs of {given:?} elements instead of {wanted:?}"));
    }
    let off = distance(&got, &want, most);
    (off > bound).then(|| format!("off by {off:.1e} of the largest element"))
}

/// The backend, or a loud skip; `REQUIRE_BOARD=1` makes its absence a failure.
pub fn backend_or_skip(precision: Precision) -> Option<TrtBackend> {
    let missing = match backend(precision) {
        Ok(backend) => return Some(backend),
        Err(missing) => missing,
    };
    let required = std::env::var_os("REQUIRE_BOARD").is_some();
    assert!(!required, "REQUIRE_BOARD is set, and {missing}");
    eprintln!("SKIPPED: nothing is run in {precision}: {missing}");
    None
}

fn every_case(precision: Precision, bound: f32, most: f32) {
    let Some(backend) = backend_or_skip(precision) else {
        return;
    };
    let cases: Vec<_> = all().into_iter().chain(pooling_remainders()).collect();
    let _building = backend.building();
    let mut faults = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        if let Some(fault) = fault(&backend, &case.graph(), bound, most) {
            let fault = format!("{}: {fault}", case.name());
            eprintln!("{precision}, case {} of {}: {fault}", at + 1, cases.len());
            faults.push(fault);
        }
    }
    eprintln!(
        "{} of {} operator cases in {precision} by {}",
        cases.len() - faults.len(),
        cases.len(),
        backend.describe()
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_operator_in_fp32_is_the_reference() {
    every_case(Precision::F32, 2e-5, f32::MAX);
}

/// Up to FP16's roundings of operands, of what lies between layers and of sums.
#[test]
fn every_operator_in_fp16_is_near_the_reference() {
    every_case(Precision::F16, 1e-2, 65504.0);
}
