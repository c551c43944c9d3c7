//! Runs a network in float32 and counts what flows through it.

use crossbeam_channel::{bounded, Receiver, Sender};

use super::histogram::Histogram;
use super::{CalibrateError, Method};
use crate::engine::precision::{folded, stored, Ranges};
use crate::engine::{Array, Backend, Engine, EngineError, EngineSpec, Rows, StageKind};
use crate::graph::{Graph, TensorId};
use crate::plan::Device;

/// Rows of every input of the network, equally many.
pub type Batch = Vec<Array>;

/// The distribution of every tensor that a device stores, for any method to choose ranges from.
#[derive(Debug, Clone)]
pub struct Distributions {
    pub rows: usize,
    /// Name and histogram, in the order of the network.
    pub tensors: Vec<(String, Histogram)>,
}

impl Distributions {
    /// # Errors
    /// A tensor that is zero throughout, or whose range is too small for a scale.
    pub fn ranges(&self, method: Method) -> Result<Ranges, CalibrateError> {
        let mut ranges = Ranges::default();
        for (name, histogram) in &self.tensors {
            let max = method.range(histogram);
            let max = max.ok_or_else(|| CalibrateError::Zero {
                tensor: name.clone(),
                rows: self.rows,
            })?;
            ranges.insert(name, max)?;
        }
        Ok(ranges)
    }
}

/// `graph` with every stored tensor as an output, and also the tensors of `extra`, in the order of the network.
pub fn probed(graph: &Graph, extra: &[String]) -> Graph {
    let folded = folded(graph);
    let stored = stored(&folded);
    let nodes = folded.nodes.iter().zip(stored);
    let kept = nodes.filter(|(_, stored)| *stored);
    let kept: Vec<TensorId> = kept.map(|(node, _)| node.output).collect();
    let wanted = |id: &TensorId| kept.contains(id) || extra.contains(&graph.tensor(*id).name);
    let outputs = graph.nodes.iter().map(|node| node.output);
    Graph {
        outputs: outputs.filter(wanted).collect(),
        ..graph.clone()
    }
}

/// Runs every batch that `next` gives, at most `size` rows each, and counts inputs and outputs of the probed `graph`.
/// `next` and the counting have the calling thread, the network has one of its own. `done` hears of every batch's rows.
///
/// # Errors
/// What `next` fails with, an engine that cannot be built or run, a value that is no number, or no rows at all.
pub fn collect(
    backend: &dyn Backend,
    graph: &Graph,
    size: usize,
    mut next: impl FnMut() -> Result<Option<Batch>, CalibrateError>,
    mut done: impl FnMut(usize),
) -> Result<Distributions, CalibrateError> {
    let resized = graph.with_batch(size);
    let resized = resized.map_err(|e| CalibrateError::Batch(e.to_string()))?;
    let spec = EngineSpec {
        stage: StageKind::Whole,
        device: Device::Gpu,
        batch: size,
    };
    let mut engine = backend.build(&resized, &spec)?;
    let mut counted = Counted::new(&resized);
    std::thread::scope(|scope| {
        let (give, batches) = bounded::<Batch>(1);
        let (results, take) = bounded(1);
        scope.spawn(move || work(&mut *engine, size, &batches, &results));
        let mut running: Option<Batch> = None;
        loop {
            let batch = next()?;
            if let Some(batch) = &batch {
                let full = batch.iter().map(|x| x.padded(size)).collect();
                give.send(full).map_err(|_| CalibrateError::Stopped)?;
            }
            if let Some(before) = running.take() {
                let outputs = take.recv().map_err(|_| CalibrateError::Stopped)?;
                done(counted.add(&before, &outputs?, size)?);
            }
            match batch {
                Some(batch) => running = Some(batch),
                None => break,
            }
        }
        match counted.distributions {
            Distributions { rows: 0, .. } => Err(CalibrateError::NoRows),
            distributions => Ok(distributions),
        }
    })
}

type Outputs = Result<Vec<Vec<f32>>, EngineError>;

fn work(
    engine: &mut dyn Engine,
    size: usize,
    batches: &Receiver<Batch>,
    results: &Sender<Outputs>,
) {
    debug_assert_eq!(engine.batch(), size);
    for batch in batches {
        let rows = batch.iter().map(|x| Rows {
            data: x.data.clone(),
            offset: 0,
            len: x.data.len(),
        });
        let outputs = engine.enqueue(rows.collect()).and_then(|()| engine.wait());
        if results.send(outputs).is_err() {
            return;
        }
    }
}

struct Counted {
    distributions: Distributions,
}

impl Counted {
    fn new(graph: &Graph) -> Counted {
        let ids = graph.inputs.iter().chain(&graph.outputs);
        let tensors = ids.map(|id| (graph.tensor(*id).name.clone(), Histogram::default()));
        Counted {
            distributions: Distributions {
                rows: 0,
                tensors: tensors.collect(),
            },
        }
    }

    /// Counts the rows of `inputs` and as many of `outputs`; gives their number.
    fn add(
        &mut self,
        inputs: &[Array],
        outputs: &[Vec<f32>],
        size: usize,
    ) -> Result<usize, CalibrateError> {
        let rows = inputs[0].shape[0];
        let given = inputs.iter().map(|x| &x.data[..]);
        let outputs = outputs.iter().map(|y| &y[..y.len() / size * rows]);
        let all = self.distributions.tensors.iter_mut();
        for ((tensor, histogram), values) in all.zip(given.chain(outputs)) {
            histogram
                .add(values)
                .map_err(|at| CalibrateError::NotFinite {
                    tensor: tensor.clone(),
                    row: self.distributions.rows + at.0 * rows / values.len(),
                })?;
        }
        self.distributions.rows += rows;
        Ok(rows)
    }
}
