//! Finding and loading ONNX Runtime: one shared library per process, every failure typed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::operator::OperatorDomain;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

const HELP: &str =
    "install it with `pip install onnxruntime==1.23.2`, or name the library with --onnxruntime PATH";

/// Why there is no ONNX Runtime to compute with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    #[error("no ONNX Runtime library found (looked in {}): {HELP}", list(.0))]
    NotFound(Vec<PathBuf>),
    #[error("no ONNX Runtime library at `{}`: {HELP}", .0.display())]
    Missing(PathBuf),
    #[error("`{}` is no usable ONNX Runtime library: {reason}; {HELP}", path.display())]
    Unusable { path: PathBuf, reason: String },
    #[error("this process already uses the ONNX Runtime at `{}`, so `{}` cannot be loaded: use one library per process", loaded.display(), asked.display())]
    Other { loaded: PathBuf, asked: PathBuf },
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    if paths.is_empty() {
        "no folder at all".into()
    } else {
        paths.join(", ")
    }
}

/// Where to look for the library, in this order.
#[derive(Debug, Clone)]
pub struct SearchPaths {
    /// A file or folder that the user named: taken, or an error.
    pub explicit: Option<PathBuf>,
    /// The same from the environment; the caller reads it.
    pub environment: Option<PathBuf>,
    /// Roots of Python environments, or site-packages folders.
    pub roots: Vec<PathBuf>,
    /// Folders of the system's loader.
    pub system: Vec<PathBuf>,
}

impl Default for SearchPaths {
    fn default() -> SearchPaths {
        let system = [
            "/usr/local/lib",
            "/usr/lib",
            "/usr/lib64",
            "/usr/lib/aarch64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu",
        ];
        SearchPaths {
            explicit: None,
            environment: None,
            roots: Vec::new(),
            system: system.map(PathBuf::from).to_vec(),
        }
    }
}

/// The first ONNX Runtime library that `paths` lead to.
///
/// # Errors
/// [`LibraryError::Missing`] when a place that was named has none, [`LibraryError::NotFound`] when no place has.
pub fn find_library(paths: &SearchPaths) -> Result<PathBuf, LibraryError> {
    if let Some(named) = paths.explicit.as_ref().or(paths.environment.as_ref()) {
        let found = if named.is_dir() {
            in_root(named)
        } else {
            named.is_file().then(|| named.clone())
        };
        return found.ok_or_else(|| LibraryError::Missing(named.clone()));
    }
    let in_roots = paths.roots.iter().find_map(|root| in_root(root));
    in_roots
        .or_else(|| paths.system.iter().find_map(|folder| in_folder(folder)))
        .ok_or_else(|| {
            let places = paths.roots.iter().chain(&paths.system);
            LibraryError::NotFound(places.cloned().collect())
        })
}

/// In the folder itself, in its `onnxruntime` package, or in that of the Python environment it is the root of.
fn in_root(root: &Path) -> Option<PathBuf> {
    const PACKAGE: &str = "onnxruntime/capi";
    let pythons = entries(&root.join("lib")).into_iter();
    let packages = pythons
        .filter(|path| file_name(path).starts_with("python"))
        .map(|python| python.join("site-packages").join(PACKAGE));
    [root.to_path_buf(), root.join(PACKAGE)]
        .into_iter()
        .chain(packages)
        .find_map(|folder| in_folder(&folder))
}

/// The last in name order, so that a versioned file comes before the link to it.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    entries(folder)
        .into_iter()
        .rfind(|path| file_name(path).starts_with("libonnxruntime.so"))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap_or("")
}

/// The ONNX Runtime of this process.
pub(super) struct Library {
    path: PathBuf,
    environment: Environment,
    pub version: String,
}

static LOADED: OnceLock<Library> = OnceLock::new();

/// Loads the library once; the same file again gives the same library.
pub(super) fn load(path: &Path) -> Result<&'static Library, LibraryError> {
    static LOADING: Mutex<()> = Mutex::new(());
    let _alone = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = path
        .canonicalize()
        .map_err(|_| LibraryError::Missing(path.to_path_buf()))?;
    match LOADED.get() {
        Some(library) if library.path == path => Ok(library),
        Some(library) => Err(LibraryError::Other {
            loaded: library.path.clone(),
            asked: path,
        }),
        None => {
            let library = open(path)?;
            Ok(LOADED.get_or_init(|| library))
        }
    }
}

fn open(path: PathBuf) -> Result<Library, LibraryError> {
    let unusable = |reason: String| LibraryError::Unusable {
        path: path.clone(),
        reason,
    };
    let environment = ort::init_from(&path)
        .map_err(|e| unusable(e.to_string()))?
        .with_name(env!("CARGO_PKG_NAME"))
        .with_telemetry(false)
        .build()
        .map_err(|e| unusable(e.to_string()))?;
    let version = version(file_name(&path), ort::info());
    Ok(Library {
        path,
        environment,
        version,
    })
}

/// From the file's name (`libonnxruntime.so.1.23.2`), else from the build's branch (`git-branch=rel-1.23.2`).
fn version(file: &str, build: &str) -> String {
    let numbers = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect()
    };
    let from = |text: &str, mark: &str| {
        let found = numbers(text.split_once(mark)?.1);
        (found.contains('.')).then_some(found)
    };
    from(file, ".so.")
        .or_else(|| from(build, "git-branch=rel-"))
        .unwrap_or_else(|| "of unknown version".into())
}

impl Library {
    /// A session with all graph optimisations on `threads` threads, but for two. Quantisation nodes stay as they are: fused
    /// into integer kernels they would round elsewhere. Padding stays in front of pools: ONNX Runtime 1.23 takes zeros for
    /// a max pool's own padding, which is less than every number, and refuses what is wider than a window.
    pub fn session(
        &self,
        model: &[u8],
        operators: Option<OperatorDomain>,
        threads: usize,
        spin: bool,
    ) -> Result<Session, ort::Error> {
        let mut builder = Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(threads)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(spin)?
            .with_config_entry("session.disable_quant_qdq", "1")?
            .with_config_entry("optimization.disable_specified_optimizers", "Pad_Fusion")?;
        if let Some(operators) = operators {
            builder = builder.with_operators(operators)?;
        }
        builder.commit_from_memory(model)
    }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_version_is_read_where_it_stands() {
        let cases = [
            ("libonnxruntime.so.1.23.2", "", "1.23.2", "a wheel's file"),
            (
                "libonnxruntime.so",
                "ORT Build Info: git-branch=rel-1.17.0, git-commit-id=1",
                "1.17.0",
                "a link without a version",
            ),
            (
                "libonnxruntime.so.1",
                "git-branch=rel-1.20.1",
                "1.20.1",
                "a major number alone says too little",
            ),
            ("custom.so", "git-branch=main", "of unknown version", "neither"),
        ];
        for (file, build, want, why) in cases {
            assert_eq!(version(file, build), want, "{why}");
        }
    }
}
