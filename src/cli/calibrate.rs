//! `tvm-dla calibrate`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::around::TvmRuntime;
use super::data::{Data, DataOptions};
use super::engines::emulated;
use super::files::TextFile;
use super::model::preprocess;
use super::output::{Output, counted, listed, seconds, table};
use super::{Answer, Outcome};
use crate::artifact::Artifact;
use crate::engine::{Numerics, Ranges, Watching};
use crate::graph::Graph;
use crate::quantise::{
    CalibrateError, Calibration, ChosenRanges, Distributions, Method, Remark, Runs, cache, collect, crossing,
    probed,
};

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle
    artifact: PathBuf,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    tvm: TvmRuntime,
    /// How ranges are chosen: entropy, max, percentile or percentile=99.9. Entropy takes the largest value where a tensor
    /// has fewer than 2048 values other than zero, or where clipping would cost more than coarser steps
    #[arg(long, default_value = "entropy")]
    method: Method,
    /// Where TensorRT's calibration cache goes; our own file goes beside it, with .json appended
    /// (default: the artifact's name with .calib, in this folder)
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Rows that run at a time
    #[arg(long, default_value_t = 4, value_parser = crate::cli::rows::up_to(1024))]
    batch: u32,
    /// Engines that run at once, one thread each (default: as many as the machine has cores)
    #[arg(long, env = "TVM_DLA_THREADS", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// ONNX Runtime's library, or a folder to look in
    #[arg(long, env = "TVM_DLA_ONNXRUNTIME")]
    onnxruntime: Option<PathBuf>,
}

#[derive(Serialize)]
struct CalibrateReport {
    artifact: PathBuf,
    network: String,
    method: String,
    rows: usize,
    seconds: f64,
    cache: PathBuf,
    file: PathBuf,
    tensors: Vec<TensorRange>,
    remarks: Vec<RangeRemark>,
}

/// A range to look at.
#[derive(Serialize)]
struct RangeRemark {
    tensor: String,
    kind: &'static str,
    /// What the method would keep, or keeps, of the largest magnitude.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<f32>,
}

impl RangeRemark {
    fn of((tensor, remark): &(String, Remark)) -> RangeRemark {
        let (kind, kept) = match *remark {
            Remark::Zero => ("zero", None),
            Remark::Few { .. } => ("few_values", None),
            Remark::Costly { kept } => ("maximum_instead", Some(kept)),
            Remark::Small { kept } => ("small_part", Some(kept)),
        };
        RangeRemark {
            tensor: tensor.clone(),
            kind,
            kept,
        }
    }
}

#[derive(Serialize)]
struct TensorRange {
    tensor: String,
    largest: f32,
    range: f32,
}

pub fn run(arguments: &Arguments, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    let artifact = Artifact::read(&arguments.artifact)?;
    let bundle = artifact.network()?;
    let (cache_path, json_path) = paths(arguments)?;
    let cache_file = TextFile::create(&cache_path)?;
    let json_file = TextFile::create(&json_path)?;
    let preprocess = preprocess(arguments.data.preprocess.as_deref(), &artifact)?;
    let around = arguments.tvm.around(&arguments.artifact, &artifact, output)?;
    let inputs = super::inputs::of_model(bundle, around.as_ref());
    let data = arguments.data.open(&inputs, preprocess.as_ref(), output)?;
    let data = data.entering(around, bundle);
    let backend = emulated(arguments.onnxruntime.as_deref(), 1, Numerics::default())?;
    let started = Instant::now();
    let cores = || std::thread::available_parallelism().map_or(1, |n| n.get());
    let steps = Steps::of(&data, &bundle.graph, arguments.batch as usize)?;
    let runs = Runs {
        rows: steps.network,
        engines: arguments.threads.map_or_else(cores, usize::from),
    };
    let graph = probed(&bundle.graph, &crossing(bundle)?);
    let found = distributions(&data, &graph, &*backend, (steps, runs), output, &cancel);
    let found = found.map_err(|e| named(e, &data, steps))?;
    let ChosenRanges { ranges, remarks } = found.choose(arguments.method)?;
    said(&remarks).iter().for_each(|line| output.say(line));
    let seconds = started.elapsed().as_secs_f64();
    let calibration = Calibration::new(&bundle.graph, arguments.method, data.len(), &ranges);
    cache_file.write(&cache::write(&ranges, bundle.options.target.tensorrt))?;
    json_file.write(&serde_json::to_string_pretty(&calibration)?)?;
    let answer = CalibrateReport {
        artifact: arguments.artifact.clone(),
        network: calibration.network,
        method: arguments.method.to_string(),
        rows: data.len(),
        seconds,
        cache: cache_path,
        file: json_path,
        tensors: tensors(&found, &ranges),
        remarks: remarks.iter().map(RangeRemark::of).collect(),
    };
    output.answer(&answer, || human(&answer), Answer::Yes)
}

fn paths(arguments: &Arguments) -> Result<(PathBuf, PathBuf), Box<dyn Error>> {
    let stem = arguments.artifact.file_stem();
    let stem = stem.ok_or_else(|| format!("{} is no file", arguments.artifact.display()))?;
    let default = Path::new(stem).with_extension("calib");
    let cache = arguments.output.clone().unwrap_or(default);
    let mut json = cache.clone().into_os_string();
    json.push(".json");
    Ok((cache, json.into()))
}

/// Rows that are computed at a time.
#[derive(Clone, Copy)]
pub struct Steps {
    /// Of the model: as `data` has them.
    pub model: usize,
    /// Of its network.
    pub network: usize,
}

impl Steps {
    /// Where all tensors are looked at: as asked where every one holds its rows one after the other, else one by one, else
    /// as compiled.
    ///
    /// # Errors
    /// Rows beyond the last whole batch, which cannot be computed where rows depend on each other.
    pub fn of(data: &Data, graph: &Graph, asked: usize) -> Result<Steps, CalibrateError> {
        let watched = Graph {
            outputs: graph.nodes.iter().map(|node| node.output).collect(),
            ..graph.clone()
        };
        let followed = graph.with_batch(graph.batch() + 1);
        let (network, reason) = match (data.by_execution(), watched.apart(), followed) {
            (Some(execution), ..) => (graph.batch(), Some((execution.rows, execution.reason))),
            (None, Ok(()), _) => (asked, None),
            (None, Err(_), Ok(_)) => (1, None),
            (None, Err(_), Err(error)) => {
                let rows = graph.batch();
                (rows, Some((rows, error.to_string())))
            }
        };
        let Some((model, reason)) = reason else {
            let model = network;
            return Ok(Steps { model, network });
        };
        if data.len().is_multiple_of(model) {
            Ok(Steps { model, network })
        } else {
            Err(CalibrateError::Batch(format!(
                "{} do not fill batches of {model}; rows depend on each other ({reason}); --limit takes the first rows only",
                counted(data.len(), "row")
            )))
        }
    }
}

/// What flows through `graph` when it runs over all of `data`.
pub fn distributions(
    data: &Data,
    graph: &Graph,
    backend: &dyn Watching,
    (steps, runs): (Steps, Runs),
    output: &Output,
    cancel: &AtomicBool,
) -> Result<Distributions, CalibrateError> {
    let bar = output.progress(data.len(), "calibrating");
    let mut start = 0;
    let next = || {
        if cancel.load(Ordering::Relaxed) {
            return Err(CalibrateError::Data("interrupted".into()));
        }
        if start >= data.len() {
            return Ok(None);
        }
        let rows = data.rows(start, steps.model);
        start += steps.model;
        rows.map(Some).map_err(|e| CalibrateError::Data(e.to_string()))
    };
    let found = collect(backend, graph, runs, next, |rows| {
        bar.inc((rows * steps.model / steps.network) as u64);
    });
    bar.finish_and_clear();
    found
}

/// The same error with the name of its image.
pub fn named(error: CalibrateError, data: &Data, steps: Steps) -> Box<dyn Error> {
    match &error {
        CalibrateError::NotFinite { row, .. } => match data.names.get(row * steps.model / steps.network) {
            Some(name) => format!("{name}: {error}").into(),
            None => error.into(),
        },
        _ => error.into(),
    }
}

fn tensors(found: &Distributions, ranges: &Ranges) -> Vec<TensorRange> {
    let tensors = found.tensors.iter();
    let tensors = tensors.filter_map(|(name, histogram)| {
        Some(TensorRange {
            tensor: name.clone(),
            largest: histogram.max(),
            range: ranges.get(name)?,
        })
    });
    tensors.collect()
}

/// A line for each kind of remark, for `calibrate` and all that finds ranges by itself.
pub fn said(remarks: &[(String, Remark)]) -> Vec<String> {
    type Kind = (&'static str, fn(&Remark) -> bool, &'static str);
    let lines: [Kind; 4] = [
        (
            "zero in every row",
            |r| matches!(r, Remark::Zero),
            "any scale suits zeros, so the range is the middle one of the network's; with more varied images they may get their own",
        ),
        (
            "too few values for an entropy",
            |r| matches!(r, Remark::Few { .. }),
            "the range is the largest value seen; more images give entropy enough to go by",
        ),
        (
            "a small part would be kept",
            |r| matches!(r, Remark::Costly { .. }),
            "clipping would cost more than coarser steps, so the range is the largest value seen",
        ),
        (
            "less than half of the largest value is kept",
            |r| matches!(r, Remark::Small { .. }),
            "larger values are clipped; --method max keeps all",
        ),
    ];
    let line = |(what, is, then): (&str, fn(&Remark) -> bool, &str)| {
        let names = remarks.iter().filter(|(_, remark)| is(remark));
        let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        (!names.is_empty()).then(|| format!("{what}: {}: {then}", listed(&names)))
    };
    lines.into_iter().filter_map(line).collect()
}

/// The share of the largest value that is kept; of nothing but zeros there is none.
fn kept(tensor: &TensorRange) -> String {
    if tensor.largest > 0.0 {
        format!("{:.0}%", 100.0 * tensor.range / tensor.largest)
    } else {
        "zeros".to_string()
    }
}

fn human(answer: &CalibrateReport) -> String {
    let mut rows = vec![
        ["tensor", "largest", "range", "kept"]
            .map(str::to_string)
            .to_vec(),
    ];
    rows.extend(answer.tensors.iter().map(|t| {
        vec![
            t.tensor.clone(),
            format!("{:.4}", t.largest),
            format!("{:.4}", t.range),
            kept(t),
        ]
    }));
    format!(
        "{}\n{} in {}, method {}\nwritten  {} (TensorRT), {}",
        table(&rows),
        counted(answer.rows, "row"),
        seconds(answer.seconds),
        answer.method,
        answer.cache.display(),
        answer.file.display()
    )
}
