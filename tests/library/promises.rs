//! Promises on the CPU backend.

use std::sync::Arc;

use tvm_dla::engine::Backend;
use tvm_dla::engine::cpu::{CpuBackend, CpuOptions, find_library};
use tvm_dla::plan::Device;
use tvm_dla::session::default_search;

use crate::promises_support::{TARGETS, compared, networks};

#[test]
fn what_is_promised_to_a_dla_runs_there_and_nothing_else() {
    let backend = CpuBackend::new(CpuOptions {
        library: find_library(&default_search()).unwrap(),
        threads_per_device: 1,
        devices: vec![Device::Gpu, Device::Dla(0)],
    });
    let backend: Arc<dyn Backend> = Arc::new(backend.unwrap());
    let mut ran = 0;
    for graph in networks() {
        for target in TARGETS {
            ran += usize::from(compared(&graph, target, &backend).is_some());
        }
    }
    assert!(ran > 100, "{ran} networks had something for a DLA");
}
