//! The libnvinfer double: built once per test program, loaded by the program under test, and asked what it saw.
#![allow(dead_code)] // each test program uses its part

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// The headers of the TensorRT that the double stands in for: those named, else the fetched ones of TensorRT 11.
fn headers() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TENSORRT_INCLUDE") {
        let first = std::env::split_paths(&named).next();
        return first.map(|path| path.canonicalize().unwrap_or(path));
    }
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/tensorrt/TRT-Enterprise-11.4");
    fetched.join("NvInfer.h").is_file().then_some(fetched)
}

/// The library, or a loud skip; `REQUIRE_TENSORRT=1` makes its absence a failure.
pub fn library() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || match headers() {
        Some(headers) => Some(compile(&headers)),
        None if std::env::var_os("REQUIRE_TENSORRT").is_some() => {
            panic!(
                "REQUIRE_TENSORRT is set, and there are no TensorRT headers: run ./scripts/setup"
            )
        }
        None => {
            eprintln!("SKIPPED: no TensorRT headers to build the libnvinfer double with: run ./scripts/setup");
            None
        }
    };
    BUILT.get_or_init(build).clone()
}

fn compile(headers: &Path) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_tvm-dla"));
    let target = target.parent().expect("a program lies in a folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--quiet", "-p", "nvinfer-double"]);
    if target.ends_with("release") {
        cargo.arg("--release");
    }
    let root = target
        .parent()
        .expect("a profile lies in the target folder");
    cargo.arg("--target-dir").arg(root);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let done = cargo.env("NVINFER_DOUBLE_INCLUDE", headers).status();
    assert!(
        done.expect("cargo runs").success(),
        "the double is not built"
    );
    target.join("libnvinfer_double.so")
}

/// What the double wrote down.
pub struct Journal(Vec<Value>);

impl Journal {
    pub fn read(path: &Path) -> Journal {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().map(serde_json::from_str);
        Journal(
            lines
                .collect::<Result<_, _>>()
                .expect("the journal is JSON"),
        )
    }

    pub fn events(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|e| e["event"] == kind).collect()
    }

    /// How many executions each device finished.
    pub fn executed(&self, device: &str) -> usize {
        let done = self.events("execute");
        done.iter().filter(|e| e["device"] == device).count()
    }

    /// Nothing forbidden was called.
    pub fn assert_no_violation(&self) {
        let found = self.events("violation");
        assert!(found.is_empty(), "{found:#?}");
    }

    /// Nothing forbidden was called, and nothing was left behind.
    pub fn assert_clean(&self) {
        self.assert_no_violation();
        let end = self.events("end");
        assert_eq!(end.len(), 1, "the library ended once");
        let left = end[0]["left"].as_object().expect("an object");
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}
