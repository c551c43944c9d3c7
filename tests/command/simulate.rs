//! The scheduler in virtual time: what must hold whatever the costs are, exact timelines, and agreement with the
//! pipeline. `UPDATE_GOLDEN=1 cargo test --test command` writes the golden files again.

use std::collections::HashMap;
use std::path::Path;

use crate::cli_support::Folder;
use proptest::prelude::*;
use tvm_dla::engine::StageKind;
use tvm_dla::plan::{Device, Mode, Plan};
use tvm_dla::schedule::{Command, Event, Phase, Schedule};
use tvm_dla::sim::{Costs, ExecutionCost, Flow, HostCosts, Load, Noise, SimError, SimulatedRun, simulate};
use tvm_dla::trace::{Track, Work};

/// Time per row is known exactly; engines that run together share a bandwidth.
#[derive(Debug)]
struct Fake {
    gpu: f64,
    dla: f64,
    suffix: f64,
    submit: f64,
    host: HostCosts,
    bytes_per_row: u64,
    /// GB/s; demands beyond it slow everyone down alike.
    bandwidth: f64,
}

const FAKE: Fake = Fake {
    gpu: 10.0,
    dla: 20.0,
    suffix: 1.0,
    submit: 0.0,
    host: HostCosts {
        run_us: 0.0,
        merge_us: 0.0,
    },
    bytes_per_row: 100_000,
    bandwidth: f64::INFINITY,
};

impl Costs for Fake {
    fn execution(&self, stage: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String> {
        let row = match (stage, device) {
            (StageKind::Suffix, Device::Gpu) => self.suffix,
            (StageKind::Suffix, Device::Dla(_)) => return Err("the suffix runs on the GPU".into()),
            (_, Device::Gpu) => self.gpu,
            (_, Device::Dla(_)) => self.dla,
        };
        Ok(ExecutionCost {
            alone_us: row * batch as f64,
            submit_us: self.submit,
            bytes: self.bytes_per_row * batch as u64,
        })
    }

    fn slow_down(&self, loads: &[Load]) -> Vec<f64> {
        let total: f64 = loads.iter().map(|load| load.demand).sum();
        vec![(total / self.bandwidth).max(1.0); loads.len()]
    }

    fn host(&self, shared: bool) -> HostCosts {
        if shared {
            self.host
        } else {
            HostCosts {
                merge_us: 0.0,
                ..self.host
            }
        }
    }
}

fn run(plan: &str, flow: Flow, costs: &Fake) -> SimulatedRun {
    simulate(&plan.parse().unwrap(), flow, costs, Noise::NONE).unwrap()
}

fn near(got: f64, want: f64, why: &str) {
    assert!((got - want).abs() < 1e-3, "{why}: {got} instead of {want}");
}

#[test]
fn times_add_up_as_they_do_by_hand() {
    use Flow::{Prefix, PrefixSuffix, Whole};
    let host = HostCosts {
        run_us: 7.0,
        merge_us: 5.0,
    };
    // 100 kB per row: the GPU takes 10 GB/s alone, a DLA 5 GB/s.
    let narrow = Fake {
        bandwidth: 7.5,
        ..FAKE
    };
    let cases = [
        ("gpu=4x2", Whole, FAKE, 80.0, "eight rows of 10 us"),
        ("dla0=4x1", Prefix, FAKE, 80.0, "four rows of 20 us"),
        ("gpu=4x2,dla0=4x1", Prefix, FAKE, 80.0, "side by side"),
        (
            "gpu=4x2,dla0=4x1",
            PrefixSuffix,
            FAKE,
            92.0,
            "and twelve rows of suffix",
        ),
        (
            "gpu=4x2,dla0=4x1,suffix=6",
            PrefixSuffix,
            FAKE,
            92.0,
            "the suffix in two",
        ),
        (
            "dla0=4x1",
            PrefixSuffix,
            FAKE,
            84.0,
            "the suffix goes to the idle GPU",
        ),
        (
            "gpu=4x2,dla0=4x1",
            PrefixSuffix,
            Fake { host, ..FAKE },
            104.0,
            "start and merge",
        ),
        (
            "gpu=4x2",
            Whole,
            Fake { submit: 3.0, ..FAKE },
            86.0,
            "two submissions",
        ),
        (
            "gpu=4x1,dla0=4x1",
            Prefix,
            narrow,
            120.0,
            "15 of 7.5 GB/s: both at half speed for 80 us, then 40 us of the DLA alone",
        ),
        (
            "dla0=4x2,suffix=4,mode=pipelined",
            PrefixSuffix,
            Fake { host, ..FAKE },
            176.0,
            "the first merge and suffix run beside the second round",
        ),
        (
            "dla0=4x2,suffix=4",
            PrefixSuffix,
            Fake { host, ..FAKE },
            180.0,
            "both suffixes after the merge",
        ),
        (
            "gpu=4x2,engines=2",
            Whole,
            Fake { submit: 3.0, ..FAKE },
            83.0,
            "the second submission is hidden",
        ),
    ];
    for (plan, flow, costs, want, why) in cases {
        near(run(plan, flow, &costs).makespan_us, want, why);
    }
}

#[test]
fn the_gpu_alone_beyond_the_bandwidth_is_slowed_too() {
    let narrow = Fake {
        bandwidth: 5.0,
        ..FAKE
    };
    near(
        run("gpu=4x1", Flow::Whole, &narrow).makespan_us,
        80.0,
        "half the 10 GB/s it asks for",
    );
}

#[test]
fn costs_that_are_none_are_errors() {
    let plan: Plan = "gpu=4x1,dla0=4x1".parse().unwrap();
    let nan = Fake {
        dla: f64::NAN,
        ..FAKE
    };
    let error = simulate(&plan, Flow::Prefix, &nan, Noise::NONE).unwrap_err();
    assert!(
        matches!(
            error,
            SimError::Cost {
                device: Device::Dla(0),
                ..
            }
        ),
        "{error}"
    );
    let negative = Fake { gpu: -1.0, ..FAKE };
    assert!(simulate(&plan, Flow::Prefix, &negative, Noise::NONE).is_err());
    for jitter in [-0.1, 0.91, f64::NAN] {
        assert!(Noise::new(jitter, 1).is_err(), "{jitter}");
    }
}

#[test]
fn jitter_is_seeded_and_bounded() {
    let plan: Plan = "gpu=16x12,dla0=16x10,dla1=16x10".parse().unwrap();
    let with = |seed| {
        let noise = Noise::new(0.1, seed).unwrap();
        simulate(&plan, Flow::PrefixSuffix, &FAKE, noise).unwrap()
    };
    assert_eq!(with(1), with(1));
    assert_ne!(with(1).makespan_us, with(2).makespan_us);
    let exact = simulate(&plan, Flow::PrefixSuffix, &FAKE, Noise::NONE).unwrap();
    let ratio = with(1).makespan_us / exact.makespan_us;
    assert!((0.9..=1.1).contains(&ratio) && ratio != 1.0, "{ratio}");
}

/// What each device was told to run, in order.
type Orders = HashMap<Device, Vec<(StageKind, std::ops::Range<usize>)>>;

fn orders(spans: &[tvm_dla::trace::Span]) -> Orders {
    let mut orders = Orders::new();
    for span in spans {
        if let (Track::Device(device), Work::Stage { stage, rows, .. }) = (span.track, &span.work) {
            let list = orders.entry(device).or_default();
            list.push((*stage, rows.clone()));
        }
    }
    orders
}

#[test]
fn a_fresh_scheduler_given_the_same_events_commands_the_same() {
    let plan: Plan = "gpu=16x5,dla0=16x3,dla1=8x7".parse().unwrap();
    let simulated = simulate(&plan, Flow::PrefixSuffix, &FAKE, Noise::new(0.5, 3).unwrap()).unwrap();
    let mut schedule = Schedule::new(&plan, true);
    let mut commands = schedule.start(&[]);
    for event in &simulated.events {
        commands.extend(schedule.handle(event.clone()));
    }
    assert_eq!(commands.last(), Some(&Command::Done));
    let mut wanted = Orders::new();
    for command in commands {
        if let Command::Run(task) = command {
            let stage = match task.phase {
                Phase::Prefix => StageKind::Prefix,
                Phase::Suffix => StageKind::Suffix,
            };
            let list = wanted.entry(task.device).or_default();
            list.push((stage, task.rows));
        }
    }
    assert_eq!(orders(&simulated.spans), wanted);
}

/// The executions of a real run in the order of their results: device, stage and rows as text.
fn real_run(plan: &str, rows: usize) -> Vec<(String, String)> {
    let folder = Folder::new();
    folder.npy("x.npy", &[rows, 3, 6, 6]);
    let line = format!("run net.dla --input x.npy --plan {plan} --trace t.json");
    folder.run(&line).expect(0);
    let text = std::fs::read_to_string(folder.path("t.json")).unwrap();
    let trace: serde_json::Value = serde_json::from_str(&text).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let name = |tid: &serde_json::Value| {
        let named = |e: &&serde_json::Value| e["name"] == "thread_name" && e["tid"] == *tid;
        let event = events.iter().find(named).unwrap();
        event["args"]["name"].as_str().unwrap().to_string()
    };
    let complete = events.iter().filter(|e| e["ph"] == "X");
    complete
        .map(|e| (name(&e["tid"]), e["name"].as_str().unwrap().to_string()))
        .collect()
}

#[test]
fn the_pipeline_obeys_the_same_commands_for_the_same_event_order() {
    let text = "gpu=2x6,dla0=3x4,dla1=1x5,suffix=29";
    let plan: Plan = text.parse().unwrap();
    let real = real_run(text, plan.total());
    let mut schedule = Schedule::new(&plan, true);
    let mut open = Vec::new();
    let mut commands = schedule.start(&[]);
    for (device, name) in &real {
        open.extend(commands.drain(..).filter_map(|c| match c {
            Command::Run(task) => Some(task),
            Command::Keep(_) | Command::Done | Command::Fail(_) => None,
        }));
        let task = open.iter().position(|t| t.device.to_string() == *device);
        let task = open.remove(task.expect("the device has work"));
        let stage = format!("{:?}", task.phase).to_lowercase();
        assert_eq!(*name, format!("{stage} {}..{}", task.rows.start, task.rows.end));
        commands = schedule.handle(Event::Finished(task.id));
    }
    assert_eq!(commands.last(), Some(&Command::Done));
    let simulated = run(text, Flow::PrefixSuffix, &FAKE);
    for device in plan.devices() {
        let names = |s: &&tvm_dla::trace::Span| s.track == Track::Device(device);
        let simulated: Vec<String> = simulated.spans.iter().filter(names).map(|s| s.name()).collect();
        let real = real.iter().filter(|(d, _)| *d == device.to_string());
        let real: Vec<String> = real.map(|(_, name)| name.clone()).collect();
        assert_eq!(simulated, real, "{device}");
    }
}

#[test]
fn golden_timelines() {
    let shared = Fake {
        submit: 4.0,
        host: HostCosts {
            run_us: 20.0,
            merge_us: 35.0,
        },
        bandwidth: 12.0,
        ..FAKE
    };
    for (name, plan, flow) in [
        ("gpu_only", "gpu=16x4", Flow::Whole),
        (
            "shared",
            "gpu=16x4,dla0=8x4,dla1=8x4,suffix=64",
            Flow::PrefixSuffix,
        ),
    ] {
        let timeline = run(plan, flow, &shared).timeline(&format!("{plan}, simulated with made-up costs"));
        golden(&format!("{name}.trace.json"), &timeline.to_trace_events());
        golden(&format!("{name}.svg"), &timeline.to_gantt());
    }
}

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == want,
        "{name} differs from its golden file; if that is meant: UPDATE_GOLDEN=1 cargo test --test command"
    );
}

fn plans() -> impl Strategy<Value = Plan> {
    let how = (1usize..3, any::<bool>());
    (1usize..20, 1usize..30, 1usize..20, 1usize..30, 0usize..30, how).prop_map(
        |(n_g, r_g, n_d, r_d, r_1, (engines, pipelined))| {
            let mut text = format!("gpu={n_g}x{r_g},dla0={n_d}x{r_d}");
            if r_1 > 0 {
                text += &format!(",dla1={n_d}x{r_1}");
            }
            text += &format!(",engines={engines}");
            let mut plan: Plan = text.parse().unwrap();
            if pipelined {
                plan.mode = Mode::Pipelined;
                plan.suffix_batch /= (2..=plan.total())
                    .find(|n| plan.total().is_multiple_of(*n))
                    .unwrap_or(1);
            }
            plan
        },
    )
}

fn fakes() -> impl Strategy<Value = Fake> {
    (
        0.1f64..100.0,
        0.1f64..100.0,
        0.0f64..10.0,
        0.0f64..9.0,
        1.0f64..40.0,
    )
        .prop_map(|(gpu, dla, suffix, submit, bandwidth)| Fake {
            gpu,
            dla,
            suffix,
            submit,
            bandwidth,
            ..FAKE
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn busy_times_traffic_and_order_hold_for_any_costs(plan in plans(), costs in fakes(), seed: u64) {
        let noise = Noise::new(0.3, seed).unwrap();
        let got = simulate(&plan, Flow::PrefixSuffix, &costs, noise).unwrap();
        let busy: f64 = got.devices.values().map(|d| d.busy_us).sum();
        prop_assert!(busy <= got.makespan_us * got.devices.len() as f64 + 1e-3);
        prop_assert_eq!(got.bytes(), 2 * plan.total() as u64 * costs.bytes_per_row, "prefix and suffix, every row once");
        prop_assert_eq!(got.devices.values().map(|d| d.rows).sum::<usize>(), plan.total());
        for device in got.devices.keys() {
            let mut end = 0.0;
            for span in got.spans.iter().filter(|s| s.track == Track::Device(*device)) {
                prop_assert!(span.start_us + 1e-3 >= end, "one at a time");
                end = span.end_us();
            }
        }
        let last = got.spans.iter().map(|s| s.end_us()).fold(0.0, f64::max);
        prop_assert!((last - got.makespan_us).abs() < 1e-3);
    }

    #[test]
    fn without_contention_devices_are_independent(plan in plans(), costs in fakes()) {
        let costs = Fake { bandwidth: f64::INFINITY, ..costs };
        let got = simulate(&plan, Flow::Prefix, &costs, Noise::NONE).unwrap();
        for device in plan.devices() {
            let mut alone = plan.clone();
            alone.prefix.retain(|s| s.device == device);
            let alone = simulate(&alone, Flow::Prefix, &costs, Noise::NONE).unwrap();
            let (together, alone) = (got.devices[&device].busy_us, alone.makespan_us);
            prop_assert!((together - alone).abs() < 1e-3 * (1.0 + alone), "{device}: {together} {alone}");
        }
    }

    #[test]
    fn contention_only_costs_and_never_more_than_taking_turns(plan in plans(), costs in fakes()) {
        let free = Fake { bandwidth: f64::INFINITY, ..costs };
        let tight = simulate(&plan, Flow::PrefixSuffix, &costs, Noise::NONE).unwrap();
        let loose = simulate(&plan, Flow::PrefixSuffix, &free, Noise::NONE).unwrap();
        for (device, loose) in &loose.devices {
            let tight = tight.devices[device].busy_us;
            prop_assert!(tight * (1.0 + 1e-9) + 1e-3 >= loose.busy_us, "{device}: {tight} {}", loose.busy_us);
        }
        // Where suffixes run between prefixes, maps that come later may let the GPU take them in a better order.
        let ordered = plan.mode == Mode::Merged;
        prop_assert!(!ordered || tight.makespan_us + 1e-3 >= loose.makespan_us);
        let traffic = tight.bytes() as f64 / 1e3 / costs.bandwidth;
        prop_assert!(tight.makespan_us + 1e-3 * tight.makespan_us >= traffic, "faster than the memory");
    }
}
