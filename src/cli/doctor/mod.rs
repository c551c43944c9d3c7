//! `tvm-dla doctor`.

mod board;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::engines::BackendName;
use super::environments::{in_packages, search};
use super::output::Output;
use super::{Answer, Outcome};
use crate::engine::Backend;
use crate::engine::cpu::{CpuBackend, CpuOptions, find_library};
use crate::machine::Jetson;
use crate::plan::Device;

#[derive(Args)]
pub struct Arguments {
    /// ONNX Runtime's library, or a folder to look in
    #[arg(long, env = "TVM_DLA_ONNXRUNTIME")]
    onnxruntime: Option<PathBuf>,
    /// TVM's libtvm_runtime.so
    #[arg(long, env = "TVM_DLA_TVM_RUNTIME")]
    tvm_runtime: Option<PathBuf>,
    /// TensorRT's library (libnvinfer or libtensorrt_rtx), or a folder to look in
    #[arg(long, env = "TVM_DLA_TENSORRT")]
    tensorrt: Option<PathBuf>,
    /// The CUDA runtime (libcudart), or a folder to look in
    #[arg(long, env = "TVM_DLA_CUDART")]
    cudart: Option<PathBuf>,
    /// Status 0 means that this backend has all it needs
    #[arg(long, value_enum, default_value = "auto", env = "TVM_DLA_BACKEND")]
    backend: BackendName,
}

#[derive(Serialize)]
struct Finding {
    part: &'static str,
    needed_for: &'static str,
    ok: bool,
    detail: String,
}

#[derive(Serialize)]
struct Findings {
    findings: Vec<Finding>,
}

pub fn run(arguments: &Arguments, output: &Output) -> Outcome {
    let cpu = cpu(arguments);
    let named = board::NamedLibraries {
        tensorrt: arguments.tensorrt.clone(),
        cudart: arguments.cudart.clone(),
    };
    let board = board::findings(&named);
    let ready = match arguments.backend {
        BackendName::Cpu => cpu.ok,
        BackendName::TensorRt => board::ready(&board),
        // A board that lacks something is not ready; another machine emulates.
        BackendName::Auto => {
            if Jetson::read(Path::new("/")).is_jetson() {
                board::ready(&board)
            } else {
                board::ready(&board) || cpu.ok
            }
        }
    };
    let answer = if ready { Answer::Yes } else { Answer::No };
    let mut findings = vec![cpu, plugin(), tvm(arguments)];
    findings.extend(board);
    let findings = Findings { findings };
    let human = || {
        let lines = findings.findings.iter().map(|finding| {
            let mark = if finding.ok { "ok      " } else { "missing " };
            let Finding {
                part,
                needed_for,
                detail,
                ..
            } = finding;
            format!("{mark} {part} ({needed_for}): {detail}")
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    output.answer(&findings, human, answer)
}

fn cpu(arguments: &Arguments) -> Finding {
    let found = find_library(&search(arguments.onnxruntime.as_deref()));
    let backend = found.and_then(|library| {
        let options = CpuOptions {
            library: library.clone(),
            threads_per_device: 1,
            devices: vec![Device::Gpu, Device::Dla(0), Device::Dla(1)],
        };
        Ok((library, CpuBackend::new(options)?))
    });
    let (ok, detail) = match backend {
        Ok((library, backend)) => (true, format!("{} ({})", library.display(), backend.describe())),
        Err(error) => (false, error.to_string()),
    };
    Finding {
        part: "ONNX Runtime",
        needed_for: "backend cpu",
        ok,
        detail,
    }
}

fn plugin() -> Finding {
    let installed = in_packages(&search(None), "tvm_dla/libtvm_dla.so");
    Finding {
        part: "plugin",
        needed_for: "compiling with tvmc, and running inside TVM",
        ok: !installed.is_empty(),
        detail: if installed.is_empty() {
            "not installed: run ./scripts/build_plugin PYTHON for a Python that has TVM 0.9 to 0.19"
                .to_string()
        } else {
            listed(&installed)
        },
    }
}

fn tvm(arguments: &Arguments) -> Finding {
    let mut found = in_packages(&search(None), "tvm/libtvm_runtime.so");
    if let Some(named) = &arguments.tvm_runtime {
        found = named.is_file().then(|| named.clone()).into_iter().collect();
    }
    Finding {
        part: "TVM runtime",
        needed_for: "models of which TVM kept a part",
        ok: !found.is_empty(),
        detail: if found.is_empty() {
            "no libtvm_runtime.so found: `pip install hhb-tvm==2.4.5` (TVM 0.9), or name one with --tvm-runtime".to_string()
        } else {
            listed(&found)
        },
    }
}

fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    paths.join(", ")
}
