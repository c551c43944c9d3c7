//! Rows from the session's own buffers and from ordinary arrays, over more rounds than an engine has in flight.

use std::sync::Arc;

use tvm_dla::engine::{Array, Precision};
use tvm_dla::graph::cases::noise;
use tvm_dla::graph::{Activation, Graph, GraphBuilder, Op, PoolKind};
use tvm_dla::session::{Session, SessionConfig};

use super::cli_support::bundle;
use super::operators::backend_or_skip;

fn network() -> Graph {
    let mut b = GraphBuilder::new("pool");
    let x = b.input("x", &[1, 4, 8, 8]);
    let y = b.node("y", Op::Activation(Activation::Relu), &[x]).unwrap();
    let y = b.node("pool", Op::GlobalPool(PoolKind::Max), &[y]).unwrap();
    b.output(y);
    b.finish().unwrap()
}

/// The maximum of each map, or 0: exact in any precision for halves.
fn maxima(values: &[f32]) -> Vec<f32> {
    let maps = values.chunks_exact(64);
    maps.map(|map| map.iter().fold(0f32, |most, v| most.max(*v)))
        .collect()
}

#[test]
fn buffers_and_arrays_give_every_row_its_own_result() {
    let Some(backend) = backend_or_skip(Precision::F32) else {
        return;
    };
    let discrete = !backend.gpu().integrated;
    let session = Session::from_bundle(
        bundle(network(), "none"),
        Arc::new(backend),
        SessionConfig::default(),
    );
    let session = session.unwrap();
    let plan = "gpu=2x7".parse().unwrap();
    let mut buffers = session.buffers(14).unwrap();
    assert_eq!(buffers.are_page_locked(), discrete);
    for seed in 1..6 {
        let halves = noise(14 * 256, seed)
            .into_iter()
            .map(|v| (v * 64.0).round() / 2.0);
        let values: Vec<f32> = halves.collect();
        buffers.input(0).copy_from_slice(&values);
        let ordinary = vec![Array {
            shape: vec![14, 4, 8, 8],
            data: Arc::new(values.clone()),
        }];
        for (inputs, what) in [(buffers.arrays(), "buffers"), (ordinary, "an array")] {
            let outcome = session.run_with(&plan, &inputs).unwrap();
            assert_eq!(*outcome.outputs[0].data, maxima(&values), "{what}, seed {seed}");
        }
    }
}
