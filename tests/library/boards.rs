//! The board model: board files, what must hold whatever the constants are, and the paper's figure.

use std::sync::Arc;

use crate::cli_support::Folder;
use proptest::prelude::*;
use tvm_dla::board::{
    Arithmetic, Board, BoardCosts, BoardError, Constants, DEFINITIONS, Dla, FittedModel, Framework, Gpu,
    Kind, Machine, Setting, Target, builtin, layers, named, slow_down,
};
use tvm_dla::engine::StageKind;
use tvm_dla::fit::{network, observations, paper_parts, rows};
use tvm_dla::graph::{Conv2d, DType, Graph, GraphBuilder, Op, Padding2d};
use tvm_dla::plan::Device;
use tvm_dla::report::{Bar, Comparison, published};
use tvm_dla::sim::{Choice, Costs, Load, Network, Noise, best, sweep};
use tvm_dla::split::{Chip, DlaTarget, Precision, Version, cut};

const NX: &str = include_str!("../../data/boards/xavier-nx.json");

#[test]
fn a_bad_board_file_is_refused_with_line_and_field() {
    let cases = [
        (
            "\"gpu_mhz\": 803.25",
            "\"gpu_mhz\": \"fast\"",
            "modes[3].gpu_mhz",
            "invalid type: string \"fast\", expected f64",
        ),
        (
            "\"gpu_mhz\": 803.25",
            "\"gpu_mhz\": -1",
            "modes[3].gpu_mhz",
            "-1 MHz is not between 1 and 100000",
        ),
        (
            "\"gpu_mhz\": 803.25",
            "\"gpu_mhz\": 1e9",
            "modes[3].gpu_mhz",
            "1000000000 MHz is not between 1 and 100000",
        ),
        (
            "\"gpu_mhz\": 803.25",
            "\"gpu_mhz\": 1e-9",
            "modes[3].gpu_mhz",
            "0.000000001 MHz is not between 1 and 100000",
        ),
        (
            "\"sms\": 6",
            "\"sms\": 0",
            "gpu.sms",
            "0 is not between 1 and 1024",
        ),
        (
            "\"cores\": 2",
            "\"cores\": 3",
            "dla.cores",
            "3 cores; there are 0, 1 or 2",
        ),
        (
            "\"bits\": 128",
            "\"bytes\": 16",
            "memory.bytes",
            "unknown field `bytes`, expected `bits`",
        ),
        (
            "\"chip\": \"xavier\"",
            "\"chip\": \"thor\"",
            "chip",
            "unknown variant `thor`, expected `xavier` or `orin`",
        ),
        (
            "\"name\": \"10W\"",
            "\"name\": \" \"",
            "modes[3].name",
            "is empty",
        ),
        (
            "\"name\": \"10W\"",
            "\"name\": \"15w\"",
            "modes[3].name",
            "the mode `15w` is there twice",
        ),
        (
            "\"default_mode\": \"15W\"",
            "\"default_mode\": \"7W\"",
            "default_mode",
            "no mode is called `7W`",
        ),
        (
            "\"gpu_mhz\": 803.25",
            "\"gpu_sms\": 9, \"gpu_mhz\": 803.25",
            "modes[3].gpu_sms",
            "more than the 6 that the GPU has",
        ),
    ];
    for (good, bad, want, why) in cases {
        let text = NX.replacen(good, bad, 1);
        assert_ne!(text, NX, "{good} is not there");
        let line = text.lines().position(|l| l.contains(bad)).unwrap() + 1;
        match Board::parse(&text).unwrap_err() {
            BoardError::Field {
                line: at,
                field,
                reason,
            } => {
                assert_eq!((field.as_str(), reason.as_str()), (want, why), "{bad}");
                assert!(at == line || at == line + 1, "{bad}: line {at} instead of {line}");
            }
            other => panic!("{bad}: {other}"),
        }
    }
    for cutoff in [0, 1, NX.len() / 2, NX.len() - 3] {
        assert!(Board::parse(&NX[..cutoff]).is_err(), "cut at {cutoff}");
    }
    assert!(Board::parse(&format!("{NX} x")).is_err(), "more than one value");
}

/// Peaks that NVIDIA publishes or that follow from them, in TFLOPS, TOPS and GB/s.
#[test]
fn boards_have_the_published_peaks() {
    let cases = [
        ("xavier-nx", "15W", 6.82, 13.63, 2.25, 4.51, 51.2),
        ("xavier-nx", "20W", 6.82, 13.63, 2.25, 4.51, 59.7),
        ("agx-xavier", "MAXN", 11.28, 22.56, 2.86, 5.71, 136.5),
        ("agx-xavier", "10W", 2.13, 4.26, 1.13, 2.25, 68.2),
        ("agx-orin", "MAXN", 42.61, 85.23, 0.82, 26.21, 204.8),
        ("agx-orin", "15W", 5.01, 10.03, 0.31, 10.07, 136.5),
        ("orin-nx", "25W", 15.04, 30.08, 0.31, 10.07, 102.4),
    ];
    for (board, mode, fp16, int8, dla_fp16, dla_int8, dram) in cases {
        let machine = named(board).unwrap().machine(Some(mode)).unwrap();
        let gpu = |a| 2.0 * machine.sm_peak(a) * machine.sms() / 1e6;
        let dla = |a| 2.0 * machine.dla_peak(a).unwrap() / 1e6;
        let pairs = [
            (gpu(Arithmetic::Fp16), fp16),
            (gpu(Arithmetic::Int8), int8),
            (dla(Arithmetic::Fp16), dla_fp16),
            (dla(Arithmetic::Int8), dla_int8),
            (machine.dram() / 1e3, dram),
        ];
        for (got, want) in pairs {
            assert!(
                (got / want - 1.0).abs() < 0.016,
                "{board} {mode}: {got} instead of {want}"
            );
        }
    }
    assert!(
        builtin().iter().all(|b| !b.sources.is_empty()),
        "every board has its sources"
    );
}

#[test]
fn unknown_boards_and_modes_name_the_nearest() {
    let error = named("xavier-nz").unwrap_err().to_string();
    assert!(error.contains("nearest is `xavier-nx`"), "{error}");
    let error = named("agx-orin")
        .unwrap()
        .machine(Some("40W"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("MAXN, 50W, 30W, 15W"), "{error}");
}

#[test]
fn the_constants_file_has_every_constant_once() {
    let stored = FittedModel::stored();
    let names: Vec<_> = stored.constants.iter().map(|c| c.name).collect();
    let wanted: Vec<_> = DEFINITIONS.iter().map(|d| d.key).collect();
    assert_eq!(names, wanted, "run scripts/fit_boards");
    for constant in &stored.constants {
        assert!(constant.value.is_finite() && constant.value > 0.0, "{constant:?}");
        assert!(
            !constant.unit.is_empty() && !constant.origin.is_empty(),
            "{constant:?}"
        );
    }
}

#[test]
fn layers_are_fused_as_tensorrt_fuses_them() {
    let of = |name: &str, target| layers(&network(name).unwrap().unwrap(), target);
    let count = |name: &str, target, kind| of(name, target).iter().filter(|l| l.kind == kind).count();
    let cases = [
        (
            "resnet50",
            Target::Gpu,
            Kind::Convolution,
            53,
            "batch norm, ReLU and addition are inside",
        ),
        (
            "resnet50",
            Target::Gpu,
            Kind::Pointwise,
            0,
            "so no element-wise kernel is left",
        ),
        (
            "GoogLeNet",
            Target::Gpu,
            Kind::Convolution,
            3 + 9 * 4,
            "three 1x1 convolutions of a block are one",
        ),
        (
            "GoogLeNet",
            Target::Dla,
            Kind::Convolution,
            3 + 9 * 6,
            "on a DLA they are not",
        ),
        (
            "GoogLeNet",
            Target::Gpu,
            Kind::Move,
            9,
            "one copy per block, as in the profile",
        ),
        ("GoogLeNet", Target::Dla, Kind::Move, 0, "written in place"),
        ("MobileNet", Target::Gpu, Kind::Depthwise, 13, "one per pair"),
        (
            "densenet121",
            Target::Gpu,
            Kind::Pointwise,
            62,
            "batch norm and ReLU after a concatenation",
        ),
    ];
    for (name, target, kind, want, why) in cases {
        assert_eq!(count(name, target, kind), want, "{name}, {kind:?}: {why}");
    }
    let macs: f64 = of("resnet50", Target::Gpu).iter().map(|l| l.macs).sum();
    assert!(
        (macs / 4.09e9 - 1.0).abs() < 0.01,
        "ResNet-50 has 4.1 G multiply-accumulates: {macs}"
    );
    let macs: f64 = of("SSD-ResNet34", Target::Gpu).iter().map(|l| l.macs).sum();
    assert!(
        (macs / 216.5e9 - 1.0).abs() < 0.02,
        "MLPerf states 433 G operations: {macs}"
    );
}

#[test]
fn every_measured_network_is_described_and_used() {
    let rows = rows().unwrap();
    let (used, unused) = observations(&rows);
    assert_eq!(rows.len(), used.len() + unused.len());
    assert!(used.len() >= 340, "{} rows are used", used.len());
    let constants = Constants::fitted();
    for observation in &used {
        let error = observation.error(&constants);
        assert!(
            error.is_finite() && error.abs() < 2.3,
            "{}: {error}",
            observation.id
        );
    }
}

fn setting(machine: Machine, contention: bool) -> Setting {
    Setting {
        machine,
        precision: Precision::Int8,
        gpu: Arithmetic::Int8,
        framework: Framework::Native,
        graph: false,
        contention,
    }
}

fn convolution(channels: usize, maps: usize, side: usize, kernel: usize) -> Graph {
    let mut b = GraphBuilder::new("one");
    let x = b.input("x", &[1, channels, side, side]);
    let shape = [maps, channels, kernel, kernel];
    // Zeros that nobody reads take no memory.
    let zeros = vec![0u8; 4 * shape.iter().product::<usize>()];
    let w = b.tensor("w", &shape, DType::F32, Some(Arc::new(zeros)));
    let conv = Conv2d {
        stride: [1, 1],
        padding: Padding2d::uniform(kernel / 2),
        dilation: [1, 1],
        groups: 1,
    };
    let y = b.node("conv", Op::Conv2d(conv), &[x, w]).unwrap();
    b.output(y);
    b.finish().unwrap()
}

fn machines() -> impl Strategy<Value = Machine> {
    let all: Vec<Machine> = builtin()
        .iter()
        .flat_map(|b| b.modes.iter().map(|m| b.machine(Some(&m.name.0)).unwrap()))
        .collect();
    proptest::sample::select(all)
}

/// Constants around the fitted ones, but no faster than hardware.
fn constants() -> impl Strategy<Value = Constants> {
    proptest::collection::vec(0.5f64..1.2, DEFINITIONS.len()).prop_map(|factors| {
        let mut constants = Constants::fitted();
        for (definition, factor) in DEFINITIONS.iter().zip(factors) {
            constants.set(definition.key, constants.get(definition.key) * factor);
        }
        constants
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn more_work_never_takes_less_time(
        machine in machines(), constants in constants(), rows in 1usize..200, channels in 1usize..300,
        maps in 1usize..300, side in 4usize..60, kernel in prop::sample::select(vec![1usize, 3, 5]),
    ) {
        let time = |rows: usize, channels, maps, side| {
            let graph = convolution(channels, maps, side, kernel);
            let gpu = Gpu { machine: &machine, constants: &constants, arithmetic: Arithmetic::Int8, graph: false };
            let dla = Dla { machine: &machine, constants: &constants, arithmetic: Arithmetic::Int8 };
            let layer = &layers(&graph, Target::Dla)[0];
            [gpu.time(layer, rows as f64), dla.time(layer, rows as f64)]
        };
        let small = time(rows, channels, maps, side);
        let larger = [
            time(rows + 1, channels, maps, side),
            time(2 * rows, channels, maps, side),
            time(rows, channels, maps + 16, side),
            time(rows, channels, maps, side + 4),
        ];
        for (index, more) in larger.iter().enumerate() {
            prop_assert!(more[0] >= small[0] - 1e-6, "GPU, case {index}: {more:?} after {small:?}");
            prop_assert!(more[1] >= small[1] - 1e-6, "DLA, case {index}: {more:?} after {small:?}");
        }
    }

    #[test]
    fn no_engine_beats_its_peak_or_the_dram(
        machine in machines(), rows in 1usize..100, channels in 1usize..400, maps in 1usize..400,
        side in 4usize..80, int8: bool,
    ) {
        let constants = Constants::fitted();
        let arithmetic = if int8 { Arithmetic::Int8 } else { Arithmetic::Fp16 };
        let graph = convolution(channels, maps, side, 3);
        let layer = &layers(&graph, Target::Gpu)[0];
        let (rows, macs) = (rows as f64, layer.macs * rows as f64);
        let gpu = Gpu { machine: &machine, constants: &constants, arithmetic, graph: false };
        let dla = Dla { machine: &machine, constants: &constants, arithmetic };
        let (gpu_time, dla_time) = (gpu.time(layer, rows), dla.time(layer, rows));
        prop_assert!(macs / gpu_time <= machine.sm_peak(arithmetic) * machine.sms());
        prop_assert!(macs / dla_time <= machine.dla_peak(arithmetic).unwrap());
        let weights = layer.weights * arithmetic.bytes();
        prop_assert!(weights / gpu_time <= machine.dram(), "weights come from the DRAM");
        prop_assert!(dla.bytes(layer, rows) / dla_time <= machine.dram());
    }

    #[test]
    fn contention_only_slows_and_never_exceeds_the_dram(
        machine in machines(), constants in constants(), demands in proptest::collection::vec(0.0f64..60.0, 1..4),
    ) {
        let devices = [Device::Gpu, Device::Dla(0), Device::Dla(1)];
        let peak = machine.dram() / 1e3;
        let demands: Vec<(Device, f64)> = devices.into_iter().zip(demands).collect();
        let factors = slow_down(&machine, &constants, &demands);
        let achieved: f64 = demands.iter().zip(&factors).map(|((_, d), f)| d / f).sum();
        prop_assert!(factors.iter().all(|f| *f >= 1.0), "{factors:?}");
        prop_assert!(demands.len() == 1 || achieved <= peak * 1.000001, "{achieved} of {peak}");
        let alone = slow_down(&machine, &constants, &demands[..1]);
        prop_assert!(alone[0] == 1.0 || demands[0].1 > peak);
    }
}

/// PCCS and HaX-CoNN at once (see `contention.rs`): a GPU kernel of low demand keeps its speed beside 90 GB/s of others,
/// one of 93 GB/s falls to between 40 and 80; GoogLeNet on a DLA beside a busy GPU takes 28 % longer.
#[test]
fn contention_explains_both_published_measurements() {
    let machine = named("agx-xavier").unwrap().machine(None).unwrap();
    let constants = Constants::fitted();
    let factor = |own: (Device, f64), other: (Device, f64)| slow_down(&machine, &constants, &[own, other])[0];
    let low = factor((Device::Gpu, 9.3), (Device::Dla(0), 90.0));
    assert!(low < 1.1, "{low}");
    let high = 93.1 / factor((Device::Gpu, 93.1), (Device::Dla(0), 98.7));
    assert!((30.0..80.0).contains(&high), "{high}");
    let dla = factor((Device::Dla(0), 8.0), (Device::Gpu, 45.0));
    assert!((1.1..1.45).contains(&dla), "{dla}");
}

#[test]
fn without_contention_each_device_takes_the_time_it_takes_alone() {
    let graph = network("resnet18").unwrap().unwrap();
    let target = DlaTarget {
        chip: Chip::Orin,
        tensorrt: Version(10, 3, 0),
        precision: Precision::Int8,
    };
    let stages = cut(&graph, &target, &[]).unwrap();
    let machine = named("agx-orin").unwrap().machine(None).unwrap();
    let with = |contention| {
        BoardCosts::new(
            &graph,
            &stages,
            setting(machine.clone(), contention),
            Constants::fitted(),
        )
    };
    let loads = [
        (Device::Gpu, 60.0),
        (Device::Dla(0), 30.0),
        (Device::Dla(1), 30.0),
    ];
    let loads = loads.map(|(device, demand)| Load {
        device,
        rows: 1,
        demand,
    });
    assert_eq!(with(false).slow_down(&loads), [1.0; 3]);
    assert!(with(true).slow_down(&loads).iter().all(|f| *f > 1.0));
    let refused = [
        (StageKind::Whole, Device::Dla(0), "GPU only"),
        (StageKind::Suffix, Device::Dla(0), "GPU only"),
        (StageKind::Prefix, Device::Dla(2), "2 DLA cores"),
    ];
    for (stage, device, why) in refused {
        let error = with(true).execution(stage, device, 4).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn busy_times_stay_within_the_run() {
    let graph = network("MobileNet").unwrap().unwrap();
    for board in builtin() {
        let machine = board.machine(None).unwrap();
        let target = DlaTarget {
            chip: board.chip,
            ..DlaTarget::default()
        };
        let stages = cut(&graph, &target, &[]).unwrap();
        let dlas: Vec<Device> = (0..board.dla.cores.0).map(Device::Dla).collect();
        let costs = BoardCosts::new(&graph, &stages, setting(machine, true), Constants::fitted());
        let network = Network {
            prefix: true,
            suffix: true,
            dlas,
            dla_rows: 64,
            unit: None,
        };
        for point in sweep(&network, &[4, 64, 1024], &costs, Noise::NONE).unwrap() {
            let busy: f64 = point.devices.values().map(|d| d.busy_ms).sum();
            assert!(
                busy <= point.latency_ms * point.devices.len() as f64 + 1e-6,
                "{}: {point:?}",
                board.name
            );
        }
    }
}

/// The paper's ratios: two of them were used, see `calibrate::POINTS`.
#[test]
fn the_papers_ratios_and_its_break_even_are_met() {
    let (graph, stages, setting) = paper_parts().unwrap();
    let costs = BoardCosts::new(&graph, &stages, setting, Constants::fitted());
    let network = Network {
        prefix: true,
        suffix: true,
        dlas: vec![Device::Dla(0), Device::Dla(1)],
        dla_rows: 64,
        unit: None,
    };
    let bars = published().into_iter().map(|p| {
        let run = |choice| best(&network, choice, p.batch, &costs, Noise::NONE).unwrap();
        let (plan, shared) = run(Choice::Shared);
        let gpu = run(Choice::GpuOnly).1.rate();
        Bar {
            batch: p.batch,
            gpu,
            shared: shared.rate(),
            plan: plan.to_string(),
        }
    });
    let comparison = Comparison::new("simulated", bars.collect());
    assert_eq!(comparison.break_even(), Some((16, 32)));
    let worst = comparison.worst_ratio(16).unwrap();
    assert!(worst <= 0.07, "{worst}: {:#?}", comparison.errors);
}

#[test]
fn simulate_answers_as_a_table_and_as_json() {
    let folder = Folder::new();
    let line =
        "simulate net.dla --board xavier-nx --power-mode 20w --batch 4,64 --trace t.json --gantt t.svg";
    let run = folder.run(line).expect(0);
    assert!(
        run.stdout
            .starts_with("simulated, not measured: Jetson Xavier NX in mode 20W"),
        "{}",
        run.stdout
    );
    let trace = std::fs::read_to_string(folder.path("t.json")).unwrap();
    assert!(
        trace.contains("simulated on a Jetson Xavier NX, 20W"),
        "the trace says so too"
    );
    assert!(
        std::fs::read_to_string(folder.path("t.svg"))
            .unwrap()
            .starts_with("<svg")
    );
    let json = folder
        .run("--json simulate net.dla --board agx-orin --precision int8 --gpu-precision fp16 --batch 8")
        .json();
    assert_eq!(json["simulated"], true);
    assert_eq!(
        (json["dla_precision"].as_str(), json["gpu_precision"].as_str()),
        (Some("int8"), Some("fp16"))
    );
    assert_eq!(json["points"].as_array().unwrap().len(), 3, "GPU, DLA, both");
    assert!(!json["accuracy"].as_array().unwrap().is_empty());
    let jitter = |seed: u32| {
        folder
            .run(&format!(
                "--json simulate net.dla --board orin-nx --batch 64 --jitter 0.1 --seed {seed}"
            ))
            .stdout
    };
    assert_eq!(jitter(1), jitter(1));
    assert_ne!(jitter(1), jitter(2));
}

#[test]
fn simulate_refuses_what_it_cannot_answer() {
    let folder = Folder::new();
    folder.write("bad.json", NX.replace("\"sms\": 6", "\"sms\": 0").as_bytes());
    let cases = [
        ("--board tx2 --batch 4", "no board `tx2`"),
        (
            "--board xavier-nx --power-mode 99W --batch 4",
            "has no power mode `99W`",
        ),
        (
            "--board bad.json --batch 4",
            "board file bad.json: line 8, field `gpu.sms`: 0 is not between 1 and 1024",
        ),
        (
            "--board none.json --batch 4",
            "board file none.json: No such file",
        ),
        ("--board xavier-nx --batch 0", "invalid value '0'"),
        (
            "--board xavier-nx --batch 4 --jitter 2",
            "jitter 2 is outside 0 to 0.9",
        ),
        (
            "--board xavier-nx --precision fp32 --batch 4",
            "invalid value 'fp32'",
        ),
    ];
    for (options, why) in cases {
        let run = folder.run(&format!("simulate net.dla {options}")).expect(2);
        assert!(run.stderr.contains(why), "{options}: {}", run.stderr);
    }
}

#[test]
fn a_users_board_file_is_as_good_as_a_built_in_one() {
    let folder = Folder::new();
    folder.write(
        "mine.json",
        NX.replace("\"Jetson Xavier NX\"", "\"My board\"").as_bytes(),
    );
    let rate = |board: &str| {
        folder
            .run(&format!("--json simulate net.dla --board {board} --batch 64"))
            .json()["points"]
            .clone()
    };
    assert_eq!(rate("mine.json"), rate("xavier-nx"));
}
