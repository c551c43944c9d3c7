//! The options of `--backend tensorrt`.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};

use super::cache::Folder;
use super::environments::search;
use super::helped;
use super::phases::Phases;
use crate::bundle::Bundle;
use crate::engine::trt::{
    BuildOptions, DlaMemory, Keep, LibraryPaths, Recipe, Severity, Timing, TrtBackend, TrtOptions, listen,
};
use crate::engine::{Backend, EngineSpec, Numerics};
use crate::plan::Device;

/// How much of TensorRT's log to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    Error,
    Warning,
    Info,
    Verbose,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Severity {
        match level {
            Level::Error => Severity::Error,
            Level::Warning => Severity::Warning,
            Level::Info => Severity::Info,
            Level::Verbose => Severity::Verbose,
        }
    }
}

/// Libraries of a board, and how engines are built with them.
#[derive(Args, Clone)]
#[command(next_help_heading = "With --backend tensorrt")]
pub struct TensorRtArguments {
    /// TensorRT's library (libnvinfer or libtensorrt_rtx), or a folder to look in
    #[arg(long, env = "TVM_DLA_TENSORRT")]
    pub tensorrt: Option<PathBuf>,
    /// The CUDA runtime (libcudart), or a folder to look in
    #[arg(long, env = "TVM_DLA_CUDART")]
    pub cudart: Option<PathBuf>,
    /// How much of TensorRT's log to print
    #[arg(long, value_enum, default_value = "warning")]
    tensorrt_log: Level,
    /// Let layers that a DLA refuses run on the GPU within its engine; they are reported
    #[arg(long)]
    gpu_fallback: bool,
    /// Scratch memory of one engine in MiB (default: TensorRT's own; 1024 before TensorRT 8.4)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    workspace: Option<u32>,
    /// How hard the builder tries, 0 to 5 (TensorRT 8.6 and newer)
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=5))]
    build_level: Option<u8>,
    /// Read kernel times from this file and add new ones: with the same times the same kernels are picked
    #[arg(long, conflicts_with = "no_timing_cache")]
    timing_cache: Option<PathBuf>,
    /// Time every layer by itself
    #[arg(long)]
    no_timing_cache: bool,
    /// Managed SRAM of one DLA engine in KiB, a power of two (TensorRT 8.4 and newer)
    #[arg(long, value_parser = pool)]
    dla_sram: Option<u32>,
    /// DRAM for the tensors of one DLA engine in KiB, a power of two
    #[arg(long, value_parser = pool)]
    dla_local_dram: Option<u32>,
    /// DRAM for the weights of one DLA engine in KiB, a power of two
    #[arg(long, value_parser = pool)]
    dla_global_dram: Option<u32>,
    #[command(flatten)]
    folder: Folder,
    /// An engine that cannot be stored is an error: set by the command whose purpose is to store them.
    #[arg(skip)]
    pub must_keep: bool,
    /// Who shows where a build has got to: set by the command that has a bar for it.
    #[arg(skip)]
    pub phases: Option<Arc<Phases>>,
}

/// KiB of a DLA's memory pool.
pub fn pool(text: &str) -> Result<u32, String> {
    let size: Option<u32> = text.parse().ok();
    size.filter(|size| size.is_power_of_two() && *size >= 4)
        .ok_or_else(|| "a DLA's pool is a power of two of at least 4 KiB".into())
}

impl TensorRtArguments {
    /// Where the two libraries are looked for: TensorRT's, and the CUDA runtime's.
    pub fn paths(&self) -> [LibraryPaths; 2] {
        let roots = search(None).roots;
        [
            LibraryPaths::system(self.tensorrt.clone(), roots.clone()),
            LibraryPaths::system(self.cudart.clone(), roots),
        ]
    }

    /// The devices of this machine; a build in progress ends when `cancel` is set (TensorRT 10 and newer).
    pub fn backend(
        &self,
        bundle: &Bundle,
        numerics: Numerics,
        cancel: Arc<AtomicBool>,
    ) -> Result<Arc<dyn Backend>, Box<dyn Error>> {
        self.listen();
        let [tensorrt, cuda] = self.paths();
        let phases = self.phases.clone();
        let backend = TrtBackend::new(TrtOptions {
            tensorrt,
            cuda,
            recipe: Recipe {
                numerics,
                options: self.options(),
                target: bundle.options.target,
                progress: Some(Arc::new(move |step| {
                    phases.iter().for_each(|phases| phases.hear(step));
                    !cancel.load(Ordering::Relaxed)
                })),
            },
        })
        .map_err(|e| helped(e.to_string(), "`tvm-dla doctor` shows what is missing"))?;
        compare(&backend, bundle);
        let keep = Keep {
            cache: self.folder.open()?,
            required: self.must_keep,
        };
        Ok(Arc::new(backend.keeping(keep)))
    }

    /// Prints TensorRT's log from here on.
    pub fn listen(&self) {
        let level = Severity::from(self.tensorrt_log);
        listen(Arc::new(move |severity, text| {
            if severity <= level {
                eprintln!("tensorrt: {severity}: {text}");
            }
        }));
    }

    pub fn options(&self) -> BuildOptions {
        let bytes = |kib: Option<u32>| kib.map(|kib| u64::from(kib) << 10);
        BuildOptions {
            workspace: self.workspace.map(|mib| u64::from(mib) << 20),
            gpu_fallback: self.gpu_fallback,
            level: self.build_level,
            dla_memory: DlaMemory {
                sram: bytes(self.dla_sram),
                local: bytes(self.dla_local_dram),
                global: bytes(self.dla_global_dram),
            },
            timing: match (&self.timing_cache, self.no_timing_cache) {
                (Some(path), _) => Timing::File(path.clone()),
                (None, true) => Timing::Off,
                (None, false) => Timing::OneBuild,
            },
        }
    }
}

/// Tells where TensorRT and the rule table differ about a node. Builds report what a DLA refuses; this adds what it would
/// take and the table keeps on the GPU.
fn compare(backend: &TrtBackend, bundle: &Bundle) {
    let devices = backend.devices();
    let Some(device) = devices.into_iter().find(|device| *device != Device::Gpu) else {
        return;
    };
    let spec = EngineSpec::whole(&bundle.graph, device);
    let asked = backend
        .tensorrt()
        .disagreements(&bundle.graph, &spec, backend.recipe());
    match asked {
        Ok(found) => found.iter().for_each(|d| eprintln!("tensorrt: {d}")),
        Err(error) => eprintln!("tensorrt: the rule table was not compared: {error}"),
    }
}
