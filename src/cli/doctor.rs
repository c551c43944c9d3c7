//! `tvm-dla doctor`: what each backend needs, what is missing, how to get it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::BackendArgs;
use super::error::Failure;
use super::ui::Ui;
use super::{search, Answer};
use crate::engine::{EngineSpec, Rows, StageKind};
use crate::graph::{Activation, Graph, GraphBuilder, Op};
use crate::plan::Device;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    backend: BackendArgs,
    /// TVM's runtime library
    #[arg(long, value_name = "LIB", env = "TVM_DLA_TVM_RUNTIME")]
    tvm_runtime: Option<PathBuf>,
}

/// Every finding.
#[derive(Serialize)]
struct Diagnosis {
    /// Whether networks can be run here.
    usable: bool,
    findings: Vec<Finding>,
}

/// One thing that some purpose needs.
#[derive(Serialize)]
struct Finding {
    /// What it is needed for.
    purpose: &'static str,
    what: &'static str,
    state: State,
    detail: String,
    /// What to do about it; empty if nothing.
    help: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Missing,
    NotBuilt,
}

pub fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let cpu = cpu_backend(&args.backend);
    let usable = cpu.state == State::Ok;
    let mut findings = vec![cpu, tvm_runtime(args.tvm_runtime.as_deref())];
    findings.extend(plugins());
    findings.push(tensorrt());
    let diagnosis = Diagnosis { usable, findings };
    ui.result("doctor", &diagnosis, human)?;
    Ok(if usable { Answer::Yes } else { Answer::No })
}

fn cpu_backend(args: &BackendArgs) -> Finding {
    let (state, detail, help) = match try_cpu(args) {
        Ok(detail) => (State::Ok, detail, String::new()),
        Err(failure) => (
            State::Missing,
            failure.message,
            "pip install onnxruntime==1.23.2 (or run scripts/setup), or name the library with --onnxruntime".into(),
        ),
    };
    Finding {
        purpose: "backend cpu: emulates the GPU and both DLA cores",
        what: "ONNX Runtime",
        state,
        detail,
        help,
    }
}

/// Computes a tiny network, so that a library which merely loads does not pass.
fn try_cpu(args: &BackendArgs) -> Result<String, Failure> {
    let device = Device::Gpu;
    let backend = args.open(&[device])?;
    let spec = EngineSpec {
        stage: StageKind::Prefix,
        device,
        batch: 1,
    };
    let mut engine = backend.build(&tiny()?, &spec)?;
    engine.enqueue(vec![Rows {
        data: vec![-1.0, 2.0].into(),
        offset: 0,
        len: 2,
    }])?;
    let outputs = engine.wait()?;
    match outputs[..] == [vec![0.0, 2.0]] {
        true => Ok(backend.describe()),
        false => Err(spec.error(format!("relu(-1, 2) gave {outputs:?}")).into()),
    }
}

fn tiny() -> Result<Graph, Failure> {
    let mut builder = GraphBuilder::new("doctor");
    let x = builder.input("x", &[1, 2, 1, 1]);
    let y = builder.node("relu", Op::Activation(Activation::Relu), &[x])?;
    builder.output(y);
    Ok(builder.finish()?)
}

fn tvm_runtime(named: Option<&Path>) -> Finding {
    let (state, detail, help) = match search::tvm_runtime(named) {
        Ok(path) => (State::Ok, path.display().to_string(), String::new()),
        Err(error) => (
            State::Missing,
            error.to_string(),
            "run scripts/setup, or pip install hhb-tvm==2.4.5 (CPython 3.8 or 3.10), or name libtvm_runtime.so with --tvm-runtime".into(),
        ),
    };
    Finding {
        purpose: "models of which TVM keeps a part",
        what: "TVM runtime",
        state,
        detail,
        help,
    }
}

/// One finding per Python environment that has TVM.
fn plugins() -> Vec<Finding> {
    let roots = search::environments();
    let mut findings = Vec::new();
    for root in &roots {
        let packages = search::site_packages(root);
        let with_tvm = packages
            .iter()
            .filter(|p| !search::tvm_libraries(p).is_empty());
        findings.extend(with_tvm.map(|folder| plugin(root, folder)));
    }
    if findings.is_empty() {
        findings.push(Finding {
            purpose: COMPILING,
            what: "TVM with the plugin",
            state: State::Missing,
            detail: "no Python environment here has TVM".into(),
            help: "run scripts/setup".into(),
        });
    }
    findings
}

const COMPILING: &str = "compiling models with tvmc-dla";

fn plugin(root: &Path, packages: &Path) -> Finding {
    let note = std::fs::read_to_string(packages.join("tvm_dla/built_for.json"));
    let library = packages.join("tvm_dla/libtvm_dla.so");
    let python = root.join("bin/python");
    let (state, detail, help) = match (note, library.is_file()) {
        (Ok(note), true) => {
            let built_for: serde_json::Value = serde_json::from_str(&note).unwrap_or_default();
            let version = built_for["tvm"].as_str().unwrap_or("an unknown version");
            let detail = format!("{}, built for TVM {version}", library.display());
            (State::Ok, detail, String::new())
        }
        _ => (
            State::Missing,
            format!("{} has TVM, but not the plugin", root.display()),
            format!("run scripts/build_plugin {}", python.display()),
        ),
    };
    Finding {
        purpose: COMPILING,
        what: "TVM with the plugin",
        state,
        detail,
        help,
    }
}

fn tensorrt() -> Finding {
    Finding {
        purpose: "backend tensorrt: a real GPU and its DLA cores",
        what: "TensorRT",
        state: State::NotBuilt,
        detail: "this version has no tensorrt backend".into(),
        help: "use --backend cpu; a board's TensorRT comes with NVIDIA JetPack (libnvinfer8)"
            .into(),
    }
}

fn human(diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    for finding in &diagnosis.findings {
        let state = match finding.state {
            State::Ok => "ok       ",
            State::Missing => "missing  ",
            State::NotBuilt => "not built",
        };
        text += &format!("{state}  {} ({})\n", finding.what, finding.purpose);
        text += &format!("           {}\n", finding.detail);
        if !finding.help.is_empty() {
            text += &format!("           help: {}\n", finding.help);
        }
    }
    text += match diagnosis.usable {
        true => "networks can be run here\n",
        false => "networks cannot be run here\n",
    };
    text
}
