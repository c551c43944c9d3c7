//! Reads NvInfer's interfaces from the headers of one TensorRT, writes adaptors for them, and compiles the C++ part.

mod adaptors;
mod interfaces;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// What `scripts/setup` fetches: the newest TensorRT that has a DLA.
const FETCHED: &str = "../../build/tensorrt/TRT-Enterprise-11.4";

fn main() {
    println!("cargo:rerun-if-env-changed=NVINFER_DOUBLE_INCLUDE");
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-changed=cpp");
    if let Err(error) = build() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    let include = env::var_os("NVINFER_DOUBLE_INCLUDE").map(PathBuf::from);
    let include = include.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(FETCHED));
    let header = include.join("NvInferImpl.h");
    println!("cargo:rerun-if-changed={}", header.display());
    let text = fs::read_to_string(&header).map_err(|e| {
        format!(
            "{}: {e}: run ./scripts/setup, or name a folder in NVINFER_DOUBLE_INCLUDE",
            header.display()
        )
    })?;
    let interfaces = interfaces::read(&text)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("adaptors.h"), adaptors::write(&interfaces))?;
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .file("cpp/double.cc")
        .include(&include)
        .include("cpp")
        .include(&out)
        .include(cuda(&include)?)
        .flag("-Wno-deprecated-declarations")
        .flag("-Wno-unused-parameter")
        .try_compile("nvinfer_double_cpp")?;
    Ok(())
}

/// NvInfer.h wants two type names of CUDA's header. Where CUDA is not installed, they are written down here.
fn cuda(include: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let places = [include.to_path_buf(), "/usr/local/cuda/include".into()];
    if let Some(place) = places.into_iter().find(|p| p.join("cuda_runtime_api.h").exists()) {
        return Ok(place);
    }
    let place = PathBuf::from(env::var("OUT_DIR")?).join("cuda");
    fs::create_dir_all(&place)?;
    let names =
        "#pragma once\ntypedef struct CUevent_st* cudaEvent_t;\ntypedef struct CUstream_st* cudaStream_t;\n";
    fs::write(place.join("cuda_runtime_api.h"), names)?;
    Ok(place)
}
