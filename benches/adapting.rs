//! How soon a session that nobody tuned is as fast as the best plan: `cargo bench --bench adapting`.
//!
//! The real pipeline with threads; engines compute nothing and take as long as a board's model says, longer while others
//! use its memory, times factors that the session does not know, and vary by up to 10 % from execution to execution. Per
//! case the rates of batches 1, 2, 5 and 10 over the best fixed plan's, and of the first over the GPU alone; then the same
//! after the GPU has become slower by half. Once by the clock, which a machine that does other work disturbs (`chrt -f 10`
//! in front of it helps), and once by what the plans that were taken need without noise, on which the goals are judged.
//! Last, what learning costs of a batch. Status 1 says that a goal is missed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tvm_dla::board::{Arithmetic, BoardCosts, Constants, Framework, Machine, Setting, named};
use tvm_dla::bundle::{Bundle, Options};
use tvm_dla::engine::{Array, Backend, Engine, EngineError, EngineSpec, Rows, StageKind};
use tvm_dla::fit::network;
use tvm_dla::graph::Graph;
use tvm_dla::plan::{Device, Plan};
use tvm_dla::session::{Adapt, Place, Session, SessionConfig};
use tvm_dla::sim::{Costs, ExecutionCost, Flow, Load, Noise, Off, simulate};
use tvm_dla::split::{DlaTarget, Precision, Version, cut};
use tvm_dla::tune::Sites;
use tvm_dla::tune::search::{Goal, gpu_only, search};

const NOISE: f64 = 0.1;
/// How often an engine looks what runs beside it.
const TICK: Duration = Duration::from_millis(1);
/// Runs of every fixed plan.
const RUNS: usize = 9;
/// Sessions per case; medians count.
const SESSIONS: usize = 5;
/// First over the GPU alone, fifth over the best.
const GOALS: [f64; 2] = [1.0, 0.97];
/// Before and after the GPU has become slower.
const BATCHES: usize = 10;
/// Batches whose learning is timed, after the first; those of them that count as early, and what share of a batch of 10 ms
/// learning may cost of the others.
const COSTED: usize = 100;
const EARLY: usize = 9;
const MOST_COST: f64 = 0.001;

/// A board that is not quite as its model says.
struct Truth {
    costs: BoardCosts,
    gpu: f64,
    dla: f64,
    /// Thousandths by which the GPU is slower now.
    throttle: AtomicU64,
    executions: AtomicU64,
    /// What computes now.
    running: Mutex<Vec<Load>>,
}

impl Costs for Truth {
    fn execution(&self, stage: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String> {
        let off = Off {
            costs: &self.costs,
            gpu: self.gpu * self.throttle.load(Ordering::Relaxed) as f64 / 1e3,
            dla: self.dla,
        };
        let cost = off.execution(stage, device, batch)?;
        Ok(ExecutionCost {
            alone_us: cost.alone_us + cost.submit_us,
            submit_us: 0.0,
            bytes: cost.bytes,
        })
    }

    fn slow_down(&self, loads: &[Load]) -> Vec<f64> {
        self.costs.slow_down(loads)
    }

    fn bandwidth(&self) -> Option<f64> {
        self.costs.bandwidth()
    }
}

impl Truth {
    /// Takes as long as `load` does, which takes `us` alone, beside whatever runs meanwhile.
    fn wait(&self, load: Load, us: f64) {
        let running = || self.running.lock().unwrap();
        running().push(load);
        let mut left = us;
        while left > 0.0 {
            let factor = {
                let loads = running();
                let own = loads.iter().position(|other| other.device == load.device);
                self.slow_down(&loads)[own.expect("it runs")]
            };
            let start = Instant::now();
            sleep(TICK.min(Duration::from_secs_f64(left * factor / 1e6)));
            left -= start.elapsed().as_secs_f64() * 1e6 / factor;
        }
        running().retain(|other| other.device != load.device);
    }
}

struct Board(Arc<Truth>);

struct TimedEngine {
    spec: EngineSpec,
    outputs: Vec<usize>,
    truth: Arc<Truth>,
}

impl Backend for Board {
    fn name(&self) -> &'static str {
        "timed"
    }

    fn describe(&self) -> String {
        "engines that take as long as a board's model says".into()
    }

    fn devices(&self) -> Vec<Device> {
        vec![Device::Gpu, Device::Dla(0), Device::Dla(1)]
    }

    fn build(&self, graph: &Graph, spec: &EngineSpec) -> Result<Box<dyn Engine>, EngineError> {
        let size = |id| graph.tensor(id).shape.iter().product();
        Ok(Box::new(TimedEngine {
            spec: spec.clone(),
            outputs: graph.outputs.iter().map(|id| size(*id)).collect(),
            truth: self.0.clone(),
        }))
    }
}

impl Engine for TimedEngine {
    fn batch(&self) -> usize {
        self.spec.batch
    }

    fn enqueue(&mut self, _: Vec<Rows>) -> Result<(), EngineError> {
        Ok(())
    }

    fn wait(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        let EngineSpec { stage, device, batch } = self.spec;
        let cost = self.truth.execution(stage, device, batch);
        let cost = cost.map_err(|reason| self.spec.error(reason))?;
        let count = self.truth.executions.fetch_add(1, Ordering::Relaxed);
        let unit = count.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let noise = 1.0 + NOISE * (unit as f64 / (1u64 << 23) as f64 - 1.0);
        let load = Load {
            device,
            rows: batch,
            demand: cost.demand(),
        };
        self.truth.wait(load, cost.alone_us * noise);
        Ok(self.outputs.iter().map(|size| vec![0.0; *size]).collect())
    }
}

/// One network on one board that is off by these factors.
struct Case {
    graph: Graph,
    machine: Machine,
    target: DlaTarget,
    suffix: bool,
    truth: Arc<Truth>,
}

impl Case {
    fn new(name: &str, board: &str, precision: Precision, gpu: f64, dla: f64) -> Case {
        let machine = named(board).unwrap().machine(None).unwrap();
        let chip = machine.board.chip;
        let target = DlaTarget {
            chip,
            tensorrt: Version::last_with_dla(chip),
            precision,
        };
        let graph = network(name).unwrap().unwrap();
        let stages = cut(&graph, &target, &[]).unwrap();
        let setting = Setting {
            machine: machine.clone(),
            precision,
            gpu: precision.into(),
            framework: Framework::Native,
            graph: false,
            contention: true,
        };
        let costs = BoardCosts::new(&graph, &stages, setting, Constants::fitted());
        let suffix = stages.suffix.is_some();
        let truth = Truth {
            costs,
            gpu,
            dla,
            throttle: 1000.into(),
            executions: 0.into(),
            running: Mutex::default(),
        };
        Case {
            graph,
            machine,
            target,
            suffix,
            truth: Arc::new(truth),
        }
    }

    fn session(&self, adapt: Adapt, placed: bool) -> Session {
        let options = Options {
            target: self.target,
            ..Options::default()
        };
        let bundle = Bundle {
            graph: self.graph.clone(),
            options,
            plan: None,
            origin: None,
            kept: Vec::new(),
        };
        let gpu: Arithmetic = self.target.precision.into();
        let place = Place {
            machine: self.machine.clone(),
            gpu,
            dla: self.target.precision,
        };
        let config = SessionConfig {
            adapt,
            place: placed.then_some(place),
            ..SessionConfig::default()
        };
        Session::from_bundle(bundle, Arc::new(Board(self.truth.clone())), config).unwrap()
    }

    /// The best fixed plan and that of the GPU alone, by the truth.
    fn fixed(&self, rows: usize) -> [Plan; 2] {
        let options = Options {
            target: self.target,
            ..Options::default()
        };
        let sites = Sites::of(&self.graph, &options, self.target.precision.bytes(), false).unwrap();
        let devices = [Device::Gpu, Device::Dla(0), Device::Dla(1)];
        let truth: &dyn Costs = &*self.truth;
        let space = sites.space(truth, [truth], &devices);
        let best = search(&space, rows, &Goal::Throughput).unwrap();
        [best.best[0].plan.clone(), gpu_only(&space, rows).unwrap()]
    }

    fn rows(&self, rows: usize) -> Vec<Array> {
        let mut shape = self.graph.tensor(self.graph.inputs[0]).shape.clone();
        shape[0] = rows;
        let data = vec![0.0; shape.iter().product()].into();
        vec![Array { shape, data }]
    }

    /// Median rates of fixed plans, in turn.
    fn rates(&self, plans: &[Plan; 2], inputs: &[Array]) -> [f64; 2] {
        let session = self.session(Adapt::Never, false);
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..RUNS {
            for (plan, rates) in plans.iter().zip(&mut rates) {
                rates.push(session.run_with(plan, inputs).unwrap().stats.rate());
            }
        }
        rates.map(median)
    }

    /// Rows per second of a plan without noise.
    fn rate(&self, plan: &Plan) -> f64 {
        let flow = match (plan.gpu_alone(), self.suffix) {
            (true, _) => Flow::Whole,
            (false, true) => Flow::PrefixSuffix,
            (false, false) => Flow::Prefix,
        };
        simulate(plan, flow, &*self.truth, Noise::NONE).unwrap().rate()
    }

    fn measure(&self, title: &str, rows: usize, placed: bool) -> bool {
        let inputs = self.rows(rows);
        self.truth.throttle.store(1000, Ordering::Relaxed);
        let plans = self.fixed(rows);
        let clock = self.rates(&plans, &inputs);
        let truth = [self.rate(&plans[0]), self.rate(&plans[1])];
        let mut taken = Taken::default();
        for _ in 0..SESSIONS {
            self.truth.throttle.store(1000, Ordering::Relaxed);
            let session = self.session(Adapt::Unasked, placed);
            for batch in 0..2 * BATCHES {
                if batch == BATCHES {
                    self.truth.throttle.store(1500, Ordering::Relaxed);
                }
                let outcome = session.run(&inputs).unwrap();
                let by = [outcome.stats.rate(), self.rate(&outcome.plan)];
                taken.add(batch, by, outcome.plan);
            }
        }
        let throttled = self.fixed(rows);
        let slow = [self.rates(&throttled, &inputs)[0], self.rate(&throttled[0])];
        println!(
            "{title}, {rows} rows{}",
            if placed { "" } else { ", board unknown" }
        );
        let mut good = true;
        for (at, by) in ["by the clock", "without noise"].into_iter().enumerate() {
            let [best, alone] = [clock, truth][at];
            let of = |batch: usize, best: f64| taken.median(at, batch) / best;
            println!(
                "  {by:13}  first {:.3} of the GPU alone; of the best: 1st {:.3}, 2nd {:.3}, 5th {:.3}, 10th {:.3}; throttled 5th {:.3}, 10th {:.3}",
                of(0, alone),
                of(0, best),
                of(1, best),
                of(4, best),
                of(9, best),
                of(BATCHES + 4, slow[at]),
                of(BATCHES + 9, slow[at]),
            );
            let kept = of(0, alone) >= GOALS[0] - 1e-9 && of(4, best) >= GOALS[1];
            good &= at == 0 || !placed || kept;
        }
        let last = |batch: usize| taken.plans.get(&batch).map_or(String::new(), Plan::to_string);
        println!(
            "  best {}; tenth {}; throttled {}",
            plans[0],
            last(BATCHES - 1),
            last(2 * BATCHES - 1)
        );
        good
    }
}

/// The rates of every batch of several sessions, by the clock and without noise, and a plan of each.
#[derive(Default)]
struct Taken {
    rates: BTreeMap<(usize, usize), Vec<f64>>,
    plans: BTreeMap<usize, Plan>,
}

impl Taken {
    fn add(&mut self, batch: usize, rates: [f64; 2], plan: Plan) {
        for (at, rate) in rates.into_iter().enumerate() {
            self.rates.entry((at, batch)).or_default().push(rate);
        }
        self.plans.insert(batch, plan);
    }

    fn median(&self, at: usize, batch: usize) -> f64 {
        median(self.rates[&(at, batch)].clone())
    }
}

fn main() {
    let mut good = true;
    for (name, board, precision, gpu, dla) in [
        ("mobilenet_v2", "xavier-nx", Precision::Fp16, 1.0, 1.0),
        ("mobilenet_v2", "xavier-nx", Precision::Fp16, 1.08, 0.92),
        ("mobilenet_v2", "xavier-nx", Precision::Fp16, 0.92, 1.1),
        ("mobilenet_v2", "xavier-nx", Precision::Fp16, 1.0, 2.0),
        ("mobilenet_v2", "xavier-nx", Precision::Fp16, 1.5, 1.0),
        ("resnet50", "xavier-nx", Precision::Int8, 1.05, 0.95),
        ("resnet50", "agx-orin", Precision::Int8, 1.0, 1.0),
        ("mobilenet_v2", "agx-orin", Precision::Fp16, 1.0, 1.0),
        ("GoogLeNet", "agx-xavier", Precision::Int8, 0.95, 1.1),
    ] {
        let case = Case::new(name, board, precision, gpu, dla);
        let title = format!("{name} on {board}, {:?}, GPU x{gpu}, DLA x{dla}", precision);
        good &= case.measure(&title, 66, true);
        good &= case.measure(&title, 66, false);
    }
    good &= cost();
    std::process::exit(i32::from(!good));
}

/// What learning costs of batches that take about 60 ms, and what it would of 10 ms: of the first few, in which plans are
/// compared after each, and of those that follow. What else the machine does only adds time, so the least of several
/// sessions counts, batch by batch: each learns the same at the same batch.
fn cost() -> bool {
    let case = Case::new("mobilenet_v2", "xavier-nx", Precision::Fp16, 1.0, 1.0);
    let inputs = case.rows(66);
    let (with, seconds, plan) = case.around(&inputs, None);
    // The same plan, or its merge would count as learning.
    let (without, ..) = case.around(&inputs, Some(&plan));
    let own: Vec<f64> = with.iter().zip(&without).map(|(a, b)| a - b).collect();
    let mean = |batches: &[f64]| batches.iter().sum::<f64>() / batches.len() as f64;
    let (early, later) = (mean(&own[..EARLY]), mean(&own[EARLY..]));
    for (which, own) in [("of the first ten batches", early), ("of later ones", later)] {
        println!(
            "learning costs {:.1} us {which}, {:.4} % of these, {:.4} % of 10 ms",
            own * 1e6,
            100.0 * own / seconds,
            own * 1e4,
        );
    }
    println!("around a batch {:.1} us without it", mean(&without) * 1e6);
    later <= MOST_COST * 0.01
}

impl Case {
    /// Seconds that every batch of a session takes around its run, those that one run takes, and the last plan; `fixed` is
    /// a plan that is not learned from.
    fn around(&self, inputs: &[Array], fixed: Option<&Plan>) -> (Vec<f64>, f64, Plan) {
        let mut least = vec![f64::INFINITY; COSTED];
        let mut run = f64::INFINITY;
        let mut plan = Plan::gpu_only(1);
        for _ in 0..SESSIONS {
            let session = self.session(Adapt::Unasked, true);
            let batch = || match fixed {
                Some(plan) => session.run_with(plan, inputs).unwrap(),
                None => session.run(inputs).unwrap(),
            };
            batch();
            for least in &mut least {
                let start = Instant::now();
                let outcome = batch();
                let seconds = outcome.stats.seconds;
                *least = least.min(start.elapsed().as_secs_f64() - seconds);
                run = run.min(seconds);
                plan = outcome.plan;
            }
        }
        (least, run, plan)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
