//! Promises on the libnvinfer double: what is promised to a DLA is built and runs as its documentation allows.

use std::sync::Arc;

use tvm_dla::engine::trt::{LibraryPaths, Recipe, TrtBackend, TrtOptions};
use tvm_dla::engine::{Backend, Numerics, Precision};
use tvm_dla::split::DlaTarget;

use crate::double_support::library;
use crate::promises_support::{compared, networks};

/// The double is a Xavier, so that only its target can be held against it.
const TARGET: &str = "chip=xavier";

#[test]
fn what_is_promised_to_a_dla_is_built_and_runs_there() {
    let Some(double) = library() else { return };
    let paths = || LibraryPaths::system(Some(double.clone()), vec![]);
    let backend = TrtBackend::new(TrtOptions {
        tensorrt: paths(),
        cuda: paths(),
        recipe: Recipe::new(Numerics::of(Precision::F16), DlaTarget::default()),
    });
    let backend: Arc<dyn Backend> = Arc::new(backend.unwrap());
    let ran = networks()
        .filter(|graph| compared(graph, TARGET, &backend).is_some())
        .count();
    assert!(ran > 30, "{ran} networks had something for a DLA");
}
