//! What the pipeline costs, over engines whose own time is known: `cargo bench --bench pipeline`.
//!
//! Ratios within one run. The engines compute nothing: one answers at once, the other spins for a fixed time, so that
//! two of them show how well two devices run at once on this machine.

use std::time::{Duration, Instant};

use support::Timed;
use tvm_dla::engine::Array;
use tvm_dla::graph::{Activation, Conv2d, GraphBuilder, Op, Padding2d};
use tvm_dla::plan::Plan;
use tvm_dla::session::Session;

mod support;

fn spin(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn session(time: Duration) -> Session {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 3, 8, 8]);
    let w = b.weight("w", &[8, 3, 1, 1], vec![1.0; 24]);
    let conv = Conv2d {
        stride: [1, 1],
        padding: Padding2d::default(),
        dilation: [1, 1],
        groups: 1,
    };
    let conv = b.node("conv", Op::Conv2d(conv), &[x, w]).unwrap();
    let relu = Op::Activation(Activation::Relu);
    let y = b.node("relu", relu, &[conv]).unwrap();
    b.output(y);
    let backend = Timed { time, spend: spin };
    support::session(b.finish().unwrap(), backend)
}

/// Median microseconds of `runs` runs.
fn micros(session: &Session, plan: &str, runs: usize) -> f64 {
    let plan: Plan = plan.parse().unwrap();
    let rows = plan.total();
    let input = [Array {
        shape: vec![rows, 3, 8, 8],
        data: vec![0.0; rows * 192].into(),
    }];
    session.run_with(&plan, &input).unwrap();
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let started = Instant::now();
            session.run_with(&plan, &input).unwrap();
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2]
}

fn main() {
    let instant = session(Duration::ZERO);
    for (plan, what) in [
        ("gpu=1x1", "one row on the gpu"),
        ("gpu=64x1", "64 rows on the gpu"),
        ("gpu=16x4", "64 rows on the gpu in 4 rounds"),
        (
            "gpu=16x4,dla0=16x4,dla1=16x4",
            "192 rows on 3 devices in 12 rounds",
        ),
    ] {
        let time = micros(&instant, plan, 301);
        println!("runtime of {what}: {time:.1} us per batch");
    }
    let spinning = session(Duration::from_micros(500));
    let mut ratios: Vec<f64> = (0..5)
        .map(|_| {
            let alone = ["gpu=16x8", "dla0=16x8"].map(|plan| 128.0 / micros(&spinning, plan, 3));
            let both = 256.0 / micros(&spinning, "gpu=16x8,dla0=16x8", 3);
            both / (alone[0] + alone[1])
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let (low, middle, high) = (ratios[0], ratios[2], ratios[4]);
    println!("gpu and dla0 at once over the sum of each alone: {middle:.3} ({low:.3} to {high:.3})");
}
