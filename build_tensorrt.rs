//! Compiles `src/engine/trt/shim.cc` once for each TensorRT whose headers this machine has.

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const SHIM: &str = "src/engine/trt/shim.cc";
/// Where `scripts/setup` puts header sets.
const FETCHED: &str = "build/tensorrt";
/// Where NVIDIA's packages put them.
const INSTALLED: [&str; 5] = [
    "/usr/include/aarch64-linux-gnu",
    "/usr/include/x86_64-linux-gnu",
    "/usr/include",
    "/usr/local/include",
    "/usr/local/tensorrt/include",
];

/// A folder with `NvInfer.h`, and whose it is.
struct Headers {
    folder: PathBuf,
    rtx: bool,
    major: u32,
    minor: u32,
}

/// Without any headers the program is built all the same, and says so when it is asked for TensorRT.
pub fn build() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=TENSORRT_INCLUDE");
    for path in [SHIM, "src/engine/trt/cuda", "build_tensorrt.rs", FETCHED] {
        // Cargo would take a path that is not there for changed, every time.
        if Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let mut declarations = String::new();
    let mut names = Vec::new();
    for headers in found()? {
        println!(
            "cargo:rerun-if-changed={}",
            headers.folder.join("NvInfer.h").display()
        );
        let name = headers.name();
        compile(&headers, &name)?;
        writeln!(declarations, "    fn {name}() -> *const c_void;")?;
        names.push(name);
    }
    let shims = format!(
        "unsafe extern \"C\" {{\n{declarations}}}\n\
         static SHIMS: &[unsafe extern \"C\" fn() -> *const c_void] = &[{}];\n",
        names.join(", ")
    );
    let out = PathBuf::from(env::var("OUT_DIR")?);
    Ok(fs::write(out.join("tensorrt_shims.rs"), shims)?)
}

fn compile(headers: &Headers, name: &str) -> Result<(), Box<dyn Error>> {
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++14")
        .file(SHIM)
        .define("TVM_DLA_SHIM", name)
        // Inline functions of two header sets must not be taken for each other.
        .define("nvinfer1", format!("nvinfer1_{name}").as_str())
        .flag("-Wall")
        .flag("-Wextra");
    // The compiler searches these itself, and naming one would change the order of its own headers.
    if !headers.folder.starts_with("/usr/include") {
        build.flag("-isystem").flag(&headers.folder);
    }
    build.flag("-idirafter").flag("src/engine/trt/cuda");
    build
        .try_compile(name)
        .map_err(|e| format!("{SHIM} against {}: {e}", headers.folder.display()).into())
}

/// One header set per product and major version: those named in `TENSORRT_INCLUDE`, else the installed before the fetched.
fn found() -> Result<Vec<Headers>, Box<dyn Error>> {
    let named = env::var_os("TENSORRT_INCLUDE");
    let folders: Vec<PathBuf> = match &named {
        Some(paths) => env::split_paths(paths)
            .filter(|p| !p.as_os_str().is_empty())
            .collect(),
        None => INSTALLED.iter().map(PathBuf::from).chain(fetched()).collect(),
    };
    let mut sets: Vec<Headers> = Vec::new();
    for folder in folders {
        match Headers::read(&folder) {
            Ok(headers) if sets.iter().all(|other| other.name() != headers.name()) => sets.push(headers),
            Ok(_) => {}
            Err(reason) if named.is_some() => {
                return Err(format!("TENSORRT_INCLUDE names {}: {reason}", folder.display()).into());
            }
            Err(_) => {}
        }
    }
    Ok(sets)
}

/// Newest first.
fn fetched() -> Vec<PathBuf> {
    let entries = fs::read_dir(FETCHED).into_iter().flatten().flatten();
    let mut sets: Vec<Headers> = entries.filter_map(|e| Headers::read(&e.path()).ok()).collect();
    sets.sort_by_key(|set| std::cmp::Reverse((set.major, set.minor)));
    sets.into_iter().map(|set| set.folder).collect()
}

impl Headers {
    fn read(folder: &Path) -> Result<Headers, String> {
        let file = folder.join("NvInferVersion.h");
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        if !folder.join("NvInfer.h").is_file() {
            return Err("no NvInfer.h in it".into());
        }
        let defined = |name: &str| -> Option<&str> {
            let values = text.lines().filter_map(|line| line.strip_prefix("#define "));
            values
                .filter_map(|line| line.split_once(' '))
                .find_map(|(key, value)| (key == name).then(|| value.split_whitespace().next())?)
        };
        // The numbers may stand under a name of their own.
        let number = |name: &str| -> Option<u32> {
            let value = defined(name)?;
            value.parse().ok().or_else(|| defined(value)?.parse().ok())
        };
        let headers = Headers {
            folder: folder.to_path_buf(),
            rtx: defined("TRT_MAJOR_RTX").is_some(),
            major: number("NV_TENSORRT_MAJOR").ok_or("NV_TENSORRT_MAJOR is not defined")?,
            minor: number("NV_TENSORRT_MINOR").ok_or("NV_TENSORRT_MINOR is not defined")?,
        };
        match (headers.rtx, headers.major, headers.minor) {
            (false, 8 | 10 | 11, _) | (true, 1, 3..) => Ok(headers),
            (_, major, minor) => Err(format!(
                "version {major}.{minor} is not supported: use TensorRT 8, 10 or 11, or TensorRT-RTX 1.3 or newer"
            )),
        }
    }

    fn name(&self) -> String {
        let product = if self.rtx { "rtx" } else { "trt" };
        format!("tvm_dla_shim_{product}_{}", self.major)
    }
}
