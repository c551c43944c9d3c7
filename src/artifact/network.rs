//! The one network of a model, and what runs around it.

use std::path::Path;

use super::executor::Library;
use super::graph_json::GraphJson;
use super::{Around, Artifact, ArtifactError, Executor, Layout, Package, PlacedTensor, Source};
use crate::bundle::Bundle;

impl Artifact {
    /// The one network of the model, which plans are for and which runs at any batch. TVM may have kept what stands around
    /// it: see [`Artifact::around`].
    ///
    /// # Errors
    /// [`ArtifactError::Parts`] when there are several, with parts that TVM kept between them: run the model through
    /// [`Artifact::executor`].
    pub fn network(&self) -> Result<&Bundle, ArtifactError> {
        match (&self.bundles[..], &self.graph) {
            ([bundle], None) => Ok(bundle),
            ([bundle], Some(_)) if self.layout().is_some() => Ok(bundle),
            _ => Err(ArtifactError::Parts {
                path: self.path.clone(),
                reason: self.parts(),
            }),
        }
    }

    /// What stands around the one network; `None` for a bundle alone, and where there is no such network.
    pub fn layout(&self) -> Option<Layout> {
        match (&self.bundles[..], &self.graph) {
            ([bundle], Some(graph)) => Layout::of(graph, &bundle.graph.name),
            _ => None,
        }
    }

    /// Why this is not one network.
    fn parts(&self) -> String {
        let kept = self.graph.as_ref().map_or(0, GraphJson::own_functions);
        let kept = match kept {
            0 => "nothing stayed with TVM between them".to_string(),
            1 => "1 function of TVM stands between them".to_string(),
            many => format!("{many} functions of TVM stand between them"),
        };
        match self.bundles.len() {
            1 => "its execution graph does not call its network exactly once".to_string(),
            networks => format!("the model became {networks} networks, and {kept}"),
        }
    }

    /// What runs around the one network: `None` when its ends are the model's. `runtime` names the library of the TVM
    /// that compiled the model; without it this process has TVM already, if one is needed.
    ///
    /// # Errors
    /// As [`Artifact::network`]; TVM or the model's library cannot be loaded.
    pub fn around(&self, runtime: Option<&Path>) -> Result<Option<Around>, ArtifactError> {
        self.network()?;
        let (Some(graph), Some(layout)) = (&self.graph, self.layout()) else {
            return Ok(None);
        };
        if layout.is_plain() {
            return Ok(None);
        }
        let library = if layout.needs_tvm() {
            Some(self.library(runtime)?)
        } else {
            None
        };
        Around::new(graph, layout, library.as_ref()).map(Some)
    }

    /// TVM's own executor over this model, with the runtime library of the TVM that compiled it.
    ///
    /// # Errors
    /// [`ArtifactError`] when the library or the model cannot be loaded, or the artifact is a bundle alone.
    pub fn executor(&self, runtime: &Path) -> Result<Executor, ArtifactError> {
        let graph = self.graph.as_ref().ok_or_else(|| ArtifactError::NoGraph {
            path: self.path.clone(),
        })?;
        Executor::new(&self.library(Some(runtime))?, graph)
    }

    fn library(&self, runtime: Option<&Path>) -> Result<Library, ArtifactError> {
        self.runs_here()?;
        if let Some(runtime) = runtime {
            crate::tvm::open(runtime)?;
        }
        match &self.package {
            Package::Tar(library) => Library::unpacked(library),
            Package::Library | Package::Bundle => Library::at(&self.path),
        }
    }

    /// Gives the one network the input names its user knows, in place of its own.
    pub(super) fn name_inputs(&mut self) {
        let Some(layout) = self.layout() else {
            return;
        };
        let bundle = &mut self.bundles[0];
        let mut named = Vec::new();
        for (id, placed) in bundle.graph.inputs.clone().into_iter().zip(layout.enters) {
            let Source::Input(at) = placed.source else {
                continue;
            };
            if named.contains(&at) {
                continue;
            }
            named.push(at);
            bundle.rename(id, &placed.declared.name);
        }
    }

    /// Gives the model's outputs the names that its file has for them, where these are known.
    pub(super) fn name_outputs(&mut self) {
        let Some(names) = self.known_names().map(<[String]>::to_vec) else {
            return;
        };
        let places: Vec<Option<usize>> = match (&mut self.graph, &self.bundles[..]) {
            (Some(graph), _) => {
                graph.outputs.clone_from(&names);
                let outputs = self.layout().map_or_else(Vec::new, |layout| layout.outputs);
                let place = |placed: &PlacedTensor| match placed.source {
                    Source::Network(at) => Some(at),
                    Source::Input(_) | Source::Part(_) | Source::Constant(_) => None,
                };
                outputs.iter().map(place).collect()
            }
            (None, _) => (0..names.len()).map(Some).collect(),
        };
        let bundle = &mut self.bundles[0];
        let mut named = bundle.graph.inputs.clone();
        for (place, name) in places.into_iter().zip(&names) {
            let tensor = place.map(|at| bundle.graph.outputs[at]);
            let Some(tensor) = tensor.filter(|tensor| !named.contains(tensor)) else {
                continue;
            };
            named.push(tensor);
            bundle.rename(tensor, name);
        }
    }

    /// A name per output of the model: its file's where they are known, else `output_0`, `output_1`, ...
    pub fn output_names(&self) -> Vec<String> {
        let numbered = || (0..self.count()).map(|at| format!("output_{at}")).collect();
        self.known_names().map_or_else(numbered, <[String]>::to_vec)
    }

    /// One per output, or nothing.
    fn known_names(&self) -> Option<&[String]> {
        let mut named = self.bundles.iter().map(|bundle| &bundle.options.outputs);
        let names = named.find(|names| !names.is_empty())?;
        (names.len() == self.count()).then_some(names)
    }

    /// How many outputs the model has.
    fn count(&self) -> usize {
        match &self.graph {
            Some(graph) => graph.heads.len(),
            None => self.bundles.iter().map(|b| b.graph.outputs.len()).sum(),
        }
    }
}
