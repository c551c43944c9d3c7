//! `tvm-dla check`: every stage through TensorRT's builder, which needs no GPU where it is TensorRT-RTX's.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::output::{Output, bytes, counted, seconds, table};
use super::tensorrt::TensorRtArguments;
use super::{Answer, Outcome, helped};
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
    #[arg(long, value_parser = crate::cli::rows::one)]
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
    /// Further stages that are this same network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<StageKind>,
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
    let _building = tensorrt.building();
    for bundle in distinct(&artifact.bundles) {
        for stage in stages(bundle, arguments.batch)? {
            let (kind, network) = (stage.kind, &stage.graph.name);
            output.say(&format!("building the {kind} stage of {network}"));
            engines.push(check(&tensorrt, arguments, bundle, stage, &cancel));
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

/// Every network once, whatever it is called.
fn distinct(bundles: &[Bundle]) -> Vec<&Bundle> {
    let mut seen = BTreeSet::new();
    let unnamed = |bundle: &Bundle| Bundle {
        graph: Graph {
            name: String::new(),
            ..bundle.graph.clone()
        },
        ..bundle.clone()
    };
    let new = bundles
        .iter()
        .filter(|bundle| seen.insert(unnamed(bundle).digest()));
    new.collect()
}

/// A network to build, and which other stages it is.
struct Stage {
    kind: StageKind,
    also: Vec<StageKind>,
    graph: Graph,
}

/// The network uncut, and its parts; a part that is all of it is no network of its own.
fn stages(bundle: &Bundle, batch: Option<u32>) -> Result<Vec<Stage>, Box<dyn Error>> {
    let options = &bundle.options;
    let cut = split::cut(&bundle.graph, &options.target, &options.gpu_only)?;
    let parts = [(StageKind::Prefix, cut.prefix), (StageKind::Suffix, cut.suffix)];
    let there = parts.into_iter().filter_map(|(kind, graph)| Some((kind, graph?)));
    let mut parts: Vec<(StageKind, Graph)> = there.collect();
    let whole = match parts.len() {
        1 => parts.drain(..).map(|(kind, _)| kind).collect(),
        _ => Vec::new(),
    };
    let parts = parts.into_iter().map(|(kind, graph)| (kind, Vec::new(), graph));
    let all = std::iter::once((StageKind::Whole, whole, bundle.graph.clone())).chain(parts);
    all.map(|(kind, also, graph)| {
        let graph = match batch {
            Some(rows) => graph.with_batch(rows as usize)?,
            None => graph,
        };
        Ok(Stage { kind, also, graph })
    })
    .collect()
}

fn check(
    tensorrt: &TensorRt,
    arguments: &Arguments,
    bundle: &Bundle,
    Stage { kind, also, graph }: Stage,
    cancel: &Arc<AtomicBool>,
) -> Engine {
    let cancel = cancel.clone();
    let spec = EngineSpec {
        stage: kind,
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
    let built = tensorrt.build(&graph, &spec, &recipe);
    let mut engine = Engine {
        network: graph.name.clone(),
        stage: kind,
        also,
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
        let also: Vec<String> = engine.also.iter().map(|kind| format!(" = {kind}")).collect();
        let stage = format!("{}{} x{}", engine.stage, also.concat(), engine.batch);
        match &engine.refused {
            Some(reason) => vec![stage, format!("refused: {reason}")],
            None => vec![
                stage,
                counted(engine.layers, "layer"),
                match engine.shapes {
                    1 => "1 shape agrees".to_string(),
                    shapes => format!("{shapes} shapes agree"),
                },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Options;
    use crate::graph::{Conv2d, GraphBuilder, Op, Padding2d};

    /// A convolution, and behind it what only the GPU runs where `suffix` says so.
    fn bundle(name: &str, side: usize, suffix: bool) -> Bundle {
        let mut b = GraphBuilder::new(name);
        let x = b.input("x", &[1, 3, side, side]);
        let w = b.weight("w", &[4, 3, 1, 1], vec![0.5; 12]);
        let conv = Op::Conv2d(Conv2d {
            stride: [1, 1],
            padding: Padding2d::default(),
            dilation: [1, 1],
            groups: 1,
        });
        let mut y = b.node("c", conv, &[x, w]).unwrap();
        if suffix {
            y = b.node("flat", Op::Flatten, &[y]).unwrap();
        }
        b.output(y);
        Bundle {
            graph: b.finish().unwrap(),
            options: Options::default(),
            plan: None,
            origin: None,
            kept: Vec::new(),
        }
    }

    #[test]
    fn each_distinct_network_is_built_once() {
        let all = [
            bundle("main_0", 4, false),
            bundle("main_1", 4, false),
            bundle("main_2", 8, false),
            bundle("main_3", 4, true),
            bundle("main_4", 8, false),
        ];
        let names: Vec<&str> = distinct(&all).iter().map(|b| b.graph.name.as_str()).collect();
        assert_eq!(
            names,
            ["main_0", "main_2", "main_3"],
            "a name makes no other network"
        );
    }

    #[test]
    fn a_part_that_is_all_of_a_network_is_that_network() {
        let kinds = |bundle: &Bundle| -> Vec<(StageKind, Vec<StageKind>)> {
            let stages = stages(bundle, None).unwrap().into_iter();
            stages.map(|stage| (stage.kind, stage.also)).collect()
        };
        let whole = kinds(&bundle("whole", 4, false));
        assert_eq!(whole, [(StageKind::Whole, vec![StageKind::Prefix])]);
        let parts = kinds(&bundle("parts", 4, true));
        let want = [StageKind::Whole, StageKind::Prefix, StageKind::Suffix].map(|k| (k, vec![]));
        assert_eq!(parts, want);
    }
}
