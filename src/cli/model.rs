//! A model that runs: by our session when the artifact is whole, else driven by TVM.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::around::TvmRuntime;
use super::engines::Engines;
use super::helped;
use super::inputs::{Input, of_session};
use super::output::{Output, counted};
use super::precision::Report;
use crate::artifact::{Artifact, ArtifactError, DeclaredTensor, Element, Executor};
use crate::bundle::{Bundle, Preprocess};
use crate::engine::Array;
use crate::graph::RowShape;
use crate::pipeline::Stats;
use crate::plan::Plan;
use crate::session::{PlanOrigin, Session};
use crate::tvm::set_environment;

pub enum Model {
    Session(Box<Session>, Report),
    /// TVM runs its part, and ours through the plugin, at the compiled batch.
    Tvm(Executor),
}

/// How the session ran a batch.
#[derive(Clone)]
pub struct Detail {
    pub plan: Plan,
    pub origin: PlanOrigin,
    pub stats: Stats,
}

/// What one batch gave.
pub struct Done {
    pub outputs: Vec<Array>,
    /// When the session ran it.
    pub detail: Option<Detail>,
    pub seconds: f64,
}

impl Model {
    /// Loads `artifact`, which was read from `path`, for running.
    pub fn load(
        path: &Path,
        artifact: &Artifact,
        engines: &Engines,
        tvm: &TvmRuntime,
        cancel: Arc<AtomicBool>,
        output: &Output,
    ) -> Result<Model, Box<dyn Error>> {
        match artifact.network() {
            Ok(bundle) => {
                let around = tvm.around(path, artifact, output)?;
                let (session, report) = emulated(engines, bundle, path, cancel, output)?;
                Ok(Model::Session(Box::new(session.within(around)), report))
            }
            Err(error @ ArtifactError::Parts { .. }) => {
                artifact.runs_here()?;
                let runtime = tvm.library(path).ok_or_else(|| {
                    helped(
                        error.to_string(),
                        "give --tvm-runtime LIB, set TVM_DLA_TVM_RUNTIME, or run ./scripts/setup",
                    )
                })?;
                driven(artifact, engines, &runtime, output)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub fn inputs(&self) -> Vec<Input> {
        match self {
            Model::Session(session, _) => of_session(session),
            Model::Tvm(executor) => executor.inputs().iter().map(Input::from).collect(),
        }
    }

    /// The element types of the outputs.
    pub fn output_types(&self) -> Vec<Element> {
        match self {
            Model::Session(session, _) => session.output_types(),
            Model::Tvm(executor) => executor.outputs().iter().map(DeclaredTensor::element).collect(),
        }
    }

    /// What computes, in words.
    pub fn describe(&self) -> String {
        match self {
            Model::Session(session, _) => {
                let devices = session.devices();
                let names: Vec<String> = devices.iter().map(|d| d.to_string()).collect();
                format!("{} {}", names.join(" + "), session.backend().describe())
            }
            Model::Tvm(_) => "TVM's graph executor on the CPU, with our part in the plugin".to_string(),
        }
    }

    /// What its nodes are computed in; TVM's own part is in float32.
    pub fn computed(&self) -> Option<&Report> {
        match self {
            Model::Session(_, report) => Some(report),
            Model::Tvm(_) => None,
        }
    }

    /// Runs one batch.
    pub fn run(&self, arrays: &[Array]) -> Result<Done, Box<dyn Error>> {
        match self {
            Model::Session(session, _) => {
                let outcome = session.run(arrays)?;
                Ok(Done {
                    seconds: outcome.stats.seconds,
                    outputs: outcome.outputs,
                    detail: Some(Detail {
                        plan: outcome.plan,
                        origin: outcome.origin,
                        stats: outcome.stats,
                    }),
                })
            }
            Model::Tvm(executor) => chunks(executor, arrays),
        }
    }
}

/// In the artifact's precision unless the options name another.
fn emulated(
    engines: &Engines,
    bundle: &Bundle,
    path: &Path,
    cancel: Arc<AtomicBool>,
    output: &Output,
) -> Result<(Session, Report), Box<dyn Error>> {
    let artifact = bundle.options.target.precision.into();
    let computed = engines.numbers.or(artifact).computed(bundle)?;
    let (bundle, numerics) = (bundle.clone(), computed.numerics);
    let session = engines.session_in(bundle, numerics, path, cancel, output)?;
    Ok((session, computed.report))
}

/// By TVM's executor. The plugin that it loads reads what the options say from this process's environment.
fn driven(
    artifact: &Artifact,
    engines: &Engines,
    runtime: &Path,
    output: &Output,
) -> Result<Model, Box<dyn Error>> {
    let networks = artifact.bundles.len();
    output.say(&format!(
        "TVM kept parts between the {networks} networks of this model: its runtime drives it, at the compiled batch"
    ));
    if engines.adapt || !engines.numbers.fp16_nodes.is_empty() {
        return Err("--adapt and --fp16-nodes are for a model of one network; TVM drives this one".into());
    }
    set_environment(engines.variables());
    Ok(Model::Tvm(artifact.executor(runtime)?))
}

/// Runs any number of rows through an executor of a fixed batch; the last chunk is filled up.
fn chunks(executor: &Executor, arrays: &[Array]) -> Result<Done, Box<dyn Error>> {
    let compiled = executor.inputs().first().and_then(|input| input.shape.first());
    let compiled = *compiled.ok_or("the model has no inputs")?;
    let counts = arrays.iter().map(|a| a.shape.first().copied().unwrap_or(0));
    let counts: Vec<usize> = counts.collect();
    let rows = counts.first().copied().filter(|rows| *rows > 0);
    let rows = rows.ok_or("the batch has no rows")?;
    if counts.iter().any(|count| *count != rows) {
        return Err(format!("the inputs differ in their rows: {counts:?}").into());
    }
    let started = Instant::now();
    let mut outputs: Vec<(Vec<usize>, Vec<f32>)> = Vec::new();
    for start in (0..rows).step_by(compiled) {
        let end = (start + compiled).min(rows);
        let chunk = arrays.iter().map(|a| a.part(start, end).padded(compiled));
        let chunk: Vec<Array> = chunk.collect();
        let results = executor.run(&chunk)?;
        outputs.resize_with(results.len(), Default::default);
        for (whole, result) in outputs.iter_mut().zip(&results) {
            whole.0.clone_from(&result.shape);
            whole.1.extend_from_slice(&result.data);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let outputs = outputs.into_iter();
    let outputs = outputs.map(|(shape, data)| joined(shape, data, rows, compiled));
    Ok(Done {
        outputs: outputs.collect::<Result<_, _>>()?,
        detail: None,
        seconds,
    })
}

/// The results of all chunks as one array of `rows` rows; of an output without a dimension for them, one entry per chunk
/// along a new first axis.
fn joined(
    shape: Vec<usize>,
    mut data: Vec<f32>,
    rows: usize,
    compiled: usize,
) -> Result<Array, Box<dyn Error>> {
    let end = RowShape::declared(&shape, compiled);
    if !end.batched && !rows.is_multiple_of(compiled) {
        return Err(format!(
            "an output of the shape {shape:?} is no row for each of the {compiled} rows of the model, which runs only in batches of {compiled}: {} are no multiple of that",
            counted(rows, "row")
        )
        .into());
    }
    let shape = end.of(rows);
    data.truncate(shape.iter().product());
    Ok(Array {
        shape,
        data: Arc::new(data),
    })
}

/// The preprocessing named by the user, else the artifact's, else what the integers of its input imply.
pub fn preprocess(named: Option<&str>, artifact: &Artifact) -> Result<Option<Preprocess>, Box<dyn Error>> {
    match named {
        Some(text) => Ok(Some(text.parse::<Preprocess>()?)),
        None => {
            let mut bundles = artifact.bundles.iter();
            let named = bundles.find_map(|b| b.options.preprocess.clone());
            Ok(named.or_else(|| artifact.network().ok()?.preprocess()))
        }
    }
}
