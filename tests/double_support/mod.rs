//! The libnvinfer double: built once per test program, loaded by the program under test, and asked what it saw.
#![allow(dead_code)] // each test program uses its part

pub mod board;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// Whose headers the double implements: those of the first TensorRT in `TENSORRT_INCLUDE`, else what its build takes by
/// itself, the fetched ones of TensorRT 11.
enum Headers {
    Named(PathBuf),
    Fetched,
}

impl Headers {
    fn find() -> Result<Headers, &'static str> {
        let Some(named) = std::env::var_os("TENSORRT_INCLUDE") else {
            let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/tensorrt");
            let there = fetched.join("TRT-Enterprise-11.4/NvInfer.h").is_file();
            return if there {
                Ok(Headers::Fetched)
            } else {
                Err("there are no TensorRT headers: run ./scripts/setup")
            };
        };
        let sets = std::env::split_paths(&named).filter_map(|path| path.canonicalize().ok());
        let mut sets = sets.filter(|set| is_board(set));
        sets.next()
            .map(Headers::Named)
            .ok_or("TENSORRT_INCLUDE names no TensorRT of a board: TensorRT-RTX has no libnvinfer")
    }
}

fn is_board(set: &Path) -> bool {
    let version = std::fs::read_to_string(set.join("NvInferVersion.h"));
    version.is_ok_and(|text| !text.contains("#define TRT_MAJOR_RTX"))
}

/// The library, or a loud skip; `REQUIRE_TENSORRT=1` makes its absence a failure.
pub fn library() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || match Headers::find() {
        Ok(headers) => Some(compile(&headers)),
        Err(missing) if std::env::var_os("REQUIRE_TENSORRT").is_some() => {
            panic!("REQUIRE_TENSORRT is set, and {missing}")
        }
        Err(missing) => {
            eprintln!("SKIPPED: the libnvinfer double is not built: {missing}");
            None
        }
    };
    BUILT.get_or_init(build).clone()
}

/// Everything but the double itself is there already, as long as Cargo sees what it saw when it built the running test:
/// the same choice of packages with a test among them, which decides on features, and no variables of a package, which
/// some crates are compiled anew for. Otherwise it would build this crate once more, now and at the next `cargo test`.
fn compile(headers: &Headers) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_tvm-dla"));
    let target = target.parent().expect("a program lies in a folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--quiet", "-p", "tvm-dla"]);
    cargo.args(["-p", "nvinfer-double", "--lib", "--test"]);
    cargo.arg(env!("CARGO_CRATE_NAME"));
    if target.ends_with("release") {
        cargo.arg("--release");
    }
    let root = target.parent().expect("a profile lies in the target folder");
    cargo.arg("--target-dir").arg(root);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let of_a_package = ["CARGO_MANIFEST_", "CARGO_PKG_", "OUT_DIR"];
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if of_a_package.iter().any(|prefix| text.starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    if let Headers::Named(folder) = headers {
        cargo.env("NVINFER_DOUBLE_INCLUDE", folder);
    }
    let done = cargo.status().expect("cargo runs");
    assert!(done.success(), "the double is not built");
    target.join("libnvinfer_double.so")
}

/// What the double wrote down.
pub struct Journal(Vec<Value>);

impl Journal {
    pub fn read(path: &Path) -> Journal {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().map(serde_json::from_str);
        Journal(lines.collect::<Result<_, _>>().expect("the journal is JSON"))
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
