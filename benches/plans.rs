//! The plan of a first, untuned run, in simulation: `cargo bench --bench plans [-- tuned]`.
//!
//! Every board in every power mode, 20 networks, FP16 and INT8, batches of 1 to 2048 rows: the rate of the plan that a plain
//! run takes, and of the equal deal it took before, over the best plan of the GPU alone. The simulator is the truth; then
//! one in which the GPU and the DLAs are off by random factors within the model's printed error. A plan has to be made in
//! less than a millisecond. `tuned` also searches the best plan of a part of the cases, which takes minutes. Status 1 says
//! that a goal is missed.

use std::collections::BTreeMap;
use std::time::Instant;

use tvm_dla::board::{Arithmetic, BoardCosts, Constants, Framework, Machine, Setting, builtin};
use tvm_dla::bundle::Options;
use tvm_dla::fit::network;
use tvm_dla::graph::Graph;
use tvm_dla::plan::{Device, Plan};
use tvm_dla::planner::{Forecast, Planner, Terms};
use tvm_dla::sim::{Costs, Flow, Noise, Off, simulate};
use tvm_dla::split::{Chip, DlaTarget, Precision, Stages, Version, cut};
use tvm_dla::tune::Sites;
use tvm_dla::tune::search::{Goal, gpu_only, search};

const NETWORKS: [&str; 20] = [
    "alexnet",
    "vgg11",
    "vgg16",
    "squeezenet1_0",
    "squeezenet1_1",
    "GoogLeNet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "densenet121",
    "densenet169",
    "MobileNet",
    "mobilenet_v2",
    "mnasnet0_5",
    "mnasnet0_75",
    "mnasnet1_0",
    "mnasnet1_3",
    "SSD-MobileNet v1",
];
const BATCHES: [usize; 9] = [1, 2, 3, 8, 22, 66, 256, 1000, 2048];
/// Searched with `tuned`.
const SEARCHED: [usize; 3] = [8, 66, 256];
/// Random truths of every case, besides the corner in which the DLAs are slowest and the GPU is fastest.
const TRUTHS: u64 = 4;
/// Times that a plan is made; the shortest counts, because the machine does other work.
const TRIES: usize = 5;
/// Most microseconds that one may take.
const MOST_US: f64 = 1000.0;
/// Goals: the least over the GPU alone, the least with devices off, and the median over the tuned plan.
const GOALS: [f64; 3] = [1.0, 0.97, 0.97];

/// One network on one machine.
struct Case {
    graph: Graph,
    stages: Stages,
    target: DlaTarget,
    machine: Machine,
    devices: Vec<Device>,
}

#[derive(Default)]
struct Figures {
    over_gpu: Vec<(f64, String)>,
    before: Vec<f64>,
    off: Vec<(f64, String)>,
    over_tuned: Vec<(f64, String)>,
    shared: usize,
    micros: Vec<(f64, String)>,
    batches: BTreeMap<usize, Batch>,
}

/// The figures of one batch size: the least of the first plan's and of the equal deal's over the GPU alone, the same with
/// devices off, and first plans over tuned ones.
#[derive(Default)]
struct Batch {
    over_gpu: Vec<f64>,
    before: Vec<f64>,
    off: Vec<f64>,
    over_tuned: Vec<f64>,
}

fn main() {
    let tuned = std::env::args().any(|word| word == "tuned");
    let mut figures = Figures::default();
    let mut cases = 0;
    for board in builtin() {
        for mode in &board.modes {
            let machine = board.machine(Some(&mode.name.0)).unwrap();
            let usual = mode.name == board.default_mode;
            for precision in [Precision::Fp16, Precision::Int8] {
                for name in NETWORKS {
                    let case = Case::new(name, &machine, precision);
                    case.measure(name, &mut figures, tuned && usual);
                    cases += BATCHES.len();
                }
            }
            println!("{}: done", machine.title());
        }
    }
    let median = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let show = |what: &str, figures: &[(f64, String)]| {
        let least = figures.iter().min_by(|a, b| a.0.total_cmp(&b.0)).cloned();
        let (least, case) = least.unwrap_or((f64::NAN, String::new()));
        let all: Vec<f64> = figures.iter().map(|f| f.0).collect();
        println!(
            "{what:38} least {least:.4} ({case}), median {:.4}, {} cases",
            median(&all),
            all.len()
        );
        least
    };
    println!("{cases} cases; a DLA takes part in {}", figures.shared);
    let before = figures.before.iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "before, an equal deal over the GPU alone: least {before:.4}, median {:.4}",
        median(&figures.before)
    );
    let least = show("first plan over the GPU alone", &figures.over_gpu);
    let off = show("the same, devices off", &figures.off);
    let all: Vec<f64> = figures.micros.iter().map(|f| f.0).collect();
    let worst = figures.micros.iter().max_by(|a, b| a.0.total_cmp(&b.0));
    let (worst, case) = worst.cloned().unwrap_or_default();
    println!(
        "microseconds to make a plan: median {:.0}, most {worst:.0} ({case})",
        median(&all)
    );
    let mut good = least >= GOALS[0] - 1e-9 && off >= GOALS[1] && worst <= MOST_US;
    println!(
        "  rows  equal deal, first plan and first plan with devices off over the GPU alone, each the least; over tuned, median"
    );
    let least_of = |all: &[f64]| all.iter().copied().fold(f64::INFINITY, f64::min);
    for (rows, of) in &figures.batches {
        let [before, first, off] = [&of.before, &of.over_gpu, &of.off].map(|all| least_of(all));
        let tuned = median(&of.over_tuned);
        println!("{rows:6}  {before:.4}  {first:.4}  {off:.4}  {tuned:.4}");
    }
    if tuned {
        show("first plan over the tuned plan", &figures.over_tuned);
        let all: Vec<f64> = figures.over_tuned.iter().map(|f| f.0).collect();
        good &= median(&all) >= GOALS[2];
    }
    std::process::exit(i32::from(!good));
}

impl Case {
    fn new(name: &str, machine: &Machine, precision: Precision) -> Case {
        let graph = network(name).unwrap().unwrap();
        let chip = machine.board.chip;
        let tensorrt = match chip {
            Chip::Xavier => Version(8, 5, 2),
            Chip::Orin => Version(10, 3, 0),
        };
        let target = DlaTarget {
            chip,
            tensorrt,
            precision,
        };
        let cores = (0..machine.board.dla.cores.0).map(Device::Dla);
        Case {
            stages: cut(&graph, &target, &[]).unwrap(),
            graph,
            target,
            machine: machine.clone(),
            devices: std::iter::once(Device::Gpu).chain(cores).collect(),
        }
    }

    fn measure(&self, name: &str, figures: &mut Figures, tuned: bool) {
        let options = Options {
            target: self.target,
            ..Options::default()
        };
        let sites = Sites::of(&self.graph, &options, self.target.precision.bytes(), false).unwrap();
        let arithmetic: Arithmetic = self.target.precision.into();
        let setting = Setting {
            machine: self.machine.clone(),
            precision: self.target.precision,
            gpu: arithmetic,
            framework: Framework::Native,
            graph: false,
            contention: true,
        };
        let costs = BoardCosts::new(&self.graph, &self.stages, setting.clone(), Constants::fitted());
        let terms = Terms::new(sites.clone(), &self.devices, None, false);
        let dlas = terms.dlas.clone();
        let forecast = Forecast::new(
            &self.graph,
            &self.stages,
            self.machine.clone(),
            &self.target,
            arithmetic,
            &dlas,
        );
        let error = forecast.error[1];
        let planner = Planner::new(terms, Some(forecast.into()));
        let space = sites.space(&costs, [&costs as &dyn Costs], &self.devices);
        let run = |plan: &Plan, costs: &dyn Costs| {
            let flow = match (plan.gpu_alone(), self.stages.suffix.is_some()) {
                (true, _) => Flow::Whole,
                (false, true) => Flow::PrefixSuffix,
                (false, false) => Flow::Prefix,
            };
            simulate(plan, flow, costs, Noise::NONE).unwrap().makespan_us
        };
        for rows in BATCHES {
            let title = format!("{name}, {}, {arithmetic}, {rows} rows", self.machine.title());
            let alone = gpu_only(&space, rows).unwrap();
            let (plan, micros) = timed(|| planner.plan(rows).unwrap().0);
            figures.micros.push((micros, title.clone()));
            let of = figures.batches.entry(rows).or_default();
            figures.shared += usize::from(!plan.gpu_alone());
            let (gpu_us, us) = (run(&alone, &costs), run(&plan, &costs));
            of.over_gpu.push(gpu_us / us);
            figures.over_gpu.push((gpu_us / us, format!("{title}: {plan}")));
            let able = if dlas.is_empty() {
                &self.devices[..1]
            } else {
                &self.devices[..]
            };
            let most = space.ways.first().map_or(64, |way| way.dla_rows.min(64));
            let equal = Plan::balanced_within(rows, able, most);
            let before = gpu_us / run(&equal, &costs);
            figures.before.push(before);
            of.before.push(before);
            for (gpu, dla) in factors(error, rows as u64) {
                let off = Off {
                    costs: &costs,
                    gpu,
                    dla,
                };
                let ratio = run(&alone, &off) / run(&plan, &off);
                of.off.push(ratio);
                figures
                    .off
                    .push((ratio, format!("{title}: {plan}, GPU x{gpu:.2}, DLA x{dla:.2}")));
            }
            if tuned && SEARCHED.contains(&rows) {
                let found = search(&space, rows, &Goal::Throughput).unwrap();
                let best = found.best[0].rows_per_second;
                let own = rows as f64 * 1e6 / us;
                of.over_tuned.push(own / best);
                figures
                    .over_tuned
                    .push((own / best, format!("{title}: {plan} for {}", found.best[0].plan)));
            }
        }
    }
}

/// A result and the shortest time that it took, in microseconds.
fn timed<T>(make: impl Fn() -> T) -> (T, f64) {
    let tries = (0..TRIES).map(|_| {
        let start = Instant::now();
        let made = make();
        (made, start.elapsed().as_secs_f64() * 1e6)
    });
    let shortest = tries.min_by(|a, b| a.1.total_cmp(&b.1));
    shortest.expect("at least one try")
}

/// Factors of the GPU's and the DLAs' times within `error`.
fn factors(error: f64, seed: u64) -> Vec<(f64, f64)> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        1.0 + error * ((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
    };
    let mut all = vec![(1.0 - error, 1.0 + error)];
    all.extend((0..TRUTHS).map(|_| (next(), next())));
    all
}
