//! What a board needs: JetPack, TensorRT with its DLA cores, and the CUDA runtime.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::cli::environments::search;
use crate::engine::trt::{Cuda, LibraryPaths, TensorRt, built_for};
use crate::machine::Jetson;

const NEEDED: &str = "backend tensorrt";
/// What the backend cannot do without: TensorRT on another machine than a Jetson runs everything on the GPU.
const REQUIRED: [&str; 2] = [TENSORRT, CUDA];
const TENSORRT: &str = "TensorRT";
const CUDA: &str = "CUDA runtime";

/// The libraries that the user named.
pub struct NamedLibraries {
    pub tensorrt: Option<PathBuf>,
    pub cudart: Option<PathBuf>,
}

/// JetPack, TensorRT, DLA cores and CUDA, in this order.
pub fn findings(named: &NamedLibraries) -> Vec<Finding> {
    let jetson = Jetson::read(Path::new("/"));
    let roots = search(None).roots;
    let paths = |named: &Option<PathBuf>| LibraryPaths::system(named.clone(), roots.clone());
    let tensorrt = TensorRt::load(&paths(&named.tensorrt)).map_err(|e| e.to_string());
    vec![
        jetpack(&jetson),
        library(&tensorrt, &jetson),
        cores(&tensorrt),
        cuda(&paths(&named.cudart), &jetson),
    ]
}

/// Whether the backend has all that it cannot do without.
pub fn ready(findings: &[Finding]) -> bool {
    let needed = |f: &&Finding| REQUIRED.contains(&f.part);
    findings.iter().filter(needed).all(|finding| finding.ok)
}

fn found(part: &'static str, detail: Result<String, String>) -> Finding {
    let ok = detail.is_ok();
    Finding {
        part,
        needed_for: NEEDED,
        ok,
        detail: detail.unwrap_or_else(|missing| missing),
    }
}

fn jetpack(jetson: &Jetson) -> Finding {
    let name = jetson.model.as_deref().unwrap_or("a Jetson without a name");
    let linux = jetson.linux.as_deref();
    let detail = match (jetson.is_jetson(), jetson.jetpack()) {
        (false, _) => Err("this machine is no Jetson (no /etc/nv_tegra_release)".into()),
        (true, Some(version)) => {
            let linux = linux.unwrap_or("of unknown release");
            Ok(format!("{version} on {name}, Jetson Linux {linux}"))
        }
        (true, None) => Err(format!(
            "{name}, whose Jetson Linux {} is of no known JetPack (known: 4.6, 5.x, 6.x)",
            linux.unwrap_or("says no release and")
        )),
    };
    found("JetPack", detail)
}

fn library(tensorrt: &Result<TensorRt, String>, jetson: &Jetson) -> Finding {
    let built: Vec<String> = built_for().iter().map(|v| v.to_string()).collect();
    let detail = match tensorrt {
        Ok(tensorrt) => Ok(format!(
            "{} at {} (this build has the headers of {})",
            tensorrt.version(),
            tensorrt.path().display(),
            built.join(", ")
        )),
        Err(error) => Err(jetson.without_tensorrt(error)),
    };
    found(TENSORRT, detail)
}

fn cores(tensorrt: &Result<TensorRt, String>) -> Finding {
    let cores = match tensorrt {
        Ok(tensorrt) => tensorrt.dla_cores().map_err(|e| e.to_string()),
        Err(_) => Err("not known without TensorRT".into()),
    };
    let detail = cores.and_then(|cores| match cores {
        0 => Err("none: Xavier has two up to TensorRT 8.5, AGX Orin and Orin NX have one or two up to 10.7; plans use the GPU alone".into()),
        1 => Ok("1 core".into()),
        cores => Ok(format!("{cores} cores")),
    });
    found("DLA", detail)
}

fn cuda(paths: &LibraryPaths, jetson: &Jetson) -> Finding {
    let detail = match Cuda::load(paths) {
        Ok(cuda) => {
            let gpu = cuda.gpu();
            let (major, minor) = gpu.compute_capability;
            let version = gpu.cuda_version;
            Ok(format!(
                "{}, compute capability {major}.{minor}, CUDA {}.{}",
                gpu.name,
                version / 1000,
                version % 1000 / 10
            ))
        }
        Err(error) => Err(jetson.without(&error.to_string(), |p| p.cuda.to_string())),
    };
    found(CUDA, detail)
}
