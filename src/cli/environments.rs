//! The environments of Python: TVM, the plugin and ONNX Runtime in them.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::engine::cpu::SearchPaths;
use crate::session::default_search;

/// The TVM runtime beside the plugin that the artifact was linked to, else that of the first environment. Another
/// version's runtime cannot load it.
pub fn tvm_runtime(artifact: &Path) -> Option<PathBuf> {
    let found = in_packages(&search(None), "tvm/libtvm_runtime.so");
    let bytes = fs::read(artifact).unwrap_or_default();
    let linked = found.iter().find(|runtime| names_plugin(&bytes, runtime));
    linked.or(found.first()).cloned()
}

/// Whether `artifact` names the folder of the plugin in the environment of `runtime`.
fn names_plugin(artifact: &[u8], runtime: &Path) -> bool {
    let runtime = fs::canonicalize(runtime).unwrap_or_default();
    let packages = runtime.ancestors().nth(2);
    let folder = packages.map(|packages| packages.join("tvm_dla"));
    let folder = folder.unwrap_or_default().into_os_string().into_vec();
    let mut windows = artifact.windows(folder.len().max(1));
    !folder.is_empty() && windows.any(|window| window == folder)
}

/// The Python of the first environment that has TVM and the plugin.
pub fn python() -> Option<PathBuf> {
    let roots = search(None).roots.into_iter();
    let mut with_plugin = roots.filter(|root| {
        let packages = site_packages(root);
        packages
            .iter()
            .any(|folder| folder.join("tvm_dla/libtvm_dla.so").is_file())
    });
    with_plugin.next().map(|root| root.join("bin/python"))
}

/// `file` in the site-packages of every environment that is searched, in that order.
pub fn in_packages(paths: &SearchPaths, file: &str) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let folders = paths.roots.iter().flat_map(|root| site_packages(root));
    folders
        .map(|folder| folder.join(file))
        .filter(|path| path.is_file() && seen.insert(path.clone()))
        .collect()
}

fn site_packages(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join("lib")).into_iter().flatten();
    let folders = entries.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join("site-packages")).collect()
}

/// Where ONNX Runtime is looked for.
pub fn search(named: Option<&Path>) -> SearchPaths {
    let mut paths = default_search();
    paths.explicit = named.map(Path::to_path_buf);
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    paths.roots.splice(0..0, active);
    paths
}
