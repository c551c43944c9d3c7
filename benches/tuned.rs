//! What a tuned plan reaches with real threads on the CPU backend: `cargo bench --bench tuned [-- ARTIFACT]`.
//!
//! The GPU and one DLA are emulated with one thread each. Their rates are measured alone, and side by side without any
//! pipeline between them, each in a loop of its own: two engines on one processor share its caches, memory and clock,
//! which no plan can change. All run in loops of the same length, in turn, several times; ratios are of neighbours in
//! time, and their median counts, given with the interval that holds it 19 times of 20. Then a stream at 80 % of the
//! tuned rate on the same devices, items arriving as a Poisson process. Without an artifact the network is MobileNet V2
//! by its shapes. It needs a processor of two cores to itself.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tvm_dla::bundle::{Bundle, Options};
use tvm_dla::engine::Array;
use tvm_dla::fit::network;
use tvm_dla::plan::Plan;
use tvm_dla::session::Session;
use tvm_dla::tune::measure::{Race, Standing};

const ROWS: usize = 256;
/// As many as the processor has cores, each with one thread.
const DEVICES: &str = "--devices gpu,dla0";
const TURNS: usize = 11;
/// Of every figure in every turn.
const LONG: Duration = Duration::from_millis(2500);
const ASKED: f64 = 0.97;
/// Of the tuned rate, and the bound that the stream is given.
const LOAD: f64 = 0.8;
const BOUND_MS: u64 = 250;
const ITEMS: usize = 1500;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let given = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let artifact = folder.path().join("net.dla");
    match given {
        Some(path) => drop(std::fs::copy(path, &artifact).unwrap()),
        None => {
            let bundle = Bundle {
                graph: network("mobilenet_v2").unwrap().unwrap(),
                options: Options::default(),
                plan: None,
                origin: None,
                kept: Vec::new(),
            };
            std::fs::write(&artifact, bundle.to_bytes()).unwrap();
        }
    }
    let tuned = program(folder.path(), &format!("tune net.dla --batch {ROWS} {DEVICES}"));
    let text = tuned["points"][0]["text"].as_str().unwrap();
    println!("tuned for {ROWS} rows: {text}");
    let rate = throughput(&artifact, &text.parse().unwrap());
    stream(folder.path(), rate);
}

/// The program's answer; it is run in `folder`.
fn program(folder: &Path, line: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tvm-dla"));
    command.args(["--json", "--quiet"]).args(line.split_whitespace());
    let output = command
        .current_dir(folder)
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Prints both ratios; the tuned plan's rows per second.
fn throughput(artifact: &Path, tuned: &Plan) -> f64 {
    let sessions = [
        Session::load_emulated(artifact).unwrap(),
        Session::load_emulated(artifact).unwrap(),
    ];
    let devices = ["gpu", "dla0"].map(|device| own(tuned, device));
    let all = |stop: &AtomicBool| looped(&sessions[0], tuned, stop);
    let gpu = |stop: &AtomicBool| looped(&sessions[0], &devices[0], stop);
    let dla = |stop: &AtomicBool| looped(&sessions[1], &devices[1], stop);
    for engine in [&all as &Loop<'_>, &gpu, &dla] {
        at_once(&[engine]);
    }
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        let before = at_once(&[&all]);
        let alone = at_once(&[&gpu]) + at_once(&[&dla]);
        let beside = at_once(&[&gpu, &dla]);
        let after = at_once(&[&all]);
        turns.push([(before + after) / 2.0, beside, alone]);
    }
    let of = |figure: &dyn Fn(&[f64; 3]) -> f64| {
        let mut figures = Race::new(1, 0.0, TURNS);
        turns.iter().for_each(|turn| figures.record(0, figure(turn)));
        figures.standings()[0]
    };
    let rate = of(&|turn| turn[0]).median;
    for (what, at) in [
        ("tuned plan", 0),
        ("both devices side by side", 1),
        ("sum of each device alone", 2),
    ] {
        println!("{what:33} {:7.1} rows/s", of(&|turn| turn[at]).median);
    }
    let share = |what: &str, of: Standing, kept: &str| {
        println!(
            "{what:33} {:7.3}  ({:.3} to {:.3}{kept})",
            of.median, of.low, of.high
        );
    };
    for (what, at) in [("side by side", 1), ("the sum of each alone", 2)] {
        let ratio = of(&|turn| turn[0] / turn[at]);
        let kept = if ratio.median >= ASKED { "kept" } else { "not kept" };
        let what = format!("tuned over {what}");
        share(&what, ratio, &format!("; {ASKED} {kept}"));
    }
    share("side by side over alone", of(&|turn| turn[1] / turn[2]), "");
    rate
}

/// One device with the rows per execution of its largest share, for about half the rows.
fn own(tuned: &Plan, device: &str) -> Plan {
    let shares = tuned.prefix.iter();
    let shares = shares.filter(|s| s.device.to_string() == device);
    let batch = shares.max_by_key(|s| s.rows()).map_or(16, |s| s.batch);
    let rounds = (ROWS / 2 / batch).max(1);
    format!("{device}={batch}x{rounds}").parse().unwrap()
}

/// Runs until it is told to stop; rows per second.
type Loop<'a> = dyn Fn(&AtomicBool) -> f64 + Sync + 'a;

fn looped(session: &Session, plan: &Plan, stop: &AtomicBool) -> f64 {
    session.prepare(plan).unwrap();
    let input = rows(session, plan.total());
    let (start, mut done) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        session.run_with(plan, &input).unwrap();
        done += plan.total();
    }
    done as f64 / start.elapsed().as_secs_f64()
}

/// The rates of loops at the same time, added up: each as long as all of them run.
fn at_once(loops: &[&Loop<'_>]) -> f64 {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let running: Vec<_> = loops.iter().map(|run| scope.spawn(|| run(&stop))).collect();
        thread::sleep(LONG);
        stop.store(true, Ordering::Relaxed);
        running.into_iter().map(|r| r.join().unwrap()).sum()
    })
}

fn rows(session: &Session, rows: usize) -> Vec<Array> {
    let graph = session.graph();
    let mut shape = graph.tensor(graph.inputs[0]).shape.clone();
    shape[0] = rows;
    let values = (0..shape.iter().product::<usize>()).map(|i| (i % 251) as f32 / 251.0);
    vec![Array {
        data: values.collect::<Vec<f32>>().into(),
        shape,
    }]
}

/// Prints whether 99 of 100 items kept the bound.
fn stream(folder: &Path, tuned: f64) {
    let session = Session::load_emulated(folder.join("net.dla")).unwrap();
    let input = rows(&session, 64).remove(0);
    let data = ndarray::ArrayD::from_shape_vec(input.shape.clone(), input.data.to_vec());
    ndarray_npy::write_npy(folder.join("x.npy"), &data.unwrap()).unwrap();
    let rate = LOAD * tuned;
    let report = program(
        folder,
        &format!(
            "stream net.dla --source x.npy --count {ITEMS} --rate poisson:{rate:.1} --max-latency {BOUND_MS}ms {DEVICES} --precision fp32"
        ),
    );
    let latency = |key: &str| report["latency_ms"][key].as_f64().unwrap();
    let (p50, p99, late) = (latency("p50"), latency("p99"), &report["late"]);
    let kept = if p99 <= BOUND_MS as f64 {
        "kept"
    } else {
        "not kept"
    };
    println!(
        "stream of {rate:.1} items/s, {ITEMS} items, bound {BOUND_MS} ms: p50 {p50:.1} ms, p99 {p99:.1} ms, {late} late: {kept}"
    );
}
