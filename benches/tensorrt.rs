//! What the runtime makes of a GPU through TensorRT: `cargo bench --bench tensorrt -- model.tar [fp16|fp32] [LEVEL]`.
//!
//! Images per second of the GPU alone at several batches, from the session's own buffers and from ordinary arrays, and the
//! processor time that an image costs. Needs a GPU and TensorRT (`TVM_DLA_TENSORRT`, `TVM_DLA_CUDART` name libraries).

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tvm_dla::artifact::Artifact;
use tvm_dla::engine::trt::{LibraryPaths, Recipe, TrtBackend, TrtOptions};
use tvm_dla::engine::{Array, Backend, Numerics, Precision};
use tvm_dla::plan::Plan;
use tvm_dla::session::{Session, SessionConfig};

/// How long each figure is measured.
const LONG: Duration = Duration::from_secs(2);
/// Rows of a round on the GPU, how many rounds, and how many engines take them in turn.
const ROUNDS: [(usize, usize, usize); 6] = [
    (1, 1, 1),
    (8, 1, 1),
    (64, 1, 1),
    (64, 8, 1),
    (64, 32, 1),
    (64, 8, 2),
];

fn backend(
    precision: Precision,
    session: &Artifact,
    level: Option<u8>,
) -> Result<TrtBackend, Box<dyn Error>> {
    let named = |variable| std::env::var_os(variable).map(PathBuf::from);
    let target = session.network()?.options.target;
    let mut recipe = Recipe::new(Numerics::of(precision), target);
    recipe.options.level = level;
    Ok(TrtBackend::new(TrtOptions {
        tensorrt: LibraryPaths::system(named("TVM_DLA_TENSORRT"), Vec::new()),
        cuda: LibraryPaths::system(named("TVM_DLA_CUDART"), Vec::new()),
        recipe,
    })?)
}

/// Images per second, and microseconds of this process's threads per image.
fn rate(session: &Session, plan: &Plan, inputs: &[Array]) -> Result<(f64, f64), Box<dyn Error>> {
    for _ in 0..3 {
        session.run_with(plan, inputs)?;
    }
    let (start, spent, mut rows) = (Instant::now(), processor_time(), 0);
    while start.elapsed() < LONG {
        session.run_with(plan, inputs)?;
        rows += plan.total();
    }
    let spent = processor_time() - spent;
    Ok((
        rows as f64 / start.elapsed().as_secs_f64(),
        spent.as_secs_f64() * 1e6 / rows as f64,
    ))
}

/// What the process's threads have computed so far, by the system's statistics (in hundredths of a second).
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let fields: Vec<u64> = after_name
        .split_whitespace()
        .filter_map(|f| f.parse().ok())
        .collect();
    // The state is no number, so user and system time are the eleventh and twelfth that are.
    let ticks: u64 = fields.get(10..12).map_or(0, |times| times.iter().sum());
    Duration::from_millis(ticks * 10)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(path) = arguments.first() else {
        println!("bench tensorrt: name an artifact: cargo bench --bench tensorrt -- model.tar");
        return Ok(());
    };
    let precision = match arguments.get(1).map(String::as_str) {
        None | Some("fp16") => Precision::F16,
        Some("fp32") => Precision::F32,
        Some(other) => return Err(format!("`{other}` is neither fp16 nor fp32").into()),
    };
    let level = arguments.get(2).map(|level| level.parse()).transpose()?;
    let artifact = Artifact::read(path.as_ref())?;
    let backend = Arc::new(backend(precision, &artifact, level)?);
    println!("{}", backend.describe());
    let bundle = artifact.network()?.clone();
    let session = Session::from_bundle(bundle, backend, SessionConfig::default())?;
    for (batch, rounds, engines) in ROUNDS {
        let plan: Plan = format!("gpu={batch}x{rounds},engines={engines}").parse()?;
        session.prepare(&plan)?;
        let buffers = session.buffers(plan.total())?;
        let arrays = buffers.arrays();
        let ordinary: Vec<Array> = arrays
            .iter()
            .map(|array| Array {
                shape: array.shape.clone(),
                data: Arc::new(array.data.to_vec()),
            })
            .collect();
        let (own, own_time) = rate(&session, &plan, &arrays)?;
        let (given, given_time) = rate(&session, &plan, &ordinary)?;
        println!(
            "{plan}  {own:.0}/s from buffers{}  {given:.0}/s from an array  processor {own_time:.1} and {given_time:.1} us per image",
            if buffers.are_page_locked() {
                ""
            } else {
                " (not page-locked)"
            },
        );
    }
    Ok(())
}
