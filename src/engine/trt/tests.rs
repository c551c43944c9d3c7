//! Networks through NVIDIA's real builder (TensorRT-RTX, which builds without a GPU). Nothing is executed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::*;
use crate::engine::{Numerics, Precision, Ranges};
use crate::graph::TensorId;
use crate::split::DlaTarget;

fn paths(named: Option<PathBuf>) -> LibraryPaths {
    let roots = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/0.9")];
    LibraryPaths::system(named, roots)
}

/// The library, or a loud skip; `REQUIRE_TENSORRT=1` makes its absence a failure.
fn tensorrt() -> Option<TensorRt> {
    static LOADED: OnceLock<Option<TensorRt>> = OnceLock::new();
    let load = || match TensorRt::load(&paths(None)) {
        Ok(tensorrt) => Some(tensorrt),
        Err(error) if std::env::var_os("REQUIRE_TENSORRT").is_some() => {
            panic!("REQUIRE_TENSORRT is set, and {error}")
        }
        Err(error) => {
            eprintln!("SKIPPED: no network is checked by TensorRT's builder: {error}");
            None
        }
    };
    *LOADED.get_or_init(load)
}

/// At the level that builds fastest.
fn recipe(numerics: Numerics) -> Recipe {
    let mut recipe = Recipe::new(numerics, DlaTarget::default());
    recipe.options.level = Some(0);
    recipe
}

/// Every tensor in -1..1; `None` where names repeat, as INT8 goes by names.
fn int8(graph: &Graph) -> Option<Numerics> {
    let mut ranges = Ranges::default();
    let mut names = BTreeSet::new();
    for tensor in graph.tensors.iter().filter(|t| t.weight.is_none()) {
        ranges.insert(&tensor.name, 1.0).unwrap();
        if !names.insert(&tensor.name) {
            return None;
        }
    }
    Some(Numerics {
        precision: Precision::Int8,
        ranges,
        ..Numerics::default()
    })
}

/// TensorRT infers every shape as we do and gives a serialised engine: in FP16, and networks in every precision.
pub(in crate::engine) fn builds(graph: &Graph, why: &str) {
    let Some(tensorrt) = tensorrt() else {
        return;
    };
    let mut all = vec![Numerics::of(Precision::F16)];
    if graph.nodes.len() > 1 {
        all.push(Numerics::default());
        all.extend(int8(graph));
    }
    for numerics in all {
        let precision = numerics.precision;
        let plan = tensorrt.build(graph, &EngineSpec::whole(graph, Device::Gpu), &recipe(numerics));
        let plan = plan.unwrap_or_else(|e| panic!("{why}, {precision}: {e}"));
        assert!(
            plan.bytes.len() > 1000,
            "{why}: a plan of {} bytes",
            plan.bytes.len()
        );
        // Inputs and outputs at least; nodes that became part of another's layer have no tensor of their own.
        let named = |id: &&TensorId| graph.tensor(**id).weight.is_none();
        let ends = graph.inputs.iter().chain(graph.outputs.iter().filter(named));
        let ends: BTreeSet<TensorId> = ends.copied().collect();
        assert!(plan.agreed >= ends.len(), "{why}: only {} shapes", plan.agreed);
    }
}

#[test]
fn a_library_is_refused_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("libnvinfer.so.8");
    std::fs::write(&text, "no library").unwrap();
    let other = Path::new("/lib/x86_64-linux-gnu/libz.so.1");
    let cases = [
        (folder.path().join("nowhere.so"), "no TensorRT library at"),
        (text, "is no usable TensorRT library"),
        (other.to_path_buf(), "getInferLibVersion"),
    ];
    for (path, want) in cases
        .into_iter()
        .filter(|(path, _)| path != other || other.exists())
    {
        let error = TensorRt::load(&paths(Some(path))).err().unwrap().to_string();
        let without = built_for().is_empty() && error.contains("TENSORRT_INCLUDE");
        assert!(error.contains(want) || without, "{error}");
    }
}
