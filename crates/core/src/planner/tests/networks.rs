//! Plans of real networks on boards that are not quite as their model says, in virtual time.

use super::ALL;
use super::drive::{Drive, run};
use crate::board::{BoardCosts, Constants, Framework, Machine, Setting, named};
use crate::bundle::Options;
use crate::fit;
use crate::graph::Graph;
use crate::plan::{Device, Mode, Plan, StageKind};
use crate::planner::{Forecast, Frame, Kind, Offer, Planner, Source, Terms};
use crate::sim::{Costs, Noise, Off};
use crate::split::{DlaTarget, Precision, Stages, Version, cut};
use crate::tune::Sites;
use crate::tune::search::{gpu_only, paper};

/// Least time that a step of learning stands for: shorter batches are compared as often in time, not in number.
const STEP_US: f64 = 5_000.0;

/// A network on a board, as its model says.
pub(super) struct ModelledNetwork {
    graph: Graph,
    stages: Stages,
    target: DlaTarget,
    machine: Machine,
}

impl ModelledNetwork {
    pub fn new(name: &str, board: &str, precision: Precision) -> ModelledNetwork {
        let machine = named(board).unwrap().machine(None).unwrap();
        let chip = machine.board.chip;
        let target = DlaTarget {
            chip,
            tensorrt: Version::last_with_dla(chip),
            precision,
        };
        let graph = fit::network(name).unwrap().unwrap();
        let stages = cut(&graph, &target, &[]).unwrap();
        ModelledNetwork {
            graph,
            stages,
            target,
            machine,
        }
    }

    fn sites(&self) -> Sites {
        let options = Options {
            target: self.target,
            ..Options::default()
        };
        Sites::of(&self.graph, &options, 2, false).unwrap()
    }

    pub fn planner(&self, placed: bool) -> Planner {
        let terms = Terms::new(self.sites(), &ALL, None, false);
        let forecast = placed.then(|| {
            let (machine, gpu) = (self.machine.clone(), self.target.precision.into());
            let (graph, stages) = (&self.graph, &self.stages);
            Forecast::new(graph, stages, machine, &self.target, gpu, &terms.dlas).into()
        });
        Planner::new(terms, forecast)
    }

    fn costs(&self) -> BoardCosts {
        let setting = Setting {
            machine: self.machine.clone(),
            precision: self.target.precision,
            gpu: self.target.precision.into(),
            framework: Framework::Native,
            graph: false,
            contention: true,
        };
        BoardCosts::new(&self.graph, &self.stages, setting, Constants::fitted())
    }
}

/// Rates of the first, the fifth and the last plan: of the first over the GPU alone, of the others over the best; and how often
/// plans changed between the fifth and the last.
struct Course {
    case: String,
    first: f64,
    fifth: f64,
    last: f64,
    changes: usize,
}

fn course(modelled: &ModelledNetwork, rows: usize, [gpu, dla]: [f64; 2], placed: bool) -> Course {
    let costs = modelled.costs();
    let truth = Off {
        costs: &costs,
        gpu,
        dla,
    };
    let sites = modelled.sites();
    let space = sites.space(&truth, [&truth as &dyn Costs], &ALL);
    let planner = modelled.planner(placed);
    let suffix = planner.terms.suffix;
    let us = |plan: &Plan| run(&truth, suffix, plan, Noise::NONE).makespan_us;
    let alone = us(&gpu_only(&space, rows).unwrap());
    let best = us(&paper(&space, rows).unwrap()).min(alone);
    let known = planner.plan(rows).map(|(plan, _)| plan);
    let first = known.unwrap_or_else(|| Plan::gpu_only(rows));
    let mut drive = Drive::new(planner, first.clone(), true);
    let mut step = || {
        let (mut spent, mut changed) = (0.0, false);
        while spent < STEP_US {
            let (us, turned) = drive.step(rows, &truth);
            spent += us;
            changed |= turned;
        }
        (drive.plan(rows), changed)
    };
    let fifth = (0..4).map(|_| step().0).last().unwrap();
    let later: Vec<(Plan, bool)> = (0..12).map(|_| step()).collect();
    let last = &later[later.len() - 1].0;
    Course {
        case: format!(
            "{} rows on {}, GPU x{gpu:.2}, DLA x{dla:.2}: first {first}, fifth {fifth}, last {last}",
            rows,
            modelled.machine.title()
        ),
        first: alone / us(&first),
        fifth: best / us(&fifth),
        last: best / us(last),
        changes: later.iter().filter(|(_, changed)| *changed).count(),
    }
}

/// Evenly distributed in [-1, 1).
fn unit(state: &mut u64) -> f64 {
    *state = crate::schedule::mixed(*state);
    (*state >> 40) as f64 / (1u64 << 23) as f64 - 1.0
}

/// The boards, networks and batches that are gone through.
fn each(mut of: impl FnMut(&ModelledNetwork, usize)) {
    for (name, board, precision) in [
        ("mobilenet_v2", "xavier-nx", Precision::Fp16),
        ("resnet50", "agx-xavier", Precision::Int8),
        ("GoogLeNet", "agx-orin", Precision::Int8),
        ("resnet18", "orin-nx", Precision::Fp16),
        ("squeezenet1_1", "agx-orin-32gb", Precision::Int8),
    ] {
        let modelled = ModelledNetwork::new(name, board, precision);
        for rows in [8, 22, 66, 256] {
            of(&modelled, rows);
        }
    }
}

fn share(courses: &[Course], least: f64) -> f64 {
    let good = courses.iter().filter(|course| course.fifth >= least);
    good.count() as f64 / courses.len() as f64
}

#[test]
fn a_board_within_its_models_error_has_a_good_first_plan_and_the_best_fifth() {
    let mut state = 15;
    let mut courses = Vec::new();
    each(|modelled, rows| {
        let error = modelled.planner(true).rates.forecast().unwrap().error[1];
        let off = [(); 2].map(|()| 1.0 + error * unit(&mut state));
        courses.push(course(modelled, rows, off, true));
    });
    for Course {
        case,
        first,
        fifth,
        last,
        changes,
    } in &courses
    {
        assert!(*first >= 0.97, "{first:.3} of the GPU alone: {case}");
        assert!(*fifth >= 0.93, "the fifth has {fifth:.3} of the best: {case}");
        assert!(*last >= 0.93, "the last has {last:.3} of the best: {case}");
        assert!(*changes <= 4, "{changes} changes after the fifth: {case}");
    }
    let good = share(&courses, 0.97);
    assert!(good >= 0.9, "{good:.2} of the fifth plans have 0.97 of the best");
}

#[test]
fn a_board_far_from_its_model_or_without_one_is_learned_in_five() {
    for (placed, off) in [(true, [1.0, 2.0]), (true, [1.5, 1.0]), (false, [1.0, 1.0])] {
        let mut courses = Vec::new();
        each(|modelled, rows| courses.push(course(modelled, rows, off, placed)));
        for Course {
            case, fifth, last, ..
        } in &courses
        {
            let least = if placed { 0.9 } else { 0.75 };
            assert!(*fifth >= least, "the fifth has {fifth:.3} of the best: {case}");
            assert!(*last >= least, "the last has {last:.3} of the best: {case}");
        }
        let good = share(&courses, 0.95);
        assert!(
            good >= 0.8,
            "{good:.2} of the fifth plans have 0.95 of the best, {off:?}"
        );
    }
}

#[test]
fn first_plans_follow_the_boards_model() {
    for (name, board, precision, rows, shared, why) in [
        (
            "mobilenet_v2",
            "orin-nx",
            Precision::Fp16,
            66,
            false,
            "DLA 2.0 is slow in FP16",
        ),
        ("mobilenet_v2", "xavier-nx", Precision::Fp16, 1, false, "one row"),
        (
            "vgg16",
            "agx-orin-32gb",
            Precision::Int8,
            66,
            true,
            "a gain far beyond the error",
        ),
        ("resnet50", "xavier-nx", Precision::Int8, 256, true, "many rows"),
    ] {
        let modelled = ModelledNetwork::new(name, board, precision);
        let planner = modelled.planner(true);
        let forecast = planner.rates.forecast().unwrap();
        let (plan, source) = planner.plan(rows).unwrap();
        let case = format!("{name} on {board}, {rows} rows: {plan}: {why}");
        assert_eq!(plan.gpu_alone(), !shared, "{case}");
        plan.validate(rows, &ALL).unwrap();
        let (costs, suffix) = (modelled.costs(), planner.terms.suffix);
        let us = |plan: &Plan| run(&costs, suffix, plan, Noise::NONE).makespan_us;
        let gain = us(&planner.alone(rows).unwrap()) / us(&plan);
        let error = forecast.error_of(&plan);
        assert!(!shared || gain > 1.0 + error, "{gain:.3}: {case}");
        let board = modelled.machine.title();
        assert_eq!(source, Source::Simulated { board, error });
    }
}

#[test]
fn a_model_that_is_far_off_for_the_gpu_says_nothing_of_dlas() {
    let modelled = ModelledNetwork::new("vgg16", "agx-orin-32gb", Precision::Int8);
    for (gpu, shared) in [(0.2, false), (0.7, true), (1.5, true), (100.0, false)] {
        let mut planner = modelled.planner(true);
        let told = planner.rates.us(Kind::whole(), 16).unwrap();
        planner.note(Kind::whole(), 16, told * gpu);
        let (plan, source) = planner.plan(66).unwrap();
        assert_eq!(!plan.gpu_alone(), shared, "GPU x{gpu}: {plan}");
        assert_eq!(source, Source::Measured, "GPU x{gpu}");
        // Once a DLA was seen, it is known however far the model is off.
        let kind = Kind {
            way: 0,
            stage: StageKind::Prefix,
            device: Device::Dla(0),
        };
        planner.note(kind, 8, told / 4.0);
        let seen = planner.rates.us(kind, 8).unwrap();
        assert!((seen / (told / 4.0) - 1.0).abs() < 0.01, "GPU x{gpu}");
    }
}

#[test]
fn a_suffix_that_counts_runs_beside_the_dlas() {
    let modelled = ModelledNetwork::new("squeezenet1_1", "agx-orin-32gb", Precision::Int8);
    let planner = modelled.planner(true);
    let costs = modelled.costs();
    let us = |plan: &Plan| run(&costs, true, plan, Noise::NONE).makespan_us;
    for rows in [66, 256, 1000] {
        let plan = planner.likeliest(rows).unwrap();
        let merged = Plan {
            mode: Mode::Merged,
            suffix_batch: rows,
            ..plan.clone()
        };
        assert_eq!(plan.mode, Mode::Pipelined, "{plan}");
        assert!(us(&plan) < us(&merged), "{plan} against {merged}");
        let frame = Frame {
            mode: Mode::Pipelined,
            ..Frame::default()
        };
        let deal = planner.deal(rows, Offer::Any, &frame);
        let told = deal.estimate(plan.clone()).unwrap().us;
        let off = (told / us(&plan) - 1.0).abs();
        assert!(off < 0.05, "{plan}: {told} us are told, {off:.3} off");
    }
    // Its suffix is a fully connected layer.
    let modelled = ModelledNetwork::new("resnet18", "agx-xavier", Precision::Int8);
    let plan = modelled.planner(true).likeliest(66).unwrap();
    assert_eq!(plan.mode, Mode::Merged, "{plan}");
}
