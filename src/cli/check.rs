//! `tvm-dla check`: every stage through TensorRT's builder, which needs no GPU where it is TensorRT-RTX's.

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::output::{bytes, seconds, table, Output};
use super::tensorrt::TensorRtArguments;
use super::{helped, Answer, Outcome};
use crate::artifact::Artifact;
use crate::bundle::Bundle;
use crate::engine::trt::{Recipe, TensorRt};
use crate::engine::{EngineSpec, Numerics, Precision, StageKind};
use crate::graph::Graph;
use crate::plan::Device;
use crate::split;

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle
    artifact: PathBuf,
    /// Rows of every engine (default: as compiled)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// What the GPU's engines compute in: fp32 or fp16
    #[arg(long, default_value = "fp16", value_parser = without_ranges)]
    precision: Precision,
    #[command(flatten)]
    tensorrt: TensorRtArguments,
}

fn without_ranges(text: &str) -> Result<Precision, String> {
    match text.parse()? {
        Precision::Int8 => Err("int8 needs the ranges of a calibration: use fp32 or fp16".into()),
        precision => Ok(precision),
    }
}

#[derive(Serialize)]
struct Report {
    library: String,
    path: PathBuf,
    engines: Vec<Engine>,
}

/// What the builder made of one stage.
#[derive(Serialize)]
struct Engine {
    network: String,
    stage: StageKind,
    batch: usize,
    /// Layers that TensorRT was given, constants included.
    layers: usize,
    /// Tensors whose shapes TensorRT inferred, all as we do.
    shapes: usize,
    bytes: u64,
    seconds: f64,
    /// Why TensorRT refuses the stage.
    refused: Option<String>,
}

pub fn run(arguments: &Arguments, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    let artifact = Artifact::read(&arguments.artifact)?;
    let [paths, _] = arguments.tensorrt.paths();
    arguments.tensorrt.listen();
    let tensorrt = TensorRt::load(&paths)
        .map_err(|e| helped(e.to_string(), "`tvm-dla doctor` shows what is missing"))?;
    let mut engines = Vec::new();
    for bundle in &artifact.bundles {
        for (stage, graph) in stages(bundle, arguments.batch)? {
            output.say(&format!("building the {stage} stage of {}", graph.name));
            engines.push(check(
                &tensorrt,
                arguments,
                bundle,
                (stage, &graph),
                &cancel,
            ));
            if cancel.load(Ordering::Relaxed) {
                return Err("the check was interrupted".into());
            }
        }
    }
    let report = Report {
        library: tensorrt.version().to_string(),
        path: tensorrt.path().to_path_buf(),
        engines,
    };
    let good = report.engines.iter().all(|engine| engine.refused.is_none());
    let answer = if good { Answer::Yes } else { Answer::No };
    output.answer(&report, || human(&report), answer)
}

/// The network uncut, and its parts.
fn stages(bundle: &Bundle, batch: Option<u32>) -> Result<Vec<(StageKind, Graph)>, Box<dyn Error>> {
    let options = &bundle.options;
    let cut = split::cut(&bundle.graph, &options.target, &options.gpu_only)?;
    let parts = [
        (StageKind::Whole, Some(bundle.graph.clone())),
        (StageKind::Prefix, cut.prefix),
        (StageKind::Suffix, cut.suffix),
    ];
    let there = parts
        .into_iter()
        .filter_map(|(stage, graph)| Some((stage, graph?)));
    there
        .map(|(stage, graph)| match batch {
            Some(rows) => Ok((stage, graph.with_batch(rows as usize)?)),
            None => Ok((stage, graph)),
        })
        .collect()
}

fn check(
    tensorrt: &TensorRt,
    arguments: &Arguments,
    bundle: &Bundle,
    (stage, graph): (StageKind, &Graph),
    cancel: &Arc<AtomicBool>,
) -> Engine {
    let cancel = cancel.clone();
    let spec = EngineSpec {
        stage,
        device: Device::Gpu,
        batch: graph.batch(),
    };
    let recipe = Recipe {
        numerics: Numerics::of(arguments.precision),
        options: arguments.tensorrt.options(),
        target: bundle.options.target,
        progress: Some(Arc::new(move |_| !cancel.load(Ordering::Relaxed))),
    };
    let start = Instant::now();
    let built = tensorrt.build(graph, &spec, &recipe);
    let mut engine = Engine {
        network: graph.name.clone(),
        stage,
        batch: spec.batch,
        layers: 0,
        shapes: 0,
        bytes: 0,
        seconds: start.elapsed().as_secs_f64(),
        refused: None,
    };
    match built {
        Ok(plan) => {
            engine.layers = plan.layers;
            engine.shapes = plan.agreed;
            engine.bytes = plan.bytes.len() as u64;
        }
        Err(error) => engine.refused = Some(error.to_string()),
    }
    engine
}

fn human(report: &Report) -> String {
    let row = |engine: &Engine| {
        let stage = format!("{} x{}", engine.stage, engine.batch);
        match &engine.refused {
            Some(reason) => vec![stage, format!("refused: {reason}")],
            None => vec![
                stage,
                format!("{} layers", engine.layers),
                format!("{} shapes agree", engine.shapes),
                bytes(engine.bytes),
                seconds(engine.seconds),
            ],
        }
    };
    let rows: Vec<Vec<String>> = report.engines.iter().map(row).collect();
    let Report { library, path, .. } = report;
    format!(
        "{}\nbuilt by {library} ({}); nothing was executed",
        table(&rows),
        path.display()
    )
}
