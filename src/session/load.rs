//! From an artifact on disk to a session with the defaults.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Place, Session, SessionConfig, SessionError};
use crate::artifact::Artifact;
use crate::engine::cpu::{CpuBackend, CpuOptions, SearchPaths, find_library};
use crate::engine::trt::{LibraryPaths, Recipe, TrtBackend, TrtError, TrtOptions};
use crate::machine::{Reading, TakenBackend, taken};
use crate::plan::Device;
use crate::quantise::numerics;

impl Session {
    /// Loads an artifact onto what this machine has: TensorRT where its library and a GPU are, in the artifact's precision
    /// (its engines are not kept: a [`TrtBackend`] with a cache does that), else the CPU backend, as
    /// [`Session::load_emulated`]. [`Session::backend`] says which; [`Session::remarks`] why a board is emulated,
    /// or what of it is not known.
    ///
    /// # Errors
    /// [`SessionError`] when the artifact is damaged or not whole, or what computes cannot be loaded.
    pub fn load(path: impl AsRef<Path>) -> Result<Session, SessionError> {
        let root = Path::new("/");
        let roots = default_search().roots;
        let system = || LibraryPaths::system(None, roots.clone());
        let failed = |error: TrtError| SessionError::Backend(error.to_string());
        match taken(&system(), &system(), root).map_err(failed)? {
            TakenBackend::Cpu => Session::load_emulated(path),
            TakenBackend::Emulated(reason) => {
                let mut session = Session::load_emulated(path)?;
                session.remarks.push(reason);
                Ok(session)
            }
            TakenBackend::TensorRt => {
                let artifact = Artifact::read(path.as_ref())?;
                let bundle = artifact.network()?.clone();
                let around = artifact.around(None)?;
                let target = bundle.options.target;
                let numerics = numerics(&bundle, target.precision.into(), None, &[]);
                let (numerics, _) = numerics.map_err(|e| SessionError::Backend(e.to_string()))?;
                let reading = Reading::of(root);
                let remarks = reading.remarks;
                let place = |machine| Place::new(machine, numerics.precision, &target);
                let config = SessionConfig {
                    place: reading.machine.map(place),
                    power: reading.power,
                    memory: reading.memory,
                    ..SessionConfig::default()
                };
                let backend = TrtBackend::new(TrtOptions {
                    tensorrt: system(),
                    cuda: system(),
                    recipe: Recipe::new(numerics, target),
                });
                let backend = Arc::new(backend.map_err(failed)?);
                let session = Session::from_bundle(bundle, backend, config)?;
                Ok(Session { remarks, ..session }.within(around))
            }
        }
    }

    /// Loads an artifact onto the CPU backend, which emulates the GPU and both DLA cores with one thread each.
    /// ONNX Runtime is looked for as [`default_search`] says.
    ///
    /// # Errors
    /// [`SessionError`] when the artifact is damaged or not of one network, ONNX Runtime is missing, or TVM kept a part of
    /// the model and this process has no TVM.
    pub fn load_emulated(path: impl AsRef<Path>) -> Result<Session, SessionError> {
        let artifact = Artifact::read(path.as_ref())?;
        let backend = CpuBackend::new(CpuOptions {
            library: find_library(&default_search())?,
            threads_per_device: 1,
            devices: vec![Device::Gpu, Device::Dla(0), Device::Dla(1)],
        })?;
        let bundle = artifact.network()?.clone();
        let around = artifact.around(None)?;
        let session = Session::from_bundle(bundle, Arc::new(backend), SessionConfig::default())?;
        Ok(session.within(around))
    }
}

/// The environments of the project at hand (`.venv/*` in the working directory and above, and above the running
/// program), then the system.
pub fn default_search() -> SearchPaths {
    let here = std::env::current_dir().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default();
    let folders = here.ancestors().chain(program.ancestors());
    SearchPaths {
        roots: folders
            .flat_map(|folder| environments(&folder.join(".venv")))
            .collect(),
        ..SearchPaths::default()
    }
}

/// A folder of environments, or one environment; by version, so that 0.9, the default, comes before 0.16.
fn environments(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.sort_by_key(|path| (version(path), path.clone()));
    found.push(folder.to_path_buf());
    found
}

/// The numbers in the last part of a path.
fn version(path: &Path) -> Vec<u64> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let numbers = name.split(|c: char| !c.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_come_by_version() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["0.16", "0.9", "0.9.1", "tools"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let found = environments(folder.path());
        let names: Vec<_> = found.iter().filter_map(|p| p.file_name()).collect();
        assert_eq!(names[..4], ["tools", "0.9", "0.9.1", "0.16"]);
    }
}
