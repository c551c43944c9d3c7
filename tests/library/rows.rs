//! Whatever is proved to keep rows apart computes several rows as it computes each alone, over random networks that fold,
//! move and mix them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tvm_dla::engine::cpu::{CpuBackend, CpuOptions, find_library};
use tvm_dla::engine::{Backend, EngineSpec, Rows, StageKind};
use tvm_dla::graph::Graph;
use tvm_dla::plan::Device;
use tvm_dla::session::default_search;

use crate::random_support::network;

fn compute(backend: &CpuBackend, graph: &Graph, input: &[f32]) -> Vec<f32> {
    let spec = EngineSpec {
        stage: StageKind::Whole,
        device: Device::Gpu,
        batch: graph.batch(),
    };
    let mut engine = backend.build(graph, &spec).unwrap();
    let rows = Rows {
        data: Arc::new(input.to_vec()),
        offset: 0,
        len: input.len(),
    };
    engine.enqueue(vec![rows]).unwrap();
    engine.wait().unwrap().remove(0)
}

#[test]
fn rows_at_once_are_the_rows_one_by_one() {
    let backend = CpuBackend::new(CpuOptions {
        library: find_library(&default_search()).unwrap(),
        threads_per_device: 1,
        devices: vec![Device::Gpu],
    })
    .unwrap();
    let seen = RefCell::new(HashMap::<bool, usize>::new());
    let mut runner = TestRunner::new(Config::with_cases(160));
    let networks = (1usize..3, proptest::collection::vec(0u32..8 * 420, 1..9));
    let ran = runner.run(&networks, |(batch, picks)| {
        let graph = network(batch, &picks);
        let apart = graph.apart().is_ok();
        *seen.borrow_mut().entry(apart).or_default() += 1;
        if !apart {
            return Ok(());
        }
        let (one, three) = (graph.with_batch(1).unwrap(), graph.with_batch(3).unwrap());
        three.validate().unwrap();
        prop_assert_eq!(three.batch(), 3);
        let input: Vec<f32> = (0..72).map(|v| ((v * 37) % 23) as f32 / 11.0 - 1.0).collect();
        let together = compute(&backend, &three, &input);
        let alone: Vec<f32> = input
            .chunks(24)
            .flat_map(|row| compute(&backend, &one, row))
            .collect();
        prop_assert_eq!(together.len(), alone.len());
        for (a, b) in together.iter().zip(&alone) {
            prop_assert!((a - b).abs() < 1e-5, "{a} and {b} in\n{}", graph.text());
        }
        Ok(())
    });
    ran.unwrap();
    let seen = seen.into_inner();
    let count = |apart| seen.get(&apart).copied().unwrap_or(0);
    assert!(
        count(true) > 30 && count(false) > 10,
        "both kinds are tried: {seen:?}"
    );
}
