//! Streams in virtual time: engines that share a DRAM, items that arrive at random.

use std::time::Duration;

use proptest::prelude::*;
use tvm_dla::engine::StageKind;
use tvm_dla::plan::Device;
use tvm_dla::schedule::{Fate, Order, Overflow, Pace, StreamRules};
use tvm_dla::sim::{
    Costs, ExecutionCost, Flow, HostCosts, Load, Network, Noise, SimulatedStream, best, simulate_stream,
    stream_lanes,
};

const GPU: Device = Device::Gpu;
const DLAS: [Device; 2] = [Device::Dla(0), Device::Dla(1)];

/// A fixed part and a part per row, in microseconds; engines that run together share 40 GB/s.
struct Fake {
    gpu: (f64, f64),
    dla: (f64, f64),
    suffix: (f64, f64),
    bytes_per_row: u64,
}

impl Costs for Fake {
    fn execution(&self, stage: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String> {
        let (fixed, row) = match (stage, device) {
            (StageKind::Suffix, Device::Gpu) => self.suffix,
            (StageKind::Suffix, Device::Dla(_)) => return Err("the suffix runs on the GPU".into()),
            (StageKind::Whole | StageKind::Prefix, Device::Gpu) => self.gpu,
            (StageKind::Whole | StageKind::Prefix, Device::Dla(_)) => self.dla,
        };
        Ok(ExecutionCost {
            alone_us: fixed + row * batch as f64,
            submit_us: 20.0,
            bytes: self.bytes_per_row * batch as u64,
        })
    }

    fn slow_down(&self, loads: &[Load]) -> Vec<f64> {
        let total: f64 = loads.iter().map(|load| load.demand).sum();
        vec![(total / 40.0).max(1.0); loads.len()]
    }

    fn host(&self, _: bool) -> HostCosts {
        HostCosts {
            run_us: 30.0,
            merge_us: 40.0,
        }
    }
}

/// Rows per second of the best offline plan over 512 rows.
fn offline(network: &Network, costs: &Fake) -> f64 {
    let rate = |choice| best(network, choice, 512, costs, Noise::NONE).unwrap().1.rate();
    network.choices().into_iter().map(rate).fold(0.0, f64::max)
}

fn run(
    network: &Network,
    costs: &Fake,
    bound: Option<Duration>,
    arrivals: &[Duration],
    noise: Noise,
) -> SimulatedStream {
    let flow = match (network.prefix, network.suffix) {
        (false, _) => Flow::Whole,
        (true, true) => Flow::PrefixSuffix,
        (true, false) => Flow::Prefix,
    };
    let batches = |device: &Device| (*device, vec![1, 2, 4, 8, 16]);
    let devices = [GPU].iter().chain(&network.dlas);
    let batches: Vec<(Device, Vec<usize>)> = devices.map(batches).collect();
    let rules = StreamRules {
        lanes: stream_lanes(flow, &batches, costs).unwrap(),
        bound,
        slack: Duration::from_micros(200),
        capacity: 4096,
        overflow: Overflow::Wait,
        order: Order::Arrival,
    };
    simulate_stream(&rules, flow, arrivals, costs, noise).unwrap()
}

fn network(dlas: &[Device], suffix: bool) -> Network {
    Network {
        prefix: !dlas.is_empty(),
        suffix,
        dlas: dlas.to_vec(),
        dla_rows: 64,
        unit: None,
    }
}

#[test]
fn at_80_percent_of_the_offline_rate_the_99th_percentile_keeps_the_bound() {
    let light = 100_000;
    for (dlas, suffix, gpu, dla, bytes, bound, why) in [
        (
            &DLAS[..0],
            false,
            (800.0, 500.0),
            (0.0, 0.0),
            light,
            40,
            "the GPU alone",
        ),
        (
            &DLAS[..],
            true,
            (600.0, 900.0),
            (900.0, 1500.0),
            light,
            80,
            "the paper's three devices",
        ),
        (
            &DLAS[..],
            false,
            (600.0, 900.0),
            (900.0, 1500.0),
            light,
            80,
            "no suffix",
        ),
        (
            &DLAS[..1],
            true,
            (500.0, 700.0),
            (2000.0, 4000.0),
            light,
            80,
            "a slow DLA",
        ),
        (
            &DLAS[..],
            true,
            (600.0, 900.0),
            (900.0, 1500.0),
            20_000_000,
            120,
            "a DRAM that all wait for",
        ),
    ] {
        let costs = Fake {
            gpu,
            dla,
            suffix: (100.0, 5.0),
            bytes_per_row: bytes,
        };
        let network = network(dlas, suffix);
        let rate = 0.8 * offline(&network, &costs);
        for seed in 0..3 {
            let arrivals = Pace::Poisson { rate, seed }.arrivals().take(4000);
            let arrivals: Vec<Duration> = arrivals.collect();
            let bound = Duration::from_millis(bound);
            let noise = Noise::new(0.1, seed).unwrap();
            let seen = run(&network, &costs, Some(bound), &arrivals, noise);
            assert!(seen.answers.iter().all(|a| a.fate == Fate::Computed));
            let p99 = seen.latency_us(0.99);
            assert!(
                p99 <= bound.as_secs_f64() * 1e6,
                "{why}: p99 {p99:.0} us at {rate:.0}/s"
            );
        }
    }
}

#[test]
fn a_stream_that_has_everything_is_nearly_as_fast_as_the_best_offline_plan() {
    let costs = Fake {
        gpu: (600.0, 900.0),
        dla: (900.0, 1500.0),
        suffix: (100.0, 5.0),
        bytes_per_row: 100_000,
    };
    let network = network(&DLAS, true);
    let arrivals = vec![Duration::ZERO; 2048];
    let seen = run(&network, &costs, None, &arrivals, Noise::NONE);
    let rate = 2048.0 * 1e6 / seen.makespan_us;
    let offline = offline(&network, &costs);
    assert!(
        rate >= 0.93 * offline,
        "{rate:.0} of {offline:.0} rows/s with batches of 16"
    );
}

#[test]
fn a_bound_that_the_board_cannot_keep_is_refused() {
    let costs = Fake {
        gpu: (800.0, 500.0),
        dla: (0.0, 0.0),
        suffix: (0.0, 0.0),
        bytes_per_row: 1,
    };
    let lanes = stream_lanes(Flow::Whole, &[(GPU, vec![1, 4])], &costs).unwrap();
    let rules = StreamRules {
        lanes,
        bound: Some(Duration::from_millis(1)),
        slack: Duration::ZERO,
        capacity: 8,
        overflow: Overflow::Wait,
        order: Order::Arrival,
    };
    let error = simulate_stream(&rules, Flow::Whole, &[], &costs, Noise::NONE).unwrap_err();
    assert!(error.to_string().contains("ask for at least"), "{error}");
    let unknown = stream_lanes(Flow::PrefixSuffix, &[(DLAS[0], vec![4])], &costs).unwrap();
    let gpu = unknown.iter().find(|lane| lane.device == GPU).unwrap();
    assert_eq!(
        (gpu.first.len(), gpu.suffix.len()),
        (0, 1),
        "the GPU has the suffix only"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_item_is_answered_once_in_order(
        gaps in proptest::collection::vec(0u64..6000, 1..200),
        rows in (100.0f64..2000.0, 100.0f64..4000.0),
        bound in proptest::option::of(20u64..200),
        seed in any::<u64>(),
    ) {
        let costs = Fake { gpu: (300.0, rows.0), dla: (500.0, rows.1), suffix: (50.0, 3.0), bytes_per_row: 4_000_000 };
        let mut now = Duration::ZERO;
        let arrivals: Vec<Duration> = gaps.iter().map(|gap| { now += Duration::from_micros(*gap); now }).collect();
        let bound = bound.map(Duration::from_millis);
        let seen = run(&network(&DLAS, true), &costs, bound, &arrivals, Noise::new(0.5, seed).unwrap());
        let items: Vec<u64> = seen.answers.iter().map(|a| a.item.0).collect();
        prop_assert_eq!(items, (0..arrivals.len() as u64).collect::<Vec<_>>());
        prop_assert!(seen.answers.iter().all(|a| a.fate == Fate::Computed && a.answered_us > a.arrived_us));
        let rows: usize = seen.devices.values().map(|d| d.rows).sum();
        prop_assert_eq!(rows, arrivals.len());
    }
}
