//! Runs a network in float32 and counts what flows through it.

use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::choice::Remark;
use super::histogram::Histogram;
use super::tally::Tally;
use super::{CalibrateError, Method};
use crate::bundle::Bundle;
use crate::engine::precision::{Ranges, folded, stored};
use crate::engine::{Array, Engine, EngineSpec, Rows, StageKind, Watching};
use crate::graph::{Graph, TensorId};
use crate::plan::Device;
use crate::split::{SplitError, cut};

/// Rows of every input of the network, equally many.
pub type Batch = Vec<Array>;

/// The distribution of every tensor that a device stores, for any method to choose ranges from.
#[derive(Debug, Clone)]
pub struct Distributions {
    pub rows: usize,
    /// Name and histogram, in the order of the network.
    pub tensors: Vec<(String, Histogram)>,
}

/// Ranges for a network, and what is remarkable about single ones, in the order of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenRanges {
    pub ranges: Ranges,
    pub remarks: Vec<(String, Remark)>,
}

impl Distributions {
    /// A tensor that is zero throughout gets a range that suits its neighbours: the middle one of the network's.
    ///
    /// # Errors
    /// A tensor whose magnitudes are too small for a scale, or of the order of what float32 ends at.
    pub fn choose(&self, method: Method) -> Result<ChosenRanges, CalibrateError> {
        let (mut ranges, mut remarks) = (Ranges::default(), Vec::new());
        let mut zero = Vec::new();
        for (name, histogram) in &self.tensors {
            // Steps that fit such a magnitude fit nothing else, even where a method cuts it off.
            Ranges::allows(name, histogram.max())?;
            match method.choose(histogram) {
                Some(choice) => {
                    ranges.insert(name, choice.range)?;
                    remarks.extend(choice.remark.map(|remark| (name.clone(), remark)));
                }
                None => zero.push(name.clone()),
            }
        }
        let middle = middle(&ranges);
        for name in zero {
            ranges.insert(&name, middle)?;
            remarks.push((name, Remark::Zero));
        }
        Ok(ChosenRanges { ranges, remarks })
    }
}

/// The middle one of all ranges.
fn middle(ranges: &Ranges) -> f32 {
    let mut all: Vec<f32> = ranges.iter().map(|(_, max)| max).collect();
    all.sort_by(f32::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(1.0)
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

/// Tensors that go from the prefix to the suffix: they are stored, whatever layers they lie between.
///
/// # Errors
/// A network that cannot be cut.
pub fn crossing(bundle: &Bundle) -> Result<Vec<String>, SplitError> {
    let options = &bundle.options;
    let stages = cut(&bundle.graph, &options.target, &options.gpu_only)?;
    let names = stages.prefix.iter().flat_map(|prefix| {
        let outputs = prefix.outputs.iter();
        outputs.map(|id| prefix.tensor(*id).name.clone())
    });
    Ok(names.collect())
}

/// How a network runs over many batches.
#[derive(Debug, Clone, Copy)]
pub struct Runs {
    /// Rows of a batch.
    pub rows: usize,
    /// Engines, each with a thread of its own.
    pub engines: usize,
}

/// Runs every batch that `next` gives, at most `runs.rows` rows each, and counts inputs and outputs of the probed
/// `graph`. `next` has the calling thread, the engines count what they compute. `done` hears of every batch's rows.
///
/// # Errors
/// What `next` fails with, an engine that cannot be built or run, a value that is no number (that of the first such
/// batch), or no rows at all.
pub fn collect(
    backend: &dyn Watching,
    graph: &Graph,
    runs: Runs,
    next: impl FnMut() -> Result<Option<Batch>, CalibrateError>,
    done: impl FnMut(usize),
) -> Result<Distributions, CalibrateError> {
    let resized = graph.with_batch(runs.rows);
    let resized = resized.map_err(|e| CalibrateError::Batch(e.to_string()))?;
    let names = resized.inputs.iter().chain(&resized.outputs);
    let names: Vec<String> = names.map(|id| graph.tensor(*id).name.clone()).collect();
    let engines = (0..runs.engines.max(1)).map(|_| Counting::new(backend, &resized, &names));
    let engines: Vec<Counting> = engines.collect::<Result<_, _>>()?;
    let (give, batches) = bounded::<Numbered>(engines.len());
    let (tell, told) = unbounded();
    let (rows, histograms) = std::thread::scope(|scope| {
        let threads = engines.into_iter().map(|engine| {
            let (batches, tell) = (batches.clone(), tell.clone());
            scope.spawn(move || engine.work(&batches, &tell))
        });
        let threads = threads.collect();
        // Channels end with the last of their other ends.
        drop((batches, tell));
        let rows = feed(next, done, give, &told)?;
        merged(threads).map(|histograms| (rows, histograms))
    })?;
    match rows {
        0 => Err(CalibrateError::NoRows),
        rows => Ok(Distributions {
            rows,
            tensors: names.into_iter().zip(histograms).collect(),
        }),
    }
}

/// A batch, and the number of its first row.
type Numbered = (usize, Batch);

/// The rows of a batch that is counted, or its first row and what is wrong with it.
type Told = Result<usize, (usize, CalibrateError)>;

/// Gives batches out until there are no more or one fails. Gives the number of rows.
fn feed(
    mut next: impl FnMut() -> Result<Option<Batch>, CalibrateError>,
    mut done: impl FnMut(usize),
    give: Sender<Numbered>,
    told: &Receiver<Told>,
) -> Result<usize, CalibrateError> {
    let (mut first, mut failures) = (0, Vec::new());
    let mut hear = |told: Told| match told {
        Ok(rows) => {
            done(rows);
            true
        }
        Err(failure) => {
            failures.push(failure);
            false
        }
    };
    while let Some(batch) = next()? {
        let rows = batch[0].shape[0];
        let sent = give.send((first, batch)).is_ok();
        first += rows;
        if !sent || !told.try_iter().all(&mut hear) {
            break;
        }
    }
    drop(give);
    told.iter().for_each(|told| {
        hear(told);
    });
    match failures.into_iter().min_by_key(|(row, _)| *row) {
        Some((_, error)) => Err(error),
        None => Ok(first),
    }
}

fn merged(threads: Vec<ScopedJoinHandle<'_, Vec<Histogram>>>) -> Result<Vec<Histogram>, CalibrateError> {
    let mut all: Vec<Histogram> = Vec::new();
    for thread in threads {
        let counted = thread.join().map_err(|_| CalibrateError::Stopped)?;
        if all.is_empty() {
            all = counted
        } else {
            all.iter_mut().zip(&counted).for_each(|(a, b)| a.merge(b))
        }
    }
    Ok(all)
}

/// An engine, and what it counts.
struct Counting {
    engine: Box<dyn Engine>,
    tally: Arc<Tally>,
}

impl Counting {
    fn new(backend: &dyn Watching, graph: &Graph, names: &[String]) -> Result<Counting, CalibrateError> {
        let spec = EngineSpec {
            stage: StageKind::Whole,
            device: Device::Gpu,
            batch: graph.batch(),
        };
        let tally = Arc::new(Tally::new(names, graph.inputs.len(), graph.batch()));
        Ok(Counting {
            engine: backend.build_watched(graph, &spec, tally.clone())?,
            tally,
        })
    }

    /// Until there are no more batches or one fails.
    fn work(mut self, batches: &Receiver<Numbered>, tell: &Sender<Told>) -> Vec<Histogram> {
        for (first, batch) in batches {
            let counted = self.count(first, &batch);
            let failed = counted.is_err();
            let told = tell.send(counted.map_err(|error| (first, error)));
            if failed || told.is_err() {
                break;
            }
        }
        self.tally.histograms()
    }

    fn count(&mut self, first: usize, batch: &[Array]) -> Result<usize, CalibrateError> {
        let rows = batch[0].shape[0];
        self.tally.begin(rows, batch);
        let full = batch.iter().map(|x| x.padded(self.engine.batch()));
        let full = full.map(|x| Rows::from(&x));
        self.engine.enqueue(full.collect())?;
        self.engine.wait()?;
        self.tally.end(first)?;
        Ok(rows)
    }
}
