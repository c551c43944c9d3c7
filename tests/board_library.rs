//! The library on the libnvinfer double: three devices at once, engines from the cache, exact results.

mod cli_support;
mod double_support;

use std::path::Path;
use std::sync::{Arc, Mutex};

use cli_support::{bundle, classifier};
use double_support::{Journal, library};
use tvm_dla::engine::cache::EngineCache;
use tvm_dla::engine::cpu::{CpuBackend, CpuOptions, find_library};
use tvm_dla::engine::trt::{
    BuildOptions, Keep, LibraryPaths, Recipe, Severity, TrtBackend, TrtOptions, listen,
};
use tvm_dla::engine::{Array, Backend, Numerics, Precision};
use tvm_dla::plan::{Device, Plan};
use tvm_dla::session::{Session, SessionConfig, default_search};
use tvm_dla::split::DlaTarget;

/// Warnings, and what is graver.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn board(double: &Path, cache: &Path) -> TrtBackend {
    let paths = || LibraryPaths::system(Some(double.to_path_buf()), vec![]);
    let options = TrtOptions {
        tensorrt: paths(),
        cuda: paths(),
        recipe: Recipe {
            numerics: Numerics::of(Precision::F16),
            options: BuildOptions::default(),
            target: DlaTarget::default(),
            progress: None,
        },
    };
    let keep = Keep {
        cache: EngineCache::new(cache),
        required: true,
    };
    TrtBackend::new(options).unwrap().keeping(keep)
}

fn emulated() -> CpuBackend {
    let options = CpuOptions {
        library: find_library(&default_search()).unwrap(),
        threads_per_device: 1,
        devices: vec![Device::Gpu, Device::Dla(0), Device::Dla(1)],
    };
    CpuBackend::new(options).unwrap()
}

fn outputs(backend: impl Backend + 'static, plan: &Plan, rows: usize) -> Vec<f32> {
    let bundle = bundle(classifier(), "none");
    let config = SessionConfig::default();
    let session = Session::from_bundle(bundle, Arc::new(backend), config).unwrap();
    let values = (0..rows * 108).map(|i| ((i * 7) % 5) as f32 - 2.0);
    let input = Array {
        shape: vec![rows, 3, 6, 6],
        data: Arc::new(values.collect()),
    };
    let outcome = session.run_with(plan, &[input]).unwrap();
    outcome.outputs[0].data.to_vec()
}

/// One test, because the double reads its environment once per process and journals into one file.
#[test]
fn engines_are_built_once_kept_and_right() {
    let Some(double) = library() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (journal, cache) = (folder.path().join("journal"), folder.path().join("cache"));
    // SAFETY: the program's only test has started no thread yet.
    unsafe {
        std::env::set_var("NVINFER_DOUBLE_JOURNAL", &journal);
        std::env::set_var("NVINFER_DOUBLE_FAULTS", "meet=3");
    }
    listen(Arc::new(|severity, text: &str| {
        if severity <= Severity::Warning {
            SAID.lock().unwrap().push(text.to_string());
        }
    }));
    let plan: Plan = "gpu=4x1,dla0=2x2,dla1=2x2,suffix=12".parse().unwrap();
    let want = outputs(emulated(), &plan, 12);

    // Built: a prefix per device, of which the cores share none until it is stored, and the suffix.
    let got = outputs(board(&double, &cache), &plan, 12);
    assert_eq!(got, want, "small integers are exact in FP16");
    let seen = Journal::read(&journal);
    seen.assert_no_violation();
    let built = seen.events("build").len();
    assert!((3..=4).contains(&built), "{built} engines");
    let kept = EngineCache::new(&cache).list().unwrap();
    assert_eq!(kept.len(), 3, "one file for both cores");
    for (device, count) in [("dla0", 2), ("dla1", 2), ("gpu", 2)] {
        assert_eq!(seen.executed(device), count, "{device}");
    }

    // Kept: nothing is built again, and the cores are loaded from the same file.
    assert_eq!(outputs(board(&double, &cache), &plan, 12), want);
    let seen = Journal::read(&journal);
    assert_eq!(seen.events("build").len(), built, "everything was kept");
    let loads = seen.events("load");
    for device in ["dla0", "dla1"] {
        let count = loads.iter().filter(|e| e["device"] == device).count();
        assert_eq!(count, 2, "{device}");
    }
    assert_eq!(*SAID.lock().unwrap(), Vec::<String>::new());

    // Damaged or another engine's: built again, and said.
    let (first, second) = (&kept[0].path, &kept[1].path);
    let bytes = std::fs::read(first).unwrap();
    std::fs::write(first, &bytes[..bytes.len() / 2]).unwrap();
    std::fs::copy(&kept[2].path, second).unwrap();
    assert_eq!(outputs(board(&double, &cache), &plan, 12), want);
    let said = SAID.lock().unwrap().join("\n");
    for part in ["is built again", "bytes instead of", "built from something else"] {
        assert!(said.contains(part), "`{part}` in:\n{said}");
    }
    let entries = EngineCache::new(&cache).list().unwrap();
    assert!(entries.iter().all(|entry| entry.key.is_ok()), "mended");
    Journal::read(&journal).assert_no_violation();
}
