//! How rows flow through the stages of a network.

use crate::engine::StageKind;
use crate::graph::{Graph, RowShape, TensorId};
use crate::split::{OutputSource, Stages, SuffixInput};

/// How many float32 elements rows have in a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    elements: usize,
    /// As many rows have them. They need not be a number per row: a sum over all rows has none.
    rows: usize,
}

impl Size {
    /// A tensor that has `elements` for `rows` rows.
    pub fn new(elements: usize, rows: usize) -> Size {
        Size { elements, rows }
    }

    /// Of as many rows; of whole executions where rows are computed only as compiled.
    pub fn of(self, rows: usize) -> usize {
        self.elements * rows / self.rows
    }
}

/// One way through a network.
#[derive(Debug, Clone)]
pub struct Route {
    /// Tells the routes of a pipeline apart: engines are built per route.
    pub id: u32,
    /// The stage whose rows are dealt to devices; it reads all inputs of the network.
    pub first: StageKind,
    pub inputs: Vec<Size>,
    pub first_outputs: Vec<Size>,
    /// The stage over the merged rows, if there is one.
    pub suffix: Option<SuffixRoute>,
    pub outputs: Vec<Output>,
}

/// The suffix's part of a route.
#[derive(Debug, Clone)]
pub struct SuffixRoute {
    /// Where each of its inputs comes from, and its size.
    pub inputs: Vec<(SuffixInput, Size)>,
    pub outputs: Vec<Size>,
}

/// One output of the network.
#[derive(Debug, Clone)]
pub struct Output {
    pub source: OutputSource,
    pub shape: RowShape,
}

impl Route {
    /// The network uncut.
    pub fn whole(graph: &Graph) -> Route {
        let sources = (0..graph.outputs.len()).map(OutputSource::Prefix);
        Route {
            id: 0,
            first: StageKind::Whole,
            inputs: sizes(graph, &graph.inputs, graph.batch()),
            first_outputs: sizes(graph, &graph.outputs, graph.batch()),
            suffix: None,
            outputs: outputs(graph, sources),
        }
    }

    /// The same way for items of `unit` rows: sizes are of items.
    pub fn of_units(mut self, unit: usize) -> Route {
        let grow = |size: &mut Size| size.elements *= unit;
        self.inputs
            .iter_mut()
            .chain(&mut self.first_outputs)
            .for_each(grow);
        if let Some(suffix) = &mut self.suffix {
            let inputs = suffix.inputs.iter_mut().map(|(_, size)| size);
            inputs.chain(&mut suffix.outputs).for_each(grow);
        }
        self
    }

    /// Prefix, merge, suffix. `None` when there is no prefix.
    pub fn shared(graph: &Graph, stages: &Stages) -> Option<Route> {
        let prefix = stages.prefix.as_ref()?;
        let rows = graph.batch();
        let suffix = stages.suffix.as_ref().map(|suffix| SuffixRoute {
            inputs: stages
                .suffix_inputs
                .iter()
                .copied()
                .zip(sizes(suffix, &suffix.inputs, rows))
                .collect(),
            outputs: sizes(suffix, &suffix.outputs, rows),
        });
        Some(Route {
            id: 0,
            first: StageKind::Prefix,
            inputs: sizes(prefix, &prefix.inputs, rows),
            first_outputs: sizes(prefix, &prefix.outputs, rows),
            suffix,
            outputs: outputs(graph, stages.outputs.iter().copied()),
        })
    }
}

/// The sizes of these tensors in a network that computes `rows` rows as compiled.
fn sizes(graph: &Graph, ids: &[TensorId], rows: usize) -> Vec<Size> {
    let elements = |id: &TensorId| graph.tensor(*id).shape.iter().product();
    ids.iter().map(|id| Size::new(elements(id), rows)).collect()
}

fn outputs(graph: &Graph, sources: impl Iterator<Item = OutputSource>) -> Vec<Output> {
    let shapes = graph.row_shapes(&graph.outputs);
    let outputs = shapes.into_iter().zip(sources);
    outputs.map(|(shape, source)| Output { source, shape }).collect()
}
