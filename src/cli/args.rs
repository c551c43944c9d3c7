//! Options that several subcommands share.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;

use super::error::Failure;
use super::search;
use crate::engine::cpu::{find_library, CpuBackend, CpuOptions};
use crate::engine::Backend;
use crate::plan::Device;

/// What realises the devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackendName {
    /// Every device emulated on the CPU by ONNX Runtime
    Cpu,
}

/// Which backend, and how much of the machine.
#[derive(Debug, Clone, clap::Args)]
pub struct BackendArgs {
    /// What realises the devices
    #[arg(long, value_enum, default_value = "cpu", env = "TVM_DLA_BACKEND")]
    pub backend: BackendName,
    /// Threads that each emulated device computes with
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one, env = "TVM_DLA_THREADS")]
    pub threads: usize,
    /// ONNX Runtime's library, or a folder with it
    #[arg(long, value_name = "LIB", env = "TVM_DLA_ONNXRUNTIME")]
    pub onnxruntime: Option<PathBuf>,
}

impl BackendArgs {
    /// Opens the backend with `devices`.
    pub fn open(&self, devices: &[Device]) -> Result<Arc<dyn Backend>, Failure> {
        match self.backend {
            BackendName::Cpu => Ok(Arc::new(CpuBackend::new(CpuOptions {
                library: find_library(&search::onnxruntime(self.onnxruntime.as_deref()))?,
                threads_per_device: self.threads,
                devices: devices.to_vec(),
            })?)),
        }
    }
}

/// A number of rows, rounds or threads.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("it is not a whole number".into()),
    }
}
