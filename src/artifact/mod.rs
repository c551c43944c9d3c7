//! Compiled models on disk: what `tvmc compile` or `export_library` wrote, or a bundle alone.
//!
//! Reading needs no TVM. Only a model of which TVM kept a part needs one to run: through [`Around`] where that part is in
//! front of the one network or behind it, else through [`Executor`].

mod around;
mod element;
mod error;
mod executions;
mod executor;
mod graph_json;
mod layout;
mod machine;
mod network;
mod params;
mod part;
mod plans;
mod rounds;
mod scan;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

pub use around::Around;
pub use element::Element;
pub use error::ArtifactError;
pub use executions::Execution;
pub use executor::Executor;
pub use graph_json::DeclaredTensor;
pub use layout::{Layout, PlacedTensor, Source};
pub use machine::Machine;
pub use plans::{GivenPlans, Plans, PlansError, beside, is_file};

use crate::bundle::{Bundle, embed};
use crate::plan::Plan;
use graph_json::GraphJson;
use params::Params;

/// A compiled model.
pub struct Artifact {
    path: PathBuf,
    /// Every network in it that was compiled for the target `dla`, in the order of the file.
    pub bundles: Vec<Bundle>,
    /// TVM's execution graph; a bundle alone has none.
    graph: Option<GraphJson>,
    package: Package,
    /// What its library was compiled for; a bundle alone is for every processor.
    machine: Option<Machine>,
}

/// How the model lies on disk.
enum Package {
    /// A bundle without TVM around it.
    Bundle,
    /// A shared library.
    Library,
    /// A tar archive of tvmc, with this library in it.
    Tar(Vec<u8>),
}

impl Artifact {
    /// Reads a `.tar` of tvmc, a `.so`, or a bundle.
    ///
    /// # Errors
    /// [`ArtifactError`] naming the file: unreadable, another kind of file, damaged, or without a network for `dla`.
    pub fn read(path: &Path) -> Result<Artifact, ArtifactError> {
        let bytes = fs::read(path).map_err(|error| ArtifactError::Unreadable {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })?;
        let mut artifact = Artifact::parse(path, bytes)?;
        artifact.name_inputs();
        artifact.name_outputs();
        Ok(artifact)
    }

    fn parse(path: &Path, bytes: Vec<u8>) -> Result<Artifact, ArtifactError> {
        if bytes.starts_with(b"tvm-dla\0") {
            let bundle = Bundle::from_bytes(&bytes).map_err(|e| ArtifactError::bundle(path, e))?;
            return Ok(Artifact {
                path: path.to_path_buf(),
                bundles: vec![bundle],
                graph: None,
                package: Package::Bundle,
                machine: None,
            });
        }
        if bytes.starts_with(b"\x7fELF") {
            return Ok(Artifact {
                path: path.to_path_buf(),
                bundles: scan::bundles(path, &bytes)?,
                graph: match scan::graph(&bytes) {
                    Some((text, behind)) => {
                        let params = Params::after_graph(behind);
                        let params = params.ok_or_else(|| no_params(path))?;
                        Some(GraphJson::parse(path, text, params)?)
                    }
                    None => None,
                },
                package: Package::Library,
                machine: Machine::of(&bytes),
            });
        }
        if let Some(packer) = machine::packer(&bytes) {
            return Err(ArtifactError::Packed {
                path: path.to_path_buf(),
                packer,
            });
        }
        Artifact::from_tar(path, &bytes)
    }

    /// The processor that the model's library was compiled for, where it is not this one. Networks run all the same; what
    /// TVM kept does not.
    pub fn foreign(&self) -> Option<Machine> {
        let here = Machine::here()?;
        self.machine.filter(|machine| *machine != here)
    }

    /// Checks that this processor can run what TVM kept.
    ///
    /// # Errors
    /// [`ArtifactError::OtherMachine`].
    pub fn runs_here(&self) -> Result<(), ArtifactError> {
        self.foreign().map_or(Ok(()), |machine| {
            Err(ArtifactError::OtherMachine {
                path: self.path.clone(),
                machine,
            })
        })
    }

    fn from_tar(path: &Path, bytes: &[u8]) -> Result<Artifact, ArtifactError> {
        let foreign = |reason: String| ArtifactError::Foreign {
            path: path.to_path_buf(),
            reason,
        };
        let (mut library, mut json, mut params) = (None, None, Vec::new());
        let mut archive = tar::Archive::new(bytes);
        for entry in archive.entries().map_err(|e| foreign(e.to_string()))? {
            let mut entry = entry.map_err(|e| foreign(e.to_string()))?;
            let name = entry.path().map_err(|e| foreign(e.to_string()))?.into_owned();
            let mut content = Vec::new();
            entry
                .read_to_end(&mut content)
                .map_err(|e| foreign(e.to_string()))?;
            match name.file_name().and_then(|n| n.to_str()) {
                Some("mod.so") => library = Some(content),
                Some("mod.json") => json = Some(content),
                Some("mod.params") => params = content,
                _ => {}
            }
        }
        let missing = |what: &str| {
            foreign(format!(
                "it has no {what}: make it with `tvmc-dla compile --target \"dla, llvm\"` and tvmc's default output format"
            ))
        };
        let library = library.ok_or_else(|| missing("mod.so"))?;
        let json = json.ok_or_else(|| missing("mod.json"))?;
        let params = Params::parse(&params).ok_or_else(|| no_params(path))?;
        Ok(Artifact {
            path: path.to_path_buf(),
            bundles: scan::bundles(path, &library)?,
            graph: Some(GraphJson::parse(path, &json, params)?),
            machine: Machine::of(&library),
            package: Package::Tar(library),
        })
    }

    /// The bytes of the file at `path` with `plan` in the network that is all of the model; nothing else changes, so a
    /// library or a tar archive stays what it is.
    ///
    /// # Errors
    /// As [`Artifact::read`] and [`Artifact::network`]; no room for the plan.
    pub fn with_plan(path: &Path, plan: Option<Plan>) -> Result<Vec<u8>, ArtifactError> {
        Artifact::read(path)?.network()?;
        let mut bytes = fs::read(path).map_err(|error| ArtifactError::Unreadable {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })?;
        let all = 0..bytes.len();
        let place = if bytes.starts_with(b"tvm-dla\0") {
            Some(all)
        } else {
            scan::places(&bytes).into_iter().next()
        };
        let place = place.ok_or_else(|| ArtifactError::NoDla {
            path: path.to_path_buf(),
        })?;
        embed(&mut bytes[place], plan).map_err(|e| ArtifactError::bundle(path, e))?;
        Ok(bytes)
    }
}

fn no_params(path: &Path) -> ArtifactError {
    ArtifactError::Foreign {
        path: path.to_path_buf(),
        reason: "its parameters cannot be read".to_string(),
    }
}
