mod cpu;
mod fake;
mod stream;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::engine::Rows;
use crate::graph::{Activation, BinaryKind, GraphBuilder, Op, PoolKind};
use crate::plan::{Cut, Mode, PlanError};
use fake::{Fake, evaluate};

const GPU: Device = Device::Gpu;
const DLA0: Device = Device::Dla(0);
const DLA1: Device = Device::Dla(1);

/// Two inputs; one output on either side of the cut: `relu(maxpool(x))` and `dense(relu) + y`.
fn network() -> Bundle {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 4, 2, 2]);
    let y = b.input("y", &[1, 3]);
    let weights: Vec<f32> = (0..12).map(|n| (n % 5) as f32 - 2.0).collect();
    let w = b.weight("w", &[3, 4], weights);
    let pool = b.node("pool", Op::GlobalPool(PoolKind::Max), &[x]).unwrap();
    let relu = b.node("relu", Op::Activation(Activation::Relu), &[pool]).unwrap();
    let flat = b.node("flat", Op::Flatten, &[relu]).unwrap();
    let dense = b.node("dense", Op::Dense, &[flat, w]).unwrap();
    let sum = b.node("sum", Op::Binary(BinaryKind::Add), &[dense, y]).unwrap();
    b.output(sum);
    b.output(relu);
    bundle(b, &["batch_flatten", "dense", "sum"])
}

fn bundle(builder: GraphBuilder, gpu_only: &[&str]) -> Bundle {
    Bundle {
        graph: builder.finish().unwrap(),
        options: Options {
            gpu_only: gpu_only.iter().map(|n| n.to_string()).collect(),
            ..Options::default()
        },
        plan: None,
        origin: None,
        kept: Vec::new(),
    }
}

/// A network that any device runs to its end.
fn prefix_only() -> Bundle {
    let mut b = GraphBuilder::new("pool");
    let x = b.input("x", &[1, 4, 2, 2]);
    let pool = b.node("pool", Op::GlobalPool(PoolKind::Max), &[x]).unwrap();
    b.output(pool);
    bundle(b, &[])
}

/// A network with nothing for a DLA.
fn suffix_only() -> Bundle {
    let mut b = GraphBuilder::new("flat");
    let x = b.input("x", &[1, 4, 2, 2]);
    let flat = b.node("flat", Op::Flatten, &[x]).unwrap();
    b.output(flat);
    bundle(b, &["flat"])
}

/// A network whose rows depend on each other.
fn mixing() -> Bundle {
    let mut b = GraphBuilder::new("mix");
    let x = b.input("x", &[2, 4, 2, 2]);
    let pool = b.node("pool", Op::GlobalPool(PoolKind::Max), &[x]).unwrap();
    let soft = b.node("soft", Op::Softmax { axis: 0 }, &[pool]).unwrap();
    b.output(soft);
    bundle(b, &[])
}

fn fake() -> Fake {
    Fake {
        devices: vec![GPU, DLA0, DLA1],
        ..Fake::default()
    }
}

fn config() -> SessionConfig {
    SessionConfig {
        time_limit: Duration::from_secs(20),
        ..SessionConfig::default()
    }
}

fn open(bundle: Bundle, fake: Fake) -> Session {
    Session::from_bundle(bundle, Arc::new(fake), config()).unwrap()
}

fn array(shape: &[usize], seed: usize) -> Array {
    let count: usize = shape.iter().product();
    let value = |n: usize| ((n * 31 + seed * 17) % 23) as f32 - 11.0;
    Array {
        shape: shape.to_vec(),
        data: Arc::new((0..count).map(value).collect()),
    }
}

fn batch(session: &Session, rows: usize) -> Vec<Array> {
    let ids = session.graph().inputs.iter().enumerate();
    ids.map(|(seed, id)| {
        let mut shape = session.graph().tensor(*id).shape.clone();
        shape[0] = rows;
        array(&shape, seed)
    })
    .collect()
}

/// The whole network at once, or in executions as compiled, by the reference.
fn expected(session: &Session, inputs: &[Array]) -> Vec<Vec<f32>> {
    let all = inputs[0].shape[0];
    let (count, graph) = match session.graph().with_batch(all) {
        Ok(graph) => (1, graph),
        Err(_) => (all / session.graph().batch(), session.graph().clone()),
    };
    let part = |at: usize| {
        let rows = |a: &Array| Rows {
            data: a.data.clone(),
            offset: a.data.len() / count * at,
            len: a.data.len() / count,
        };
        evaluate(&graph, &inputs.iter().map(rows).collect::<Vec<_>>())
    };
    let mut whole = vec![Vec::new(); graph.outputs.len()];
    for at in 0..count {
        let ends = whole.iter_mut().zip(part(at));
        ends.for_each(|(all, part)| all.extend(part));
    }
    whole
}

fn assert_right(session: &Session, inputs: &[Array], outcome: &Outcome) {
    let want = expected(session, inputs);
    assert_eq!(outcome.outputs.len(), want.len());
    for (output, want) in outcome.outputs.iter().zip(&want) {
        assert_eq!(*output.data, *want);
        assert_eq!(output.shape[0], inputs[0].shape[0]);
        assert_eq!(output.shape.iter().product::<usize>(), want.len());
    }
}

#[test]
fn every_plan_gives_the_same_bits_in_input_order() {
    let session = open(network(), fake());
    for (text, why) in [
        ("gpu=24x1", "one execution, nothing copied"),
        ("gpu=5x4,gpu=4x1", "the GPU alone in rounds, with a rest"),
        ("gpu=4x3,dla0=3x2,dla1=2x3,suffix=24", "the paper's scheme"),
        ("gpu=4x3,dla0=3x2,dla1=2x3,suffix=8", "the suffix in rounds"),
        ("dla1=12x2,suffix=6", "the GPU has the suffix only"),
        ("dla0=1x24,suffix=1", "row by row"),
    ] {
        let plan: Plan = text.parse().unwrap();
        let inputs = batch(&session, 24);
        let outcome = session.run_with(&plan, &inputs).expect(why);
        assert_right(&session, &inputs, &outcome);
        let stats = &outcome.stats;
        assert_eq!((stats.rows, stats.redealt()), (24, 0), "{text}");
        assert_eq!(outcome.plan, plan);
        assert_eq!(stats.uncut, plan.gpu_alone(), "{text}");
        for (name, device) in &stats.devices {
            let rows = plan.rows(name.parse().unwrap());
            assert_eq!(device.rows, rows, "{text}: {why}");
        }
        let suffix: usize = stats.devices.values().map(|d| d.suffix_rows).sum();
        assert_eq!(suffix, if stats.uncut { 0 } else { 24 }, "{text}");
        let json = serde_json::to_string(stats).unwrap();
        let read: Stats = serde_json::from_str(&json).unwrap();
        assert_eq!(read.devices.len(), stats.devices.len(), "{json}");
    }
}

#[test]
fn a_slow_device_does_not_change_the_order() {
    let fake = Fake {
        delays: vec![(GPU, Duration::from_millis(12)), (DLA1, Duration::from_millis(3))],
        ..fake()
    };
    let session = open(network(), fake);
    let inputs = batch(&session, 40);
    let plan = "gpu=5x2,dla0=5x2,dla1=4x5,suffix=20".parse().unwrap();
    let outcome = session.run_with(&plan, &inputs).unwrap();
    assert_right(&session, &inputs, &outcome);
    assert!(outcome.stats.prefix_seconds >= 0.024);
}

#[test]
fn any_batch_runs_and_engines_are_built_once_and_before_the_run() {
    let backend = Arc::new(fake());
    // The plan of a batch does not follow what a busy machine made of another.
    let adapt = Adapt::Never;
    let config = SessionConfig { adapt, ..config() };
    let session = Session::from_bundle(network(), backend.clone(), config).unwrap();
    for rows in [1, 2, 15, 16, 17, 64, 100] {
        let inputs = batch(&session, rows);
        let plan = session.plan_for(rows).unwrap();
        let outcome = session.run(&inputs).unwrap();
        assert_right(&session, &inputs, &outcome);
        assert_eq!(outcome.plan, plan);
    }
    let plan = session.plan_for(48).unwrap();
    assert_eq!(plan.devices(), [GPU, DLA0, DLA1]);
    session.prepare(&plan).unwrap();
    let built = backend.builds.load(Ordering::Relaxed);
    session.run(&batch(&session, 48)).unwrap();
    session.run(&batch(&session, 48)).unwrap();
    assert_eq!(backend.builds.load(Ordering::Relaxed), built);
}

#[test]
fn a_network_is_run_where_it_can_run() {
    let deal = "gpu=6x1,dla0=5x1,dla1=5x1,suffix=16";
    for (bundle, rows, want, text, why) in [
        (
            prefix_only(),
            16,
            deal,
            "suffix of 0 nodes",
            "no suffix: every device to the end",
        ),
        (
            suffix_only(),
            16,
            "gpu=16x1,suffix=16",
            "no part of it can run on a DLA",
            "no prefix",
        ),
        (
            mixing(),
            2,
            "gpu=2x1,suffix=2",
            "batch 2 only",
            "rows depend on each other",
        ),
    ] {
        let session = open(bundle, fake());
        let inputs = batch(&session, rows);
        assert_eq!(session.plan_for(rows).unwrap().to_string(), want, "{why}");
        let outcome = session.run(&inputs).expect(why);
        assert!(session.describe().contains(text), "{}", session.describe());
        if rows == 16 {
            assert_right(&session, &inputs, &outcome);
        }
    }
    let dlas = SessionConfig {
        devices: Some(vec![DLA0, DLA1]),
        ..config()
    };
    let session = Session::from_bundle(prefix_only(), Arc::new(fake()), dlas).unwrap();
    let inputs = batch(&session, 20);
    assert_right(&session, &inputs, &session.run(&inputs).unwrap());
}

#[test]
fn wrong_inputs_say_what_is_wrong() {
    let session = open(network(), fake());
    let good = || batch(&session, 4);
    let with = |at: usize, array: Array| {
        let mut inputs = good();
        inputs[at] = array;
        inputs
    };
    let mut torn = array(&[4, 3], 0);
    torn.data = Arc::new(vec![0.0; 11]);
    for (inputs, want, why) in [
        (good()[..1].to_vec(), "2 inputs (x, y), but 1", "too few"),
        ([good(), good()].concat(), "2 inputs (x, y), but 4", "too many"),
        (
            with(0, array(&[4, 4, 2, 3], 0)),
            "`x` has the shape [4, 4, 2, 3] but must be [N, 4, 2, 2]",
            "another width",
        ),
        (
            with(0, array(&[4, 4, 4], 0)),
            "`x` has the shape [4, 4, 4] but must be [N, 4, 2, 2]",
            "another rank",
        ),
        (
            with(1, array(&[], 0)),
            "`y` has the shape [] but must be [N, 3]",
            "a scalar",
        ),
        (
            with(1, array(&[5, 3], 0)),
            "`y` has 5 rows (shape [5, 3]) but `x` has 4 (shape [4, 4, 2, 2])",
            "two batches",
        ),
        (
            with(0, array(&[0, 4, 2, 2], 0)),
            "`x` has no rows",
            "an empty batch",
        ),
        (with(1, torn), "`y` has 11 elements", "data of another size"),
    ] {
        let error = session.run(&inputs).expect_err(why).to_string();
        assert!(error.contains(want), "{why}: {error}");
    }
}

#[test]
fn plans_and_devices_that_are_not_here_are_refused() {
    let one_dla = || Fake {
        devices: vec![GPU, DLA0],
        ..fake()
    };
    let session = open(network(), one_dla());
    let inputs = batch(&session, 8);
    for (session, text, want, why) in [
        (&session, "gpu=4x1", "deals 4 rows but the batch has 8", "rows"),
        (
            &session,
            "gpu=4x1,dla1=4x1",
            "dla1, which is not available here: use gpu, dla0",
            "device",
        ),
        (
            &open(suffix_only(), fake()),
            "gpu=4x1,dla0=4x1",
            "runs on the GPU alone",
            "no prefix",
        ),
        (
            &open(mixing(), fake()),
            "gpu=4x2",
            "only in batches of 2",
            "fixed batch",
        ),
        (
            &open(network(), fake()),
            "dla0=8192x1",
            "batches of 8192 rows",
            "beyond a DLA's batch",
        ),
    ] {
        let plan: Plan = text.parse().unwrap();
        let error = match why {
            "rows" => session.run_with(&plan, &inputs).err(),
            _ => session.prepare(&plan).err(),
        };
        let error = error.expect(why).to_string();
        assert!(error.contains(want), "{why}: {error}");
    }
    for (change, want, why) in [
        (
            config_with(Some(vec![DLA1]), None),
            "dla1, which is not available",
            "backend",
        ),
        (
            config_with(Some(vec![DLA0]), None),
            "add gpu to the devices",
            "suffix",
        ),
        (
            config_with(Some(vec![]), None),
            "list of devices is empty",
            "none",
        ),
        (
            config_with(None, Some("gpu=4x1,dla1=4x1")),
            "dla1, which is not available",
            "plan",
        ),
    ] {
        let error = Session::from_bundle(network(), Arc::new(one_dla()), change);
        let error = error.err().expect(why).to_string();
        assert!(error.contains(want), "{why}: {error}");
    }
    let mut one_core = network();
    one_core.options.cores = vec![1];
    assert_eq!(open(one_core, fake()).devices(), [GPU, DLA1]);
}

fn config_with(devices: Option<Vec<Device>>, plan: Option<&str>) -> SessionConfig {
    SessionConfig {
        devices,
        plan: plan.map(|text| text.parse().unwrap()),
        ..config()
    }
}

#[test]
fn the_configured_plan_is_strict_and_the_recorded_one_a_default() {
    let text = "gpu=4x1,dla0=4x1,suffix=8";
    let strict = config_with(None, Some(text));
    let strict = Session::from_bundle(network(), Arc::new(fake()), strict).unwrap();
    let error = strict.plan_for(9).unwrap_err();
    assert!(matches!(
        error,
        SessionError::Plan(PlanError::Rows { plan: 8, batch: 9 })
    ));
    let mut recorded = network();
    recorded.plan = Some(text.parse().unwrap());
    let session = open(recorded, fake());
    assert_eq!(session.plan_for(8).unwrap().to_string(), text);
    assert_eq!(session.plan_for(9).unwrap(), Plan::gpu_only(9));
    assert!(session.plan_for(0).is_err());
}

#[test]
fn engines_are_built_per_cut_and_copy_once() {
    let backend = Arc::new(fake());
    let session = Session::from_bundle(network(), backend.clone(), config()).unwrap();
    let builds = |plan: &str| {
        let before = backend.builds.load(Ordering::Relaxed);
        session.prepare(&plan.parse().unwrap()).unwrap();
        backend.builds.load(Ordering::Relaxed) - before
    };
    for (plan, want, why) in [
        ("gpu=2x2,dla0=2x1,suffix=6", 3, "two prefixes and a suffix"),
        ("gpu=2x2,dla0=2x1,suffix=6,mode=pipelined", 0, "the same engines"),
        ("gpu=2x2,dla0=2x1,suffix=6,engines=2", 3, "one more of each"),
        ("gpu=2x2,dla0=2x1,suffix=6,cut=pool", 3, "other stages"),
        ("gpu=2x1,dla0=2x2,suffix=6,cut=pool", 0, "the same again"),
    ] {
        assert_eq!(builds(plan), want, "{plan}: {why}");
    }
    let error = |plan: &str| session.prepare(&plan.parse().unwrap()).unwrap_err().to_string();
    let unknown = error("gpu=2x2,dla0=2x1,cut=pol");
    assert!(
        unknown.contains("has no such node; the nearest place is after `pool`"),
        "{unknown}"
    );
    let suffix = error("gpu=2x2,dla0=2x1,cut=dense");
    assert!(suffix.contains("that node is not in the prefix"), "{suffix}");
}

#[test]
fn rows_leave_a_device_that_became_slower_and_come_back() {
    let delay = Duration::from_millis(12);
    let backend = Fake {
        delays: vec![(GPU, delay), (DLA0, delay), (DLA1, delay)],
        ..fake()
    };
    let slow = backend.gpu_slow.clone();
    let adapt = SessionConfig {
        adapt: Adapt::Always,
        ..config_with(None, Some("gpu=1x8,dla0=1x8,dla1=1x8,suffix=24"))
    };
    let backend = Arc::new(backend);
    let session = Session::from_bundle(network(), backend.clone(), adapt).unwrap();
    let inputs = batch(&session, 24);
    let rows = || {
        let outcome = session.run(&inputs).unwrap();
        assert_right(&session, &inputs, &outcome);
        outcome.plan.rows(GPU)
    };
    // How soon is for virtual time to say (`tune::adapt`): a busy machine makes any device slow now and then.
    let runs_until = |enough: &dyn Fn(usize) -> bool| (0..60).find(|_| enough(rows()));
    rows();
    let built = backend.builds.load(Ordering::Relaxed);
    slow.store(2, Ordering::Relaxed);
    let left = runs_until(&|rows| rows <= 6);
    assert!(left.is_some(), "at half the speed 5 of 24 rows are right, not 8");
    slow.store(1, Ordering::Relaxed);
    let back = runs_until(&|rows| rows > 6);
    assert!(back.is_some(), "at full speed 8 of 24 rows are right");
    assert_eq!(
        backend.builds.load(Ordering::Relaxed),
        built,
        "no engine was built on the way"
    );
}

/// With two engines of a kind the next execution is started before the one that computes is waited for.
#[test]
fn a_second_engine_is_given_work_while_the_first_computes() {
    let started = |plan: &str| {
        let backend = Arc::new(fake());
        let session = Session::from_bundle(network(), backend.clone(), config()).unwrap();
        let inputs = batch(&session, 8);
        let outcome = session.run_with(&plan.parse().unwrap(), &inputs).unwrap();
        assert_right(&session, &inputs, &outcome);
        backend.most_pending.load(Ordering::Relaxed)
    };
    assert_eq!(started("dla0=1x8,suffix=8"), 1);
    assert_eq!(started("dla0=1x8,suffix=8,engines=2"), 2);
}

/// An engine that takes two executions has the next one's rows packed while it computes.
#[test]
fn an_engine_is_given_work_while_it_computes() {
    let backend = Arc::new(Fake { depth: 2, ..fake() });
    let session = Session::from_bundle(network(), backend.clone(), config()).unwrap();
    let inputs = batch(&session, 8);
    let plan = "dla0=1x8,suffix=8".parse().unwrap();
    let outcome = session.run_with(&plan, &inputs).unwrap();
    assert_right(&session, &inputs, &outcome);
    assert_eq!(backend.most_pending.load(Ordering::Relaxed), 2);
}

#[test]
fn buffers_are_filled_and_run_again_and_again() {
    let session = Session::from_bundle(network(), Arc::new(fake()), config()).unwrap();
    let mut buffers = session.buffers(3).unwrap();
    for first in [1.0, -2.0] {
        for (at, element) in buffers.input(0).iter_mut().enumerate() {
            *element = first + at as f32;
        }
        buffers.input(1).fill(first);
        let inputs = buffers.arrays();
        let outcome = session.run(&inputs).unwrap();
        assert_right(&session, &inputs, &outcome);
    }
    assert!(!buffers.are_page_locked(), "this backend has no such memory");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_plans_are_bit_identical(
        shares in proptest::collection::vec((0usize..3, 1usize..6, 1usize..4), 1..4),
        suffix: proptest::sample::Index,
        pipelined: bool,
        engines in 1usize..3,
        early: bool,
    ) {
        let mut prefix: Vec<crate::plan::Share> = Vec::new();
        for (d, batch, rounds) in shares {
            let device = [GPU, DLA0, DLA1][d];
            if !prefix.iter().any(|s| s.device == device && s.batch == batch) {
                prefix.push(crate::plan::Share { device, batch, rounds });
            }
        }
        let mut plan = Plan::new(prefix, 1);
        let total = plan.total();
        let divisors: Vec<usize> = (1..=total).filter(|n| total.is_multiple_of(*n)).collect();
        plan.suffix_batch = *suffix.get(&divisors);
        plan.engines = engines;
        if !plan.gpu_alone() {
            plan.mode = if pipelined { Mode::Pipelined } else { Mode::Merged };
            plan.cut = if early { Cut::After("pool".into()) } else { Cut::Longest };
        }
        let session = open(network(), fake());
        let inputs = batch(&session, plan.total());
        let outcome = session.run_with(&plan, &inputs).unwrap();
        assert_right(&session, &inputs, &outcome);
    }
}
