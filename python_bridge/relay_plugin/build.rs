//! Compiles the C++ side of the plugin against one TVM installation.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-env-changed=TVM_DLA_TVM");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/shim.cc");
    if let Err(error) = build_shim() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn build_shim() -> Result<(), Box<dyn Error>> {
    let tvm = PathBuf::from(
        env::var("TVM_DLA_TVM")
            .map_err(|_| "the plugin needs TVM_DLA_TVM: the folder of the installed `tvm` Python package")?,
    );
    let version = version(&tvm)?;
    require_relay(&version)?;
    let module = fs::read_to_string(tvm.join("include/tvm/runtime/module.h"))?;
    println!("cargo:rustc-env=TVM_DLA_BUILT_FOR={version}");
    // A TVM of another version lacks symbols: that has to fail while loading, not at some later call.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,now");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("src/shim.cc")
        .include(tvm.join("include"))
        .include(tvm.join("dlpack/include"))
        .include(tvm.join("include/dlpack"))
        .include(dmlc(&tvm)?)
        .define(
            "_GLIBCXX_USE_CXX11_ABI",
            Some(if new_string_abi(&tvm)? { "1" } else { "0" }),
        )
        .define("DMLC_USE_LOGGING_LIBRARY", Some("<tvm/runtime/logging.h>"))
        .define(
            "TVM_DLA_STRING_NAMES",
            flag(&module, "GetFunction(const String& name, const ObjectPtr"),
        )
        .define("TVM_DLA_PROPERTY_MASK", flag(&module, "GetPropertyMask"))
        .flag("-Wno-unused-parameter")
        .try_compile("tvm_dla_shim")?;
    Ok(())
}

/// Which form of an interface that changed between 0.9 and 0.19 this TVM has.
fn flag(header: &str, text: &str) -> Option<&'static str> {
    Some(if header.contains(text) { "1" } else { "0" })
}

/// TVM's version as its own header states it, e.g. `0.9.dev0`.
fn version(tvm: &Path) -> Result<String, Box<dyn Error>> {
    let header = tvm.join("include/tvm/runtime/c_runtime_api.h");
    let text = fs::read_to_string(&header).map_err(|e| format!("{}: {e}", header.display()))?;
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix("#define TVM_VERSION "))
        .ok_or_else(|| format!("{}: no TVM_VERSION", header.display()))?;
    Ok(line.trim().trim_matches('"').to_string())
}

/// Relay, and so this plugin, exists in TVM 0.9 to 0.19.
fn require_relay(version: &str) -> Result<(), Box<dyn Error>> {
    let mut parts = version.split('.');
    match (parts.next(), parts.next().and_then(|m| m.parse::<u32>().ok())) {
        (Some("0"), Some(9..=19)) => Ok(()),
        _ => Err(format!("TVM {version} is not supported: use 0.9 to 0.19").into()),
    }
}

/// Which `std::string` the library was compiled with: only the new one has `__cxx11` in its symbols.
fn new_string_abi(tvm: &Path) -> Result<bool, Box<dyn Error>> {
    let library = tvm.join("libtvm_runtime.so");
    println!("cargo:rerun-if-changed={}", library.display());
    let bytes = fs::read(&library).map_err(|e| format!("{}: {e}", library.display()))?;
    Ok(bytes.windows(7).any(|w| w == b"__cxx11"))
}

fn dmlc(tvm: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let places = [
        tvm.join("dmlc-core/include"),
        tvm.join("3rdparty/dmlc-core/include"),
        "/usr/include".into(),
    ];
    places
        .into_iter()
        .find(|place| place.join("dmlc/io.h").exists())
        .ok_or_else(|| "dmlc/io.h not found: install the Debian package libdmlc-dev".into())
}
