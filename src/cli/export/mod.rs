//! `tvm-dla export`: every stage as an ONNX file, and the trtexec lines that build the same engines outside our code.

mod effort;
mod files;
mod stages;
mod trtexec;

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueEnum};
use serde::Serialize;

use super::output::{Output, bytes};
use super::tensorrt::pool;
use super::{Answer, Outcome};
use crate::artifact::Artifact;
use crate::engine::StageKind;
use crate::split::Precision;
use effort::Effort;
use files::Files;
use stages::Stage;
use trtexec::Line;

#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["onnx", "trtexec"])))]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle
    artifact: PathBuf,
    /// Write each stage as an ONNX file into this folder
    #[arg(long, value_name = "DIR")]
    onnx: Option<PathBuf>,
    /// Print the trtexec line of each stage and device, for the TensorRT the artifact was compiled for
    #[arg(long)]
    trtexec: bool,
    /// Only these stages (default: all that the network has)
    #[arg(long, value_enum, value_delimiter = ',')]
    stage: Vec<StageName>,
    /// Rows of each stage (default: as compiled)
    #[arg(long, value_parser = crate::cli::rows::one)]
    batch: Option<u32>,
    /// Replace files that exist
    #[arg(long, requires = "onnx")]
    force: bool,
    /// Let the GPU run what the DLA refuses
    #[arg(long, requires = "trtexec")]
    gpu_fallback: bool,
    /// MiB of scratch memory that the builder may use (default: TensorRT's)
    #[arg(long, requires = "trtexec", value_parser = clap::value_parser!(u32).range(1..))]
    workspace: Option<u32>,
    /// Managed SRAM of one DLA engine in KiB, a power of two (TensorRT 8.4 and newer)
    #[arg(long, requires = "trtexec", value_parser = pool)]
    dla_sram: Option<u32>,
    /// DRAM for the tensors of one DLA engine in KiB, a power of two
    #[arg(long, requires = "trtexec", value_parser = pool)]
    dla_local_dram: Option<u32>,
    /// DRAM for the weights of one DLA engine in KiB, a power of two
    #[arg(long, requires = "trtexec", value_parser = pool)]
    dla_global_dram: Option<u32>,
    /// How hard the builder tries, 0 to 5 (TensorRT 8.6 and newer)
    #[arg(long, requires = "trtexec", value_parser = clap::value_parser!(u8).range(0..=5))]
    build_level: Option<u8>,
}

/// A stage as `--stage` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageName {
    /// The network uncut, on the GPU
    Whole,
    /// What the GPU and the DLAs run
    Prefix,
    /// What the GPU runs over the merged rows
    Suffix,
}

impl StageName {
    fn kind(self) -> StageKind {
        match self {
            StageName::Whole => StageKind::Whole,
            StageName::Prefix => StageKind::Prefix,
            StageName::Suffix => StageKind::Suffix,
        }
    }
}

#[derive(Serialize)]
struct ExportReport {
    artifact: PathBuf,
    stages: Vec<Part>,
    notes: Vec<&'static str>,
}

#[derive(Serialize)]
struct Part {
    network: String,
    stage: &'static str,
    batch: usize,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// The file as the trtexec lines name it; it was written when `bytes` is given.
    onnx: PathBuf,
    bytes: Option<u64>,
    trtexec: Vec<Line>,
}

#[derive(Serialize)]
struct Port {
    name: String,
    shape: Vec<usize>,
}

/// INT8 needs a range per tensor; a file of ONNX holds none.
const MADE_UP: &str = "trtexec makes INT8 ranges up where it is given no calibration (--calib): its times mean something, its outputs do not";
const NOT_WRITTEN: &str = "the ONNX files are not written: give --onnx DIR";

pub fn run(arguments: &Arguments, output: &Output) -> Outcome {
    let artifact = Artifact::read(&arguments.artifact)?;
    let mut stages = Vec::new();
    for bundle in &artifact.bundles {
        stages.extend(stages::of(bundle, &arguments.stage, arguments.batch)?);
    }
    let sizes = match &arguments.onnx {
        Some(folder) => write(folder, arguments.force, &stages)?
            .into_iter()
            .map(Some)
            .collect(),
        None => vec![None; stages.len()],
    };
    let parts = stages.iter().zip(sizes);
    let parts: Result<Vec<Part>, _> = parts
        .map(|(stage, bytes)| part(arguments, stage, bytes))
        .collect();
    let int8 = |stage: &Stage<'_>| stage.options.target.precision == Precision::Int8;
    let notes = [
        (arguments.trtexec && stages.iter().any(int8), MADE_UP),
        (arguments.onnx.is_none(), NOT_WRITTEN),
    ];
    let exported = ExportReport {
        artifact: arguments.artifact.clone(),
        stages: parts?,
        notes: notes.iter().filter(|n| n.0).map(|n| n.1).collect(),
    };
    output.answer(&exported, || human(&exported), Answer::Yes)
}

/// All files or none; the sizes in bytes.
fn write(folder: &Path, force: bool, stages: &[Stage<'_>]) -> Result<Vec<u64>, Box<dyn std::error::Error>> {
    let mut files = Files::open(folder, force)?;
    for stage in stages {
        files.check(&stage.file_name())?;
    }
    let mut sizes = Vec::new();
    for stage in stages {
        let model = stage.onnx()?;
        files.add(&stage.file_name(), &model)?;
        sizes.push(model.len() as u64);
    }
    files.finish()?;
    Ok(sizes)
}

fn part(
    arguments: &Arguments,
    stage: &Stage<'_>,
    bytes: Option<u64>,
) -> Result<Part, Box<dyn std::error::Error>> {
    let folder = arguments.onnx.clone().unwrap_or_default();
    let onnx = folder.join(stage.file_name());
    let build = trtexec::Build {
        onnx: &onnx,
        gpu_fallback: arguments.gpu_fallback,
        effort: Effort {
            workspace: arguments.workspace,
            dla_sram: arguments.dla_sram,
            dla_local_dram: arguments.dla_local_dram,
            dla_global_dram: arguments.dla_global_dram,
            level: arguments.build_level,
        },
    };
    let ports = |ids: &[crate::graph::TensorId]| {
        let tensors = ids.iter().map(|id| stage.graph.tensor(*id));
        tensors
            .map(|tensor| Port {
                name: tensor.name.clone(),
                shape: tensor.shape.clone(),
            })
            .collect()
    };
    Ok(Part {
        network: stage.network.to_string(),
        stage: stage.name(),
        batch: stage.graph.batch(),
        inputs: ports(&stage.graph.inputs),
        outputs: ports(&stage.graph.outputs),
        trtexec: if arguments.trtexec {
            build.lines(stage)?
        } else {
            Vec::new()
        },
        onnx,
        bytes,
    })
}

/// A shell script: what is not a command is a comment.
fn human(exported: &ExportReport) -> String {
    let notes = exported.notes.iter().map(|note| format!("# {note}"));
    let mut lines: Vec<String> = notes.collect();
    for part in &exported.stages {
        let size = part.bytes.map(|size| format!(" ({})", bytes(size)));
        lines.push(format!(
            "# {} of {}, batch {}: {}{}, {} -> {}",
            part.stage,
            part.network,
            part.batch,
            part.onnx.display(),
            size.unwrap_or_default(),
            ports(&part.inputs),
            ports(&part.outputs)
        ));
        for line in &part.trtexec {
            lines.push(match (&line.command, &line.refused) {
                (Some(command), _) => command.clone(),
                (None, refused) => {
                    let reason = refused.clone().unwrap_or_default();
                    format!("# not possible on {}: {reason}", line.device)
                }
            });
        }
    }
    lines.join("\n")
}

fn ports(ports: &[Port]) -> String {
    let ports = ports.iter().map(|p| format!("{} {:?}", p.name, p.shape));
    ports.collect::<Vec<_>>().join(", ")
}
