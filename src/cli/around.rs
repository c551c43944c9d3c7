//! What TVM computes of a model beside its network, and the library that it takes.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;

use super::environments::tvm_runtime;
use super::helped;
use super::output::Output;
use crate::artifact::{Around, Artifact, ArtifactError, Layout};
use crate::bundle::Bundle;

/// Where TVM's runtime is.
#[derive(Args, Clone, Default)]
pub struct TvmRuntime {
    /// TVM's libtvm_runtime.so, for a model of which TVM kept a part
    #[arg(long, env = "TVM_DLA_TVM_RUNTIME")]
    tvm_runtime: Option<PathBuf>,
}

impl TvmRuntime {
    /// The library for `artifact`, which lies at `path`: the one named, else that of the environment it was linked in.
    pub fn library(&self, path: &Path) -> Option<PathBuf> {
        self.tvm_runtime.clone().or_else(|| tvm_runtime(path))
    }

    /// What runs around the network of `artifact`, which lies at `path`.
    pub fn around(
        &self,
        path: &Path,
        artifact: &Artifact,
        output: &Output,
    ) -> Result<Option<Around>, Box<dyn Error>> {
        say_foreign(artifact, output);
        let layout = artifact.layout().filter(Layout::needs_tvm);
        let runtime = match layout {
            None => None,
            Some(layout) => {
                artifact.runs_here()?;
                let what = layout.describe();
                output.say(&format!("TVM computes {what}"));
                let found = self.library(path);
                Some(found.ok_or_else(|| no_runtime(path, what))?)
            }
        };
        Ok(artifact.around(runtime.as_deref())?)
    }
}

/// Says that an artifact is for another processor. Its network runs here all the same.
fn say_foreign(artifact: &Artifact, output: &Output) {
    if let Some(line) = foreign(artifact) {
        output.say(&format!("note: {line}"));
    }
}

/// In words, where an artifact is for another processor.
pub fn foreign(artifact: &Artifact) -> Option<String> {
    let machine = artifact.foreign()?;
    Some(format!(
        "this artifact was compiled for another processor, {machine}: here its networks run, but nothing that TVM kept"
    ))
}

fn no_runtime(path: &Path, what: String) -> Box<dyn Error> {
    let path = path.to_path_buf();
    helped(
        ArtifactError::NoRuntime { path, what }.to_string(),
        "give --tvm-runtime LIB, set TVM_DLA_TVM_RUNTIME, or run ./scripts/setup",
    )
}

/// The network of `artifact`, for commands that are about it alone; what TVM computes beside it is named.
pub fn network<'a>(artifact: &'a Artifact, output: &Output) -> Result<&'a Bundle, ArtifactError> {
    let network = artifact.network()?;
    say_foreign(artifact, output);
    if let Some(layout) = artifact.layout().filter(Layout::needs_tvm) {
        output.say(&format!(
            "this is about the network alone; TVM computes {} besides",
            layout.describe()
        ));
    }
    Ok(network)
}
