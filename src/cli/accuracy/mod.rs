//! `tvm-dla accuracy`.

mod answer;
mod page;
mod run;
mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::around::TvmRuntime;
use super::data::DataOptions;
use super::files::TextFile;
use super::model::preprocess;
use super::output::Output;
use super::{Answer, Outcome};
use crate::artifact::Artifact;
use crate::quantise::Method;
use run::Comparison;

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle
    artifact: PathBuf,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    tvm: TvmRuntime,
    /// What the images show: lines of a file and the number or name of its class
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Class names, one per line
    #[arg(long)]
    classes: Option<PathBuf>,
    /// INT8 ranges: a file of `tvm-dla calibrate`, or a calibration cache of TensorRT (default: found from these images)
    #[arg(long)]
    calibration: Option<PathBuf>,
    /// How ranges are found without --calibration: entropy, max, percentile or percentile=99.9
    #[arg(long, default_value = "entropy", conflicts_with = "calibration")]
    method: Method,
    /// Nodes that int8 keeps in fp16, e.g. conv2d_0,conv2d_7
    #[arg(long, value_delimiter = ',')]
    fp16_nodes: Vec<String>,
    /// Layers to suggest for FP16 at most
    #[arg(long, default_value_t = 3)]
    suggest: usize,
    /// Where to write a report to read in a browser
    #[arg(long)]
    html: Option<PathBuf>,
    /// Rows that run at a time
    #[arg(long, default_value_t = 4, value_parser = crate::cli::rows::up_to(1024))]
    batch: u32,
    /// Threads that the network runs on
    #[arg(long, default_value_t = 1, env = "TVM_DLA_THREADS", value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// ONNX Runtime's library, or a folder to look in
    #[arg(long, env = "TVM_DLA_ONNXRUNTIME")]
    onnxruntime: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    let html = arguments.html.as_deref().map(TextFile::create).transpose()?;
    let artifact = Artifact::read(&arguments.artifact)?;
    let bundle = artifact.network()?;
    let preprocess = preprocess(arguments.data.preprocess.as_deref(), &artifact)?;
    let around = arguments.tvm.around(&arguments.artifact, &artifact, output)?;
    let inputs = super::inputs::of_model(bundle, around.as_ref());
    let data = arguments.data.open(&inputs, preprocess.as_ref(), output)?;
    let data = data.entering(around, bundle);
    let comparison = Comparison {
        arguments,
        bundle,
        data: &data,
        output,
        cancel: &cancel,
    };
    let found = comparison.run()?;
    let answer = answer::of(arguments, &found);
    if let Some(html) = html {
        html.write(&page::of(&answer))?;
    }
    output.answer(&answer, || answer.human(), Answer::Yes)
}
