mod drive;
mod networks;

use std::collections::HashSet;

use super::*;
use crate::bundle::Options;
use crate::graph::{Graph, GraphBuilder, Op, PoolKind};
use crate::plan::{Device, Plan, StageKind};
use crate::sim::{Costs, ExecutionCost, Noise, SimulatedRun};
use crate::tune::Sites;
use drive::Drive;

const ALL: [Device; 3] = [Device::Gpu, Device::Dla(0), Device::Dla(1)];

/// A network that any device runs to its end.
fn network() -> Graph {
    let mut b = GraphBuilder::new("pool");
    let x = b.input("x", &[1, 4, 8, 8]);
    let pool = b.node("pool", Op::GlobalPool(PoolKind::Max), &[x]).unwrap();
    b.output(pool);
    b.finish().unwrap()
}

fn terms(alike: bool) -> Terms {
    let sites = Sites::of(&network(), &Options::default(), 2, false).unwrap();
    Terms::new(sites, &ALL, None, alike)
}

/// Of a board's figures, in microseconds: batches take longer than what one comparison is worth.
const UNIT: f64 = 100.0;

/// Time per row, and of an execution whatever its rows.
#[derive(Clone, Copy)]
struct Board {
    gpu: f64,
    dla: [f64; 2],
    fixed: f64,
}

impl Costs for Board {
    fn execution(&self, _: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String> {
        let row = match device {
            Device::Gpu => self.gpu,
            Device::Dla(core) => self.dla[usize::from(core)],
        };
        Ok(ExecutionCost::time(UNIT * (self.fixed + row * batch as f64)))
    }
}

impl Board {
    fn run(&self, plan: &Plan, noise: Noise) -> SimulatedRun {
        drive::run(self, false, plan, noise)
    }

    /// The least time if every row could be dealt freely, without fixed costs.
    fn ideal(&self, rows: usize) -> f64 {
        UNIT * rows as f64 / (1.0 / self.gpu + 1.0 / self.dla[0] + 1.0 / self.dla[1])
    }
}

#[test]
fn a_slow_down_is_balanced_within_ten_runs_and_nothing_oscillates() {
    let fast = Board {
        gpu: 10.0,
        dla: [20.0, 20.0],
        fixed: 0.0,
    };
    for (slow, why) in [
        (Board { gpu: 20.0, ..fast }, "a throttled GPU"),
        (
            Board {
                dla: [40.0, 20.0],
                ..fast
            },
            "a slower DLA",
        ),
        (Board { gpu: 5.0, ..fast }, "a GPU that is free again"),
    ] {
        for grows in [false, true] {
            let plan: Plan = "gpu=16x16,dla0=16x8,dla1=16x8,suffix=512".parse().unwrap();
            let mut drive = Drive::new(Planner::new(terms(false), None), plan, grows);
            let early = (0..10).filter(|_| drive.step(512, &fast).1).count();
            assert!(
                early <= 2 * usize::from(grows),
                "{why}: noise alone settles, and larger executions are looked at once: {early}, grows: {grows}"
            );
            let changes = (0..10).filter(|_| drive.step(512, &slow).1).count();
            assert!((1..=5).contains(&changes), "{why}: {changes}");
            let plan = drive.plan(512);
            let settled = slow.run(&plan, Noise::NONE).makespan_us;
            let best = slow.ideal(512);
            assert!(
                settled < best * 1.1,
                "{why}: {plan} takes {settled} us after ten runs, at best {best} us"
            );
            let later: Vec<(f64, bool)> = (0..50).map(|_| drive.step(512, &slow)).collect();
            let moved = later.iter().filter(|(_, changed)| *changed).count();
            assert!(moved <= 1, "{why}: {moved} changes after it had settled");
            let mean = later.iter().map(|(us, _)| us).sum::<f64>() / later.len() as f64;
            assert!(mean < best * 1.15, "{why}: {mean} us, at best {best} us");
            plan.validate(512, &ALL).unwrap();
        }
    }
}

#[test]
fn a_session_that_knows_nothing_finds_its_devices() {
    for (board, rows, want, why) in [
        (
            Board {
                gpu: 10.0,
                dla: [20.0, 20.0],
                fixed: 5.0,
            },
            512,
            0.97,
            "both help",
        ),
        (
            Board {
                gpu: 10.0,
                dla: [40.0, 40.0],
                fixed: 30.0,
            },
            66,
            0.93,
            "both help a little",
        ),
        (
            Board {
                gpu: 10.0,
                dla: [900.0, 900.0],
                fixed: 30.0,
            },
            66,
            0.95,
            "none helps",
        ),
        (
            Board {
                gpu: 10.0,
                dla: [15.0, 300.0],
                fixed: 10.0,
            },
            256,
            0.95,
            "one helps",
        ),
    ] {
        let mut drive = Drive::new(Planner::new(terms(false), None), Plan::gpu_only(rows), true);
        drive.noise = 0.05;
        for _ in 0..10 {
            drive.step(rows, &board);
        }
        let plan = drive.plan(rows);
        let mut known = Rates::new(None, 1.0, false);
        for n in 1..=rows.min(512) {
            for device in ALL {
                let us = board.execution(StageKind::Whole, device, n).unwrap().alone_us;
                for stage in [StageKind::Whole, StageKind::Prefix] {
                    known.put(
                        Kind {
                            way: 0,
                            stage,
                            device,
                        },
                        n,
                        SeenTimes::of(&[us]).unwrap(),
                    );
                }
            }
        }
        let terms = terms(false);
        let frame = Frame::default();
        let deal = Deal::new(&terms, &known, rows, Offer::Any, &frame);
        let all = deal.alone().into_iter().chain(deal.shared());
        let best = all
            .map(|e| board.run(&e.plan, Noise::NONE).makespan_us)
            .fold(f64::INFINITY, f64::min);
        let share = best / board.run(&plan, Noise::NONE).makespan_us;
        assert!(share >= want, "{why}: {plan} reaches {share:.3} of the best");
    }
}

/// A GPU whose executions of more than so many rows take `slower` times as long per row.
struct Caches {
    rows: usize,
    slower: f64,
}

impl Costs for Caches {
    fn execution(&self, _: StageKind, _: Device, batch: usize) -> Result<ExecutionCost, String> {
        let over = batch.saturating_sub(self.rows) as f64;
        let rows = batch as f64 + over * (self.slower - 1.0);
        Ok(ExecutionCost::time(UNIT * (20.0 + 10.0 * rows)))
    }
}

#[test]
fn a_gpu_alone_finds_its_rounds_without_a_model() {
    for (rows, slower, why) in [
        (512, 1.0, "the larger the faster"),
        (256, 2.0, "larger than the first"),
        (24, 2.0, "smaller than the first"),
    ] {
        let sites = Sites::of(&network(), &Options::default(), 2, false).unwrap();
        let terms = Terms::new(sites, &ALL[..1], None, false);
        let board = Caches { rows, slower };
        let mut drive = Drive::new(Planner::new(terms, None), Plan::gpu_only(1000), true);
        for _ in 0..10 {
            drive.step(1000, &board);
        }
        let us = |n: usize| {
            let plan = Plan::new(estimate::shares(Device::Gpu, n, 1000), 1000);
            drive::run(&board, false, &plan, Noise::NONE).makespan_us
        };
        let best = (1..=512).map(us).fold(f64::INFINITY, f64::min);
        let plan = drive.plan(1000);
        let share = best / drive::run(&board, false, &plan, Noise::NONE).makespan_us;
        assert!(share >= 0.95, "{why}: {plan} has {share:.3} of the best");
        let moved = (0..30).filter(|_| drive.step(1000, &board).1).count();
        assert!(moved <= 2, "{why}: {moved} changes after ten batches");
    }
}

fn dla(core: u8) -> Kind {
    Kind {
        way: 0,
        stage: StageKind::Prefix,
        device: Device::Dla(core),
    }
}

#[test]
fn cores_are_alike_until_one_is_slower_than_noise_explains() {
    for (second, alike, why) in [
        (10_000.0, true, "the same"),
        (11_200.0, true, "noise of single executions"),
        (20_000.0, false, "one is clocked down"),
    ] {
        let mut rates = Rates::new(None, 1.0, false);
        rates.add(dla(0), 8, &[10_000.0]);
        rates.add(dla(1), 8, &[second]);
        let [a, b] = [0, 1].map(|core| rates.us(dla(core), 8).unwrap());
        assert_eq!((a - b).abs() < 1e-9, alike, "{why}: {a} and {b}");
    }
}

#[test]
fn without_a_model_larger_executions_are_expected_to_be_faster_per_row() {
    let mut rates = Rates::new(None, 1.0, false);
    rates.add(dla(0), 2, &[100.0]);
    let us = |rows| rates.us(dla(0), rows).unwrap();
    assert_eq!(us(2), 100.0);
    assert!(us(1) > 50.0 && us(1) < 100.0, "{}", us(1));
    assert!(us(8) < 400.0 && us(8) > 300.0, "{}", us(8));
}

#[test]
fn what_a_runtime_adds_to_short_executions_says_nothing_of_long_ones() {
    let modelled = networks::ModelledNetwork::new("resnet50", "agx-orin", crate::split::Precision::Int8);
    let mut planner = modelled.planner(true);
    let forecast = planner.rates.forecast().unwrap().clone();
    let kind = |stage| Kind {
        way: 0,
        stage,
        device: Device::Gpu,
    };
    let told = |stage, rows| forecast.us(stage, Device::Gpu, rows).unwrap();
    for (stage, rows) in [(StageKind::Suffix, 66), (StageKind::Prefix, 38)] {
        planner.rates.add(kind(stage), rows, &[told(stage, rows) + 150.0]);
    }
    for rows in [16, 38, 64] {
        let us = planner.rates.us(kind(StageKind::Prefix), rows).unwrap();
        let factor = us / told(StageKind::Prefix, rows);
        assert!((1.0..1.03).contains(&factor), "{rows} rows: {factor:.3}");
    }
}

#[test]
fn batches_between_comparisons_do_not_ask_which_engines_there_are() {
    let plan: Plan = "gpu=16x16,dla0=16x8,dla1=16x8,suffix=512".parse().unwrap();
    let mut planner = Planner::new(terms(false), None);
    planner.begin(plan.clone(), 0, false);
    let (gpu, dla) = (Device::Gpu, StageKind::Prefix);
    let executions = [(dla, gpu, 16, 160.0), (dla, Device::Dla(0), 16, 320.0)];
    let ran = BatchRun {
        plan: &plan,
        way: 0,
        us: 6000.0,
        executions: &executions,
    };
    let mut asked = 0;
    for _ in 0..100 {
        planner.learn(&ran, || {
            asked += 1;
            HashSet::new()
        });
    }
    assert!((1..=16).contains(&asked), "{asked} times");
}

#[test]
fn figures_that_are_no_times_never_reach_a_plan() {
    let kind = Kind::whole();
    for us in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e12] {
        let mut rates = Rates::new(None, 1.0, false);
        assert_eq!(rates.add(kind, 4, &[us]), None);
        rates.put(kind, 4, SeenTimes::kept(us, 0.0, 1.0, 1));
        assert!(rates.saw_nothing() && rates.us(kind, 4).is_none(), "{us}");
        rates.add(kind, 4, &[10.0, us]);
        assert_eq!(rates.us(kind, 4), Some(10.0), "{us} beside a sound time");
    }
    for (variance, count, why) in [
        (f64::NAN, 1.0, "no variance"),
        (0.0, 0.0, "no execution"),
        (-1.0, 1.0, "a negative one"),
        (0.0, f64::INFINITY, "endless ones"),
    ] {
        let mut rates = Rates::new(None, 1.0, false);
        rates.put(kind, 4, SeenTimes::kept(10.0, variance, count, 1));
        rates.put(kind, 0, SeenTimes::kept(10.0, 0.0, 1.0, 1));
        assert!(rates.saw_nothing(), "{why}");
    }
}

#[test]
fn plans_of_any_size_are_valid_and_keep_to_the_memory() {
    let mut rates = Rates::new(None, 1.0, false);
    for (device, us) in ALL.into_iter().zip([10.0, 25.0, 35.0]) {
        for stage in [StageKind::Whole, StageKind::Prefix] {
            for n in [1usize, 8, 64] {
                let seen = SeenTimes::of(&[5.0 + us * n as f64]).unwrap();
                rates.put(
                    Kind {
                        way: 0,
                        stage,
                        device,
                    },
                    n,
                    seen,
                );
            }
        }
    }
    for memory in [None, Some(40_000)] {
        let mut terms = terms(false);
        terms.memory = memory;
        for rows in [1, 2, 3, 7, 22, 66, 97, 251, 256, 1000, 2048, 4999] {
            let frame = Frame::default();
            let deal = Deal::new(&terms, &rates, rows, Offer::Any, &frame);
            for found in deal.alone().into_iter().chain(deal.shared()) {
                found.plan.validate(rows, &ALL).unwrap();
                assert!(terms.has_room(&found.plan), "{}", found.plan);
                let again = deal.estimate(found.plan.clone()).unwrap().us;
                assert!(
                    (again - found.us).abs() < 1e-6 * found.us,
                    "{}: {again} is not {}",
                    found.plan,
                    found.us
                );
            }
        }
    }
}
