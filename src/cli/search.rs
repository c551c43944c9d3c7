//! Where libraries may lie when nobody names them.

use std::path::{Path, PathBuf};

use super::error::CliError;
use crate::engine::cpu::SearchPaths;

/// Roots of Python environments: `.venv/*` beside or above the working directory and the program, then the active one.
pub fn environments() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let folders = std::env::current_dir().ok().into_iter();
    let mut roots = Vec::new();
    for start in folders.chain(program) {
        let projects = start.ancestors().map(|folder| folder.join(".venv"));
        roots.extend(projects.flat_map(|folder| inside(&folder)));
    }
    roots.extend(std::env::var_os("VIRTUAL_ENV").map(PathBuf::from));
    let mut seen = std::collections::HashSet::new();
    roots.retain(|root| seen.insert(root.clone()));
    roots
}

/// The environment `folder` itself, or those in it, by version (0.9 before 0.16).
fn inside(folder: &Path) -> Vec<PathBuf> {
    if folder.join("pyvenv.cfg").is_file() {
        return vec![folder.to_path_buf()];
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut roots: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.join("pyvenv.cfg").is_file())
        .collect();
    roots.sort_by_key(|path| version(path));
    roots
}

fn version(path: &Path) -> (Vec<u32>, PathBuf) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let numbers = name.split('.').map_while(|part| part.parse().ok());
    (numbers.collect(), path.to_path_buf())
}

/// `lib/python3.*/site-packages` of one environment.
pub fn site_packages(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root.join("lib")).into_iter().flatten();
    let folders = entries
        .flatten()
        .map(|entry| entry.path().join("site-packages"));
    folders.filter(|folder| folder.is_dir()).collect()
}

/// Where ONNX Runtime may be; `named` comes from the option or its environment variable.
pub fn onnxruntime(named: Option<&Path>) -> SearchPaths {
    SearchPaths {
        explicit: named.map(Path::to_path_buf),
        roots: environments(),
        ..SearchPaths::default()
    }
}

/// TVM's runtime library: the named file, or that of the first environment which has TVM.
pub fn tvm_runtime(named: Option<&Path>) -> Result<PathBuf, CliError> {
    if let Some(path) = named {
        return match path.is_file() {
            true => Ok(path.to_path_buf()),
            false => Err(CliError::Unreadable {
                path: path.to_path_buf(),
                reason: "there is no such file, and it was named as TVM's runtime library".into(),
            }),
        };
    }
    let roots = environments();
    let packages = roots.iter().flat_map(|root| site_packages(root));
    let files = packages.flat_map(|folder| tvm_libraries(&folder));
    files.into_iter().next().ok_or_else(|| CliError::Missing {
        what: "TVM runtime library",
        places: places(&roots),
    })
}

/// The runtime libraries of the TVM in one site-packages folder, the smaller first.
pub fn tvm_libraries(packages: &Path) -> Vec<PathBuf> {
    ["libtvm_runtime.so", "libtvm.so"]
        .into_iter()
        .map(|name| packages.join("tvm").join(name))
        .filter(|path| path.is_file())
        .collect()
}

/// The Python that has TVM and the plugin: the named one, or that of the first environment which has both.
pub fn python(named: Option<&Path>) -> Result<PathBuf, CliError> {
    if let Some(path) = named {
        return Ok(path.to_path_buf());
    }
    let roots = environments();
    let has_plugin = |root: &&PathBuf| {
        let mut packages = site_packages(root).into_iter();
        packages.any(|folder| folder.join("tvm_dla/built_for.json").is_file())
    };
    let found = roots.iter().find(has_plugin);
    found
        .map(|root| root.join("bin/python"))
        .ok_or_else(|| CliError::Missing {
            what: "Python environment with TVM and the plugin",
            places: places(&roots),
        })
}

fn places(roots: &[PathBuf]) -> String {
    let roots: Vec<String> = roots.iter().map(|r| r.display().to_string()).collect();
    match roots.is_empty() {
        true => "no Python environment at all".into(),
        false => roots.join(", "),
    }
}
