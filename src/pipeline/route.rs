//! How rows flow through the stages of a network.

use crate::engine::StageKind;
use crate::graph::{Graph, TensorId};
use crate::split::{OutputSource, Stages, SuffixInput};

/// One way through a network. Sizes are float32 elements per row.
#[derive(Debug, Clone)]
pub struct Route {
    /// Tells the routes of a pipeline apart: engines are built per route.
    pub id: u32,
    /// The stage whose rows are dealt to devices; it reads all inputs of the network.
    pub first: StageKind,
    pub inputs: Vec<usize>,
    pub first_outputs: Vec<usize>,
    /// The stage over the merged rows, if there is one.
    pub suffix: Option<SuffixRoute>,
    pub outputs: Vec<Output>,
}

/// The suffix's part of a route.
#[derive(Debug, Clone)]
pub struct SuffixRoute {
    /// Where each of its inputs comes from, and its size.
    pub inputs: Vec<(SuffixInput, usize)>,
    pub outputs: Vec<usize>,
}

/// One output of the network.
#[derive(Debug, Clone)]
pub struct Output {
    pub source: OutputSource,
    /// Dimensions of one row.
    pub shape: Vec<usize>,
    /// Whether rows lie along a dimension of their own, the first.
    pub batched: bool,
}

impl Output {
    /// The shape of `rows` rows.
    pub fn whole_shape(&self, rows: usize) -> Vec<usize> {
        let batch = self.batched.then_some(rows);
        batch.into_iter().chain(self.shape.clone()).collect()
    }
}

impl Route {
    /// The network uncut.
    pub fn whole(graph: &Graph) -> Route {
        let sources = (0..graph.outputs.len()).map(OutputSource::Prefix);
        Route {
            id: 0,
            first: StageKind::Whole,
            inputs: sizes(graph, &graph.inputs),
            first_outputs: sizes(graph, &graph.outputs),
            suffix: None,
            outputs: outputs(graph, sources),
        }
    }

    /// Prefix, merge, suffix. `None` when there is no prefix.
    pub fn shared(graph: &Graph, stages: &Stages) -> Option<Route> {
        let prefix = stages.prefix.as_ref()?;
        let suffix = stages.suffix.as_ref().map(|suffix| SuffixRoute {
            inputs: stages
                .suffix_inputs
                .iter()
                .copied()
                .zip(sizes(suffix, &suffix.inputs))
                .collect(),
            outputs: sizes(suffix, &suffix.outputs),
        });
        Some(Route {
            id: 0,
            first: StageKind::Prefix,
            inputs: sizes(prefix, &prefix.inputs),
            first_outputs: sizes(prefix, &prefix.outputs),
            suffix,
            outputs: outputs(graph, stages.outputs.iter().copied()),
        })
    }
}

fn sizes(graph: &Graph, ids: &[TensorId]) -> Vec<usize> {
    ids.iter()
        .map(|id| row(graph, *id).iter().product())
        .collect()
}

/// The dimensions of one row; all of them where the network is one row as a whole.
fn row(graph: &Graph, id: TensorId) -> &[usize] {
    let shape = &graph.tensor(id).shape;
    match graph.rows() {
        Some(_) => &shape[1..],
        None => shape,
    }
}

fn outputs(graph: &Graph, sources: impl Iterator<Item = OutputSource>) -> Vec<Output> {
    let ids = graph.outputs.iter();
    ids.zip(sources)
        .map(|(id, source)| Output {
            source,
            shape: row(graph, *id).to_vec(),
            batched: graph.rows().is_some(),
        })
        .collect()
}
