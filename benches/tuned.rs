//! What a tuned plan reaches with real threads on the CPU backend: `cargo bench --bench tuned [-- ARTIFACT]`.
//!
//! The GPU and one DLA are emulated with one thread each. Their rates are measured alone, and side by side without any
//! pipeline between them, each in a loop of its own: two engines on one processor share its caches, memory and clock,
//! which no plan can change. All are measured in turn, several times; ratios are of neighbours in time, and their median
//! counts. Then a stream at 80 % of the tuned rate on the same devices, items arriving as a Poisson process. Without an
//! artifact the network is MobileNet V2 by its shapes. It needs a processor of two cores to itself.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tvm_dla::bundle::{Bundle, Options};
use tvm_dla::calibrate::network;
use tvm_dla::engine::Array;
use tvm_dla::plan::Plan;
use tvm_dla::session::Session;

const ROWS: usize = 256;
/// As many as the processor has cores, each with one thread.
const DEVICES: &str = "--devices gpu,dla0";
const TURNS: usize = 7;
const ASKED: f64 = 0.97;
/// Of the tuned rate, and the bound that the stream is given.
const LOAD: f64 = 0.8;
const BOUND_MS: u64 = 250;
const ITEMS: usize = 1500;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let given = std::env::args()
        .skip(1)
        .find(|word| !word.starts_with("--"));
    let artifact = folder.path().join("net.dla");
    match given {
        Some(path) => drop(std::fs::copy(path, &artifact).unwrap()),
        None => {
            let bundle = Bundle {
                graph: network("mobilenet_v2").unwrap().unwrap(),
                options: Options::default(),
                plan: None,
                origin: None,
            };
            std::fs::write(&artifact, bundle.to_bytes()).unwrap();
        }
    }
    let tuned = program(
        folder.path(),
        &format!("tune net.dla --batch {ROWS} {DEVICES}"),
    );
    let text = tuned["points"][0]["text"].as_str().unwrap();
    println!("tuned for {ROWS} rows: {text}");
    let rate = throughput(&artifact, &text.parse().unwrap());
    stream(folder.path(), rate);
}

/// The program's answer; it is run in `folder`.
fn program(folder: &Path, line: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tvm-dla"));
    command
        .args(["--json", "--quiet"])
        .args(line.split_whitespace());
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
        Session::load(artifact).unwrap(),
        Session::load(artifact).unwrap(),
    ];
    let batch = |device: &str| {
        let shares = tuned
            .prefix
            .iter()
            .filter(|s| s.device.to_string() == device);
        shares.max_by_key(|s| s.rows()).map_or(16, |s| s.batch)
    };
    let plan = |device: &str| -> Plan {
        let (batch, rounds) = (batch(device), (ROWS / 2 / batch(device)).max(1));
        format!("{device}={batch}x{rounds}").parse().unwrap()
    };
    let devices = [plan("gpu"), plan("dla0")];
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        let each = sessions.iter().zip(&devices);
        let alone: f64 = each.map(|(session, plan)| once(session, plan)).sum();
        let before = once(&sessions[0], tuned);
        let beside = together(&sessions, &devices);
        let after = once(&sessions[0], tuned);
        turns.push([(before + after) / 2.0, beside, alone]);
    }
    let of = |figure: &dyn Fn(&[f64; 3]) -> f64| median(turns.iter().map(figure).collect());
    let rate = of(&|turn| turn[0]);
    println!("tuned plan                       {rate:7.1} rows/s");
    println!(
        "both devices side by side        {:7.1} rows/s",
        of(&|turn| turn[1])
    );
    println!(
        "sum of each device alone         {:7.1} rows/s",
        of(&|turn| turn[2])
    );
    let ratio = of(&|turn| turn[0] / turn[1]);
    let kept = if ratio >= ASKED { "kept" } else { "not kept" };
    println!("tuned over side by side          {ratio:7.3}  ({ASKED} {kept})");
    println!(
        "tuned over the sum of each alone {:7.3}",
        of(&|turn| turn[0] / turn[2])
    );
    rate
}

/// Rows per second of one run; one that builds its engines comes before.
fn once(session: &Session, plan: &Plan) -> f64 {
    session.prepare(plan).unwrap();
    let input = rows(session, plan.total());
    session.run_with(plan, &input).unwrap().stats.rate()
}

/// The rates of independent loops at the same time, added up: each as long as all of them run.
fn together(sessions: &[Session; 2], plans: &[Plan; 2]) -> f64 {
    let stop = AtomicBool::new(false);
    let looped = |session: &Session, plan: &Plan| {
        let input = rows(session, plan.total());
        let (start, mut done) = (Instant::now(), 0);
        while !stop.load(Ordering::Relaxed) {
            session.run_with(plan, &input).unwrap();
            done += plan.total();
        }
        done as f64 / start.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let loops: Vec<_> = sessions
            .iter()
            .zip(plans)
            .map(|(session, plan)| scope.spawn(move || looped(session, plan)))
            .collect();
        thread::sleep(Duration::from_secs(3));
        stop.store(true, Ordering::Relaxed);
        loops.into_iter().map(|l| l.join().unwrap()).sum()
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

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Prints whether 99 of 100 items kept the bound.
fn stream(folder: &Path, tuned: f64) {
    let session = Session::load(folder.join("net.dla")).unwrap();
    let input = rows(&session, 64).remove(0);
    let data = ndarray::ArrayD::from_shape_vec(input.shape.clone(), input.data.to_vec());
    ndarray_npy::write_npy(folder.join("x.npy"), &data.unwrap()).unwrap();
    let rate = LOAD * tuned;
    let report = program(
        folder,
        &format!("stream net.dla --source x.npy --count {ITEMS} --rate poisson:{rate:.1} --max-latency {BOUND_MS}ms {DEVICES} --precision fp32"),
    );
    let latency = |key: &str| report["latency_ms"][key].as_f64().unwrap();
    let (p50, p99, late) = (latency("p50"), latency("p99"), &report["late"]);
    let kept = if p99 <= BOUND_MS as f64 {
        "kept"
    } else {
        "not kept"
    };
    println!("stream of {rate:.1} items/s, {ITEMS} items, bound {BOUND_MS} ms: p50 {p50:.1} ms, p99 {p99:.1} ms, {late} late: {kept}");
}
