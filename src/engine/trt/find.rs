//! Where the shared libraries of TensorRT and CUDA are looked for.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Places to look in, in this order.
#[derive(Debug, Clone, Default)]
pub struct LibraryPaths {
    /// A library, or a folder with one, that the user named: taken, or an error.
    pub named: Option<PathBuf>,
    /// Roots of Python environments, or site-packages folders.
    pub roots: Vec<PathBuf>,
    /// Folders with libraries.
    pub folders: Vec<PathBuf>,
}

/// Where NVIDIA's packages put what the system's loader may not know.
const FOLDERS: [&str; 5] = [
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/local/cuda/lib64",
    "/usr/local/tensorrt/lib",
    "/usr/local/lib",
];
/// NVIDIA's Python packages, below site-packages.
const PACKAGES: [&str; 4] = [
    "tensorrt_libs",
    "tensorrt_rtx_libs",
    "nvidia/cuda_runtime/lib",
    "nvidia/cu13/lib",
];

/// What to hand to the system's loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Candidate {
    File(PathBuf),
    /// A name that the system's loader may know.
    Name(String),
}

impl Candidate {
    /// A bare name that the loader does not know is no news; a file that it cannot load is.
    pub fn is_file(&self) -> bool {
        matches!(self, Candidate::File(_))
    }

    pub fn path(&self) -> PathBuf {
        match self {
            Candidate::File(path) => path.clone(),
            Candidate::Name(name) => name.into(),
        }
    }
}

impl LibraryPaths {
    /// NVIDIA's folders, after the roots given.
    pub fn system(named: Option<PathBuf>, roots: Vec<PathBuf>) -> LibraryPaths {
        LibraryPaths {
            named,
            roots,
            folders: FOLDERS.map(PathBuf::from).to_vec(),
        }
    }

    /// Every file called one of `names`, best name first, then the bare names; what the user named alone, if so.
    ///
    /// # Errors
    /// The path that was named and has nothing.
    pub(super) fn candidates(&self, names: &[String]) -> Result<Vec<Candidate>, PathBuf> {
        if let Some(named) = &self.named {
            let inside = || in_folder(named, names).into_iter().next();
            let found = if named.is_dir() {
                inside()
            } else {
                named.is_file().then(|| named.clone())
            };
            let found = found.ok_or_else(|| named.clone())?;
            return Ok(vec![Candidate::File(found)]);
        }
        let places = self.places();
        let mut found = Vec::new();
        for name in names {
            let files = places.iter().map(|folder| folder.join(name));
            found.extend(files.filter(|path| path.is_file()).map(Candidate::File));
            found.push(Candidate::Name(name.clone()));
        }
        Ok(found)
    }

    /// The folders that [`Self::candidates`] looks into.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        let packages = self.roots.iter().flat_map(|root| site_packages(root));
        let packages = packages.flat_map(|folder| PACKAGES.map(|package| folder.join(package)));
        let mut seen = HashSet::new();
        packages
            .chain(self.folders.iter().cloned())
            .filter(|folder| folder.is_dir() && seen.insert(folder.clone()))
            .collect()
    }
}

/// The root itself and, if it is an environment's, its site-packages.
fn site_packages(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join("lib")).into_iter().flatten();
    let mut folders: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path().join("site-packages"))
        .filter(|folder| folder.is_dir())
        .collect();
    folders.sort();
    folders.insert(0, root.to_path_buf());
    folders
}

fn in_folder(folder: &Path, names: &[String]) -> Vec<PathBuf> {
    let files = names.iter().map(|name| folder.join(name));
    files.filter(|path| path.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_by_name_and_place() {
        let root = tempfile::tempdir().unwrap();
        let package = root.path().join("lib/python3.10/site-packages/tensorrt_libs");
        let folder = root.path().join("opt");
        let file = |folder: &Path, name: &str| {
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join(name), "").unwrap();
            folder.join(name)
        };
        let new = file(&folder, "libx.so.2");
        let old = file(&package, "libx.so.1");
        let names = ["libx.so.2", "libx.so.1"].map(String::from);
        let paths = |named: Option<&Path>| LibraryPaths {
            named: named.map(Path::to_path_buf),
            roots: vec![root.path().to_path_buf()],
            folders: vec![folder.clone()],
        };
        let bare = |i: usize| Candidate::Name(names[i].clone());
        let files = |path: &PathBuf| Candidate::File(path.clone());
        type CandidateResult = Result<Vec<Candidate>, PathBuf>;
        let cases: Vec<(Option<&Path>, CandidateResult, &str)> = vec![
            (
                None,
                Ok(vec![files(&new), bare(0), files(&old), bare(1)]),
                "the better name first, wherever it is",
            ),
            (
                Some(&old),
                Ok(vec![files(&old)]),
                "a file that was named is the only one",
            ),
            (Some(&package), Ok(vec![files(&old)]), "a folder that was named"),
            (
                Some(Path::new("/nowhere/libx.so.1")),
                Err("/nowhere/libx.so.1".into()),
                "what was named has to be there",
            ),
        ];
        for (named, want, why) in cases {
            assert_eq!(paths(named).candidates(&names), want, "{why}");
        }
    }
}
