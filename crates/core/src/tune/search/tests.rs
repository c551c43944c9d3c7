use proptest::prelude::*;

use super::*;
use crate::graph::{Activation, GraphBuilder, Op, PoolKind};
use crate::plan::{Mode, Plan, StageKind};
use crate::sim::{ExecutionCost, HostCosts, Load};

const DLAS: [Device; 2] = [Device::Dla(0), Device::Dla(1)];

/// Microseconds: a fixed part per execution and one per row; engines that run together share a bandwidth.
#[derive(Debug, Clone, Copy)]
struct Fake {
    gpu: [f64; 2],
    dla: [f64; 2],
    suffix: [f64; 2],
    submit: f64,
    merge: f64,
    /// GB/s of memory, and bytes per row.
    memory: f64,
    bytes: u64,
}

/// A GPU of 432 rows/s and DLAs of 110, as in the paper, with its cost of sharing.
const PAPER: Fake = Fake {
    gpu: [400.0, 2300.0],
    dla: [600.0, 9000.0],
    suffix: [100.0, 20.0],
    submit: 100.0,
    merge: 12_000.0,
    memory: 40.0,
    bytes: 20_000_000,
};

impl Costs for Fake {
    fn execution(&self, stage: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String> {
        let rows = batch as f64;
        let line = |[fixed, row]: [f64; 2]| fixed + row * rows;
        let (alone_us, submit_us) = match (stage, device) {
            (StageKind::Suffix, Device::Gpu) => (line(self.suffix), 0.0),
            (StageKind::Suffix | StageKind::Whole, Device::Dla(_)) => return Err("no".into()),
            (StageKind::Whole, Device::Gpu) => (line(self.gpu) + self.suffix[1] * rows, 0.0),
            (StageKind::Prefix, Device::Gpu) => (line(self.gpu), 0.0),
            (StageKind::Prefix, Device::Dla(_)) => (line(self.dla), self.submit),
        };
        Ok(ExecutionCost {
            alone_us,
            submit_us,
            bytes: self.bytes * batch as u64,
        })
    }

    fn slow_down(&self, loads: &[Load]) -> Vec<f64> {
        let total: f64 = loads.iter().map(|load| load.demand).sum();
        vec![(total / self.memory).max(1.0); loads.len()]
    }

    fn host(&self, shared: bool) -> HostCosts {
        HostCosts {
            run_us: 50.0,
            merge_us: if shared { self.merge } else { 0.0 },
        }
    }
}

fn way<'a>(cut: &str, costs: &'a Fake) -> Way<'a> {
    let bytes = |row| Footprint { weights: 1000, row };
    Way {
        cut: match cut {
            "" => Cut::Longest,
            node => Cut::After(node.into()),
        },
        suffix: true,
        dla_rows: 64,
        costs,
        prefix_bytes: bytes(100),
        suffix_bytes: bytes(10),
        crossing: 5,
    }
}

fn space<'a>(costs: &'a Fake, ways: Vec<Way<'a>>) -> Space<'a> {
    Space {
        whole: costs,
        whole_bytes: Footprint {
            weights: 2000,
            row: 100,
        },
        io: 7,
        ways,
        dlas: DLAS.to_vec(),
        unit: None,
        jitter: 0.1,
        limits: Limits::default(),
    }
}

fn rate(space: &Space<'_>, plan: &Plan) -> f64 {
    space.figures(plan, None).unwrap().rows_per_second
}

/// What is known of a network whose rows are computed one by one.
struct OneRow(Fake);

impl Costs for OneRow {
    fn execution(&self, stage: StageKind, on: Device, batch: usize) -> Result<ExecutionCost, String> {
        match batch {
            1 => self.0.execution(stage, on, 1),
            more => Err(format!("{more} rows are never one execution")),
        }
    }

    fn slow_down(&self, loads: &[Load]) -> Vec<f64> {
        self.0.slow_down(loads)
    }

    fn host(&self, shared: bool) -> HostCosts {
        self.0.host(shared)
    }
}

#[test]
fn rows_that_go_one_by_one_are_dealt_so_by_every_strategy() {
    let costs = OneRow(PAPER);
    let free = space(&PAPER, vec![way("", &PAPER)]);
    let mut way = way("", &PAPER);
    way.costs = &costs;
    let space = Space {
        whole: &costs,
        unit: Some(1),
        ways: vec![way],
        ..free
    };
    for rows in [1, 2, 7, 16, 100] {
        let best = search(&space, rows, &Goal::Throughput).unwrap().best;
        let all = exhaustive(&space, rows.min(16), &Goal::Throughput).unwrap().best;
        let found = best.into_iter().chain(all).map(|figures| figures.plan);
        let named = [gpu_only(&space, rows), paper(&space, rows), kcc(&space, rows)];
        for plan in found.chain(named.map(Result::unwrap)) {
            let one = plan.prefix.iter().all(|share| share.batch == 1);
            assert!(one && plan.suffix_batch == 1, "{rows}: {plan}");
            plan.validate(plan.total(), &[Device::Gpu, DLAS[0], DLAS[1]])
                .unwrap();
        }
    }
}

/// What is known of a network whose executions take this many rows.
struct Twos(Fake);

impl Costs for Twos {
    fn execution(&self, stage: StageKind, on: Device, batch: usize) -> Result<ExecutionCost, String> {
        match batch {
            2 => self.0.execution(stage, on, 2),
            other => Err(format!("{other} rows are never one execution")),
        }
    }
}

#[test]
fn rows_that_go_two_by_two_are_dealt_so_by_every_strategy() {
    let costs = Twos(PAPER);
    let free = space(&PAPER, vec![way("", &PAPER)]);
    let mut way = way("", &PAPER);
    way.costs = &costs;
    let space = Space {
        whole: &costs,
        unit: Some(2),
        ways: vec![way],
        ..free
    };
    for rows in [2, 4, 14, 16, 100] {
        let found = search(&space, rows, &Goal::Throughput).unwrap();
        let named = [gpu_only(&space, rows), paper(&space, rows), kcc(&space, rows)];
        let plans = found.best.iter().map(|figures| figures.plan.clone());
        for plan in plans.chain(named.map(Result::unwrap)) {
            let two = plan.prefix.iter().all(|share| share.batch == 2);
            assert!(two && plan.suffix_batch == 2, "{rows}: {plan}");
            assert_eq!(plan.total(), rows, "{plan}");
            plan.validate(rows, &[Device::Gpu, DLAS[0], DLAS[1]]).unwrap();
        }
        let best = &found.best[0];
        let again = rate(&space, &best.plan);
        assert!((best.rows_per_second / again - 1.0).abs() < 1e-9, "{rows}");
        assert!(best.rows_per_second <= found.bound.rows_per_second() * (1.0 + 1e-9));
        assert_eq!(best.memory, space.memory(&best.plan), "{rows}");
    }
    let error = search(&space, 3, &Goal::Throughput).unwrap_err();
    assert!(error.to_string().contains("only in batches of 2"), "{error}");
    let (any, tried) = search_any(&space, 64, &Goal::Throughput).unwrap();
    assert!(
        tried
            .iter()
            .chain([&any])
            .all(|f| f.best[0].plan.total() % 2 == 0)
    );
}

#[test]
fn never_worse_than_the_named_strategies_nor_better_than_the_bound() {
    let space = space(&PAPER, vec![way("", &PAPER)]);
    for rows in [1, 2, 4, 7, 16, 31, 64, 100, 256, 2048] {
        let found = search(&space, rows, &Goal::Throughput).unwrap();
        let best = &found.best[0];
        best.plan
            .validate(rows, &[Device::Gpu, DLAS[0], DLAS[1]])
            .unwrap();
        for plan in [gpu_only(&space, rows), paper(&space, rows), kcc(&space, rows)] {
            let plan = plan.unwrap();
            plan.validate(rows, &[Device::Gpu, DLAS[0], DLAS[1]]).unwrap();
            assert!(
                best.rows_per_second >= rate(&space, &plan) * (1.0 - 1e-6),
                "{rows}: {} {plan}",
                best.plan
            );
        }
        let bound = found.bound.rows_per_second();
        assert!(
            best.rows_per_second <= bound * (1.0 + 1e-9),
            "{rows}: {bound} {}",
            best.plan
        );
    }
}

#[test]
fn the_best_plans_are_not_one_plan_in_disguise() {
    let space = space(&PAPER, vec![way("", &PAPER)]);
    for rows in [3, 12, 24, 256] {
        let best = search(&space, rows, &Goal::Throughput).unwrap().best;
        for (at, one) in best.iter().enumerate() {
            let rest = &best[at + 1..];
            assert!(rest.iter().all(|f| f.plan != one.plan), "{rows}: {}", one.plan);
            let same = rest.iter().filter(|f| f.plan.prefix == one.plan.prefix);
            assert!(same.count() <= 1, "{rows}: {}", one.plan);
        }
        let prefixes: Vec<_> = best.iter().map(|f| &f.plan.prefix).collect();
        assert!(prefixes.iter().any(|p| *p != prefixes[0]), "{rows}");
    }
}

#[test]
fn small_batches_stay_on_the_gpu_and_large_ones_are_shared() {
    let space = space(&PAPER, vec![way("", &PAPER)]);
    for (rows, alone, why) in [
        (1, true, "nothing to share"),
        (4, true, "the paper lost a factor of 3 here"),
        (8, true, "the merge costs more than the DLAs give"),
        (256, false, "the merge is 2 % of the run"),
    ] {
        let found = search(&space, rows, &Goal::Throughput).unwrap();
        assert_eq!(found.best[0].plan.gpu_alone(), alone, "{rows}: {why}");
    }
}

#[test]
fn the_search_finds_what_each_cost_asks_for() {
    let heavy_suffix = Fake {
        suffix: [50.0, 800.0],
        ..PAPER
    };
    let slow_submit = Fake {
        submit: 9000.0,
        merge: 0.0,
        ..PAPER
    };
    let late = Fake {
        dla: [600.0, 60_000.0],
        ..PAPER
    };
    let early = Fake {
        gpu: [400.0, 2000.0],
        dla: [600.0, 5000.0],
        suffix: [100.0, 320.0],
        ..PAPER
    };
    let best = |ways: Vec<Way<'_>>| {
        let found = search(&space(&PAPER, ways), 512, &Goal::Throughput).unwrap();
        found.best[0].plan.clone()
    };
    let plan = best(vec![way("", &heavy_suffix)]);
    assert_eq!(
        plan.mode,
        Mode::Pipelined,
        "a suffix that would leave the DLAs idle: {plan}"
    );
    let plan = best(vec![Way {
        dla_rows: 2,
        ..way("", &slow_submit)
    }]);
    assert_eq!(plan.engines, 2, "submissions as long as a row: {plan}");
    let plan = best(vec![way("", &late), way("conv", &early)]);
    assert_eq!(plan.cut, Cut::After("conv".into()), "{plan}");
}

#[test]
fn goals_and_limits_that_cannot_be_kept_name_the_nearest() {
    let ways = || vec![way("", &PAPER)];
    let free = space(&PAPER, ways());
    let error = search(&free, 64, &Goal::Latency { p99_ms: 1.0 }).unwrap_err();
    let SearchError::Infeasible(Infeasible::Latency { nearest, .. }) = &error else {
        panic!("{error}");
    };
    let kept = Goal::Latency { p99_ms: *nearest };
    assert!(search(&free, 64, &kept).is_ok(), "the nearest can be kept");
    let least = search(&free, 64, &Goal::Throughput).unwrap();
    let least = least.best.iter().map(|f| f.memory).min().unwrap();
    for (limits, want) in [
        (
            Limits {
                memory: Some(1),
                engines: None,
            },
            "fits in 1 bytes of memory",
        ),
        (
            Limits {
                memory: None,
                engines: Some(0),
            },
            "needs 0 engines or fewer",
        ),
    ] {
        let tight = Space {
            limits,
            ..space(&PAPER, ways())
        };
        let error = search(&tight, 64, &Goal::Throughput).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    let limits = Limits {
        memory: Some(least - 1),
        engines: Some(2),
    };
    let tight = Space {
        limits,
        ..space(&PAPER, ways())
    };
    for figures in search(&tight, 64, &Goal::Throughput).unwrap().best {
        assert!(figures.memory < least && figures.engines <= 2, "{figures:?}");
    }
}

#[test]
fn energy_goes_to_the_device_that_needs_least() {
    let space = space(&PAPER, vec![way("", &PAPER)]);
    for (power, alone, why) in [
        (
            "idle=0,gpu=10,dla=0.5",
            false,
            "a DLA row costs a fifth of a GPU row",
        ),
        ("idle=0,gpu=1,dla=5", true, "a DLA row costs twenty times as much"),
    ] {
        let goal = Goal::Energy(power.parse().unwrap());
        let best = search(&space, 256, &goal).unwrap().best.remove(0);
        assert_eq!(best.plan.gpu_alone(), alone, "{why}: {}", best.plan);
        assert!(best.joules_per_row.unwrap() > 0.0);
    }
    for text in [
        "",
        "idle=1",
        "idle=1,gpu=1,dla=x",
        "idle=1,gpu=-1,dla=1",
        "idle=1,idle=1,gpu=1,dla=1",
    ] {
        assert!(text.parse::<Power>().is_err(), "{text}");
    }
}

#[test]
fn any_batch_is_found_within_a_latency_bound() {
    let space = space(&PAPER, vec![way("", &PAPER)]);
    let goal = Goal::Latency { p99_ms: 100.0 };
    let (found, tried) = search_any(&space, 256, &goal).unwrap();
    let best = &found.best[0];
    assert!(best.p99_ms.unwrap() <= 100.0);
    assert!(
        tried
            .iter()
            .all(|f| f.best[0].rows_per_second <= best.rows_per_second)
    );
    let rows = best.plan.total();
    assert!((16..64).contains(&rows), "100 ms are about 40 rows: {rows}");
    let error = search_any(&space, 256, &Goal::Latency { p99_ms: 0.5 }).unwrap_err();
    let SearchError::Infeasible(infeasible) = error else {
        panic!("{error}");
    };
    assert!(
        infeasible.to_string().contains("no plan for 1 row "),
        "{infeasible}"
    );
    assert!(infeasible.help().contains("the nearest bound that can be kept"));
}

#[test]
fn memory_is_what_lives_at_the_same_time() {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[2, 4, 2, 2]);
    let w = b.weight("w", &[3, 4], vec![0.0; 12]);
    let r = b.node("r", Op::Activation(Activation::Relu), &[x]).unwrap();
    let p = b.node("p", Op::GlobalPool(PoolKind::Max), &[r]).unwrap();
    let f = b.node("f", Op::Flatten, &[p]).unwrap();
    let y = b.node("y", Op::Dense, &[f, w]).unwrap();
    b.output(y);
    let got = footprint(&b.finish().unwrap(), 2);
    assert_eq!(got.weights, 24, "12 elements of 2 bytes");
    assert_eq!(got.row, 64, "x and r, 16 elements each");
    let space = space(&PAPER, vec![way("", &PAPER)]);
    for (plan, want, why) in [
        ("gpu=4x2", 2000 + 400 + 8 * 7, "one engine uncut, rows in and out"),
        (
            "gpu=4x1,dla0=2x2,suffix=8",
            (1000 + 400) + (1000 + 200) + (1000 + 80) + 8 * 12,
            "two prefixes, a suffix, and the rows that cross",
        ),
        (
            "gpu=4x1,dla0=2x2,suffix=8,engines=2",
            2 * (1400 + 1200 + 1080) + 8 * 12,
            "twice the engines",
        ),
    ] {
        assert_eq!(space.memory(&plan.parse().unwrap()), want, "{plan}: {why}");
    }
    assert_eq!(space.engines(&"gpu=4x1,dla0=2x2,engines=2".parse().unwrap()), 6);
}

/// Two cuts of one network: the GPU's work per row is the same wherever it is cut.
fn cuts() -> impl Strategy<Value = [Fake; 2]> {
    let fixed = (0.0f64..2000.0, 0.0f64..4000.0, 0.0f64..500.0);
    let row = (100.0f64..3000.0, 1.0f64..6.0, 0.05f64..0.95, 0.05f64..0.95);
    let board = (0.0f64..2000.0, 0.0f64..15_000.0, 5.0f64..200.0);
    (fixed, row, board).prop_map(|((gpu, dla, suffix), (work, slower, late, early), board)| {
        let (submit, merge, memory) = board;
        [late.max(early), late.min(early)].map(|share| Fake {
            gpu: [gpu, work * share],
            dla: [dla, work * share * slower],
            suffix: [suffix, work * (1.0 - share)],
            submit,
            merge,
            memory,
            bytes: 10_000_000,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Issue 6: within 1 % of the exhaustive optimum.
    #[test]
    fn the_search_is_within_one_percent_of_trying_everything([late, early] in cuts(), rows in 9usize..14) {
        let space = space(&late, vec![way("", &late), way("conv", &early)]);
        let want = exhaustive(&space, rows, &Goal::Throughput).unwrap();
        let got = search(&space, rows, &Goal::Throughput).unwrap();
        let (got, want) = (&got.best[0], &want.best[0]);
        prop_assert!(got.rows_per_second >= want.rows_per_second * 0.99, "{} {} instead of {} {}", got.plan, got.rows_per_second, want.plan, want.rows_per_second);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Trying everything leaves plans out by it.
    #[test]
    fn no_plan_costs_less_than_its_floor(
        [late, early] in cuts(),
        (n_g, n_d, r_d) in (1usize..9, 1usize..6, prop::collection::vec(1usize..4, 1..=2)),
        rest in 0usize..12,
        (parts, pipelined, engines) in (1usize..5, any::<bool>(), 1usize..=2),
        energy in any::<bool>(),
    ) {
        let space = space(&late, vec![way("", &late), way("conv", &early)]);
        let rows = n_d * r_d.iter().sum::<usize>() + rest;
        let goal = if energy { Goal::Energy("idle=2,gpu=7,dla=1".parse().unwrap()) } else { Goal::Throughput };
        let times = Times::new(&space);
        let floor = floor::Floor { times: &times, rows, goal: &goal };
        let mut judge = Judge::new(&space, &goal);
        for gpu in [true, false] {
            let genome = Genome {
                way: Some(usize::from(pipelined)),
                gpu,
                n_g,
                n_d,
                r_d: r_d.clone(),
                mode: if pipelined { Mode::Pipelined } else { Mode::Merged },
                suffix: if rows % parts == 0 { rows / parts } else { rows },
                engines,
            };
            let cost = judge.judge_genome(&genome, rows).unwrap();
            let least = floor.of(&genome).unwrap();
            prop_assert!(least <= cost * (1.0 + 1e-9), "{genome:?}: {least} {cost}");
        }
    }
}
