//! Libraries that are not ONNX Runtime. In a process of its own: once the right one is loaded no other is looked at.

use std::path::{Path, PathBuf};

use tvm_dla::engine::cpu::{CpuBackend, CpuOptions, LibraryError, SearchPaths, find_library};
use tvm_dla::plan::Device;

fn open(library: PathBuf) -> Result<CpuBackend, LibraryError> {
    CpuBackend::new(CpuOptions {
        library,
        threads_per_device: 1,
        devices: vec![Device::Gpu],
    })
}

/// A real shared library of another kind: every program here has one loaded.
fn foreign_library() -> PathBuf {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    let mut libraries = path.filter(|path| path.contains("/libc.so"));
    libraries.next().expect("the C library is loaded").into()
}

#[test]
fn every_wrong_library_is_a_typed_error_and_the_right_one_still_loads() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("libonnxruntime.so");
    std::fs::write(&text, "not a library").unwrap();
    let missing = folder.path().join("gone.so");

    let error = open(missing.clone()).err().expect("no such file");
    assert_eq!(error, LibraryError::Missing(missing));
    assert!(
        error.to_string().contains("pip install onnxruntime==1.23.2"),
        "{error}"
    );
    for (path, want, why) in [
        (text, "failed to load", "a text file"),
        (foreign_library(), "OrtGetApiBase", "a library without the API"),
        (folder.path().to_path_buf(), "failed to load", "a folder"),
    ] {
        match open(path.clone()).err().expect(why) {
            LibraryError::Unusable { path: at, reason } => {
                assert_eq!(at, path.canonicalize().unwrap(), "{why}");
                assert!(reason.contains(want), "{why}: {reason}");
            }
            other => panic!("{why}: {other}"),
        }
    }

    let roots = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/0.9")];
    let paths = SearchPaths {
        roots,
        ..SearchPaths::default()
    };
    let library = find_library(&paths)
        .unwrap_or_else(|e| panic!("this test needs ONNX Runtime: run `./scripts/setup` ({e})"));
    open(library).expect("failures before do not stand in the way");
}
