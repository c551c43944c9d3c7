//! What calibration costs over plain inference of the same images: `cargo bench --bench quantise`, after
//! `./scripts/demo`, whose MobileNet V2 and photographs it takes.
//!
//! Ratios within one run, of as many engines on as many threads. Images are in memory: reading them is the same work
//! for both.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use image::imageops::FilterType;
use tvm_dla::artifact::Artifact;
use tvm_dla::engine::cpu::{CpuBackend, CpuOptions, SearchPaths, find_library};
use tvm_dla::engine::{Array, Backend, Engine, EngineSpec, Rows, StageKind};
use tvm_dla::graph::Graph;
use tvm_dla::plan::Device;
use tvm_dla::quantise::{Batch, Method, Runs, collect, probed};

const ROWS: usize = 4;
const BATCHES: usize = 12;
const REPEATS: usize = 9;

fn backend(root: &Path) -> CpuBackend {
    let paths = SearchPaths {
        roots: vec![root.join(".venv/0.9")],
        ..SearchPaths::default()
    };
    let options = CpuOptions {
        library: find_library(&paths).expect("./scripts/setup installs ONNX Runtime"),
        threads_per_device: 1,
        devices: vec![Device::Gpu],
    };
    CpuBackend::new(options).unwrap()
}

/// A photograph per row, in the -1..1 that the demo's networks take.
fn photographs(folder: &Path) -> Batch {
    let mut data = Vec::new();
    for name in ["cat.png", "dog_test_0.png", "owl.jpg", "parrot.jpg"] {
        let picture = image::open(folder.join(name)).unwrap();
        let picture = picture.resize_exact(224, 224, FilterType::Triangle);
        let pixels = picture.to_rgb8();
        for channel in 0..3 {
            let values = pixels.pixels().map(|p| f32::from(p.0[channel]));
            data.extend(values.map(|value| value / 127.5 - 1.0));
        }
    }
    vec![Array {
        shape: vec![ROWS, 3, 224, 224],
        data: Arc::new(data),
    }]
}

/// Seconds of plain inference.
fn plain(engines: &mut [Box<dyn Engine>], batch: &Batch) -> f64 {
    let started = Instant::now();
    let each = BATCHES / engines.len();
    std::thread::scope(|scope| {
        for engine in engines {
            scope.spawn(move || {
                for _ in 0..each {
                    engine.enqueue(batch.iter().map(Rows::from).collect()).unwrap();
                    engine.wait().unwrap();
                }
            });
        }
    });
    started.elapsed().as_secs_f64()
}

/// Seconds of calibration after the first batch of each engine, which also builds the engines.
fn calibration(backend: &CpuBackend, graph: &Graph, runs: Runs, batch: &Batch) -> f64 {
    let (mut given, mut started) = (0, None);
    let (mut seen, warm) = (0, runs.engines * 2);
    let next = || {
        given += 1;
        Ok((given <= warm + BATCHES).then(|| batch.clone()))
    };
    let found = collect(backend, graph, runs, next, |_| {
        seen += 1;
        if seen == warm {
            started = Some(Instant::now());
        }
    });
    let seconds = started.unwrap().elapsed().as_secs_f64();
    found.unwrap().choose(Method::Entropy).unwrap();
    seconds
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("build/demo/mobilenet_v2.tar");
    let artifact = Artifact::read(&path).expect("./scripts/demo makes build/demo/mobilenet_v2.tar");
    let graph = &artifact.network().unwrap().graph;
    let (backend, batch) = (backend(root), photographs(&root.join("examples/models")));
    let probe = probed(graph, &[]);
    let spec = EngineSpec {
        stage: StageKind::Whole,
        device: Device::Gpu,
        batch: ROWS,
    };
    let full = graph.with_batch(ROWS).unwrap();
    for engines in [1, 2] {
        let built = (0..engines).map(|_| backend.build(&full, &spec).unwrap());
        let mut built: Vec<_> = built.collect();
        plain(&mut built, &batch);
        let runs = Runs { rows: ROWS, engines };
        let mut ratios: Vec<f64> = (0..REPEATS)
            .map(|_| {
                let before = plain(&mut built, &batch);
                let counted = calibration(&backend, &probe, runs, &batch);
                2.0 * counted / (before + plain(&mut built, &batch))
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let (low, middle, high) = (ratios[0], ratios[REPEATS / 2], ratios[REPEATS - 1]);
        println!("calibration over plain inference, {engines} at once: {middle:.2} ({low:.2} to {high:.2})");
    }
}
