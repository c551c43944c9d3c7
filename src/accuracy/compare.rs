//! Networks in several precisions over the same rows.

use super::clamp::clamped;
use super::{AccuracyError, LayerNoise, Noise, Score, layers};
use crate::engine::{Array, Backend, Engine, EngineSpec, Numerics, Rows, StageKind};
use crate::graph::{Graph, Tensor};
use crate::plan::Device;

/// What one precision gives, next to float32.
#[derive(Debug, Clone)]
pub struct PrecisionComparison {
    /// Of a classifier.
    pub score: Option<Score>,
    /// Of the network's outputs, in their order.
    pub outputs: Vec<Noise>,
    /// Empty where only outputs were asked for.
    pub layers: Vec<LayerNoise>,
    /// Nodes with weights that FP16 cannot hold, which were taken as the nearest that it can.
    pub clamped: Vec<String>,
}

impl PrecisionComparison {
    /// The output that suffers most.
    pub fn worst(&self) -> Noise {
        let all = self.outputs.iter().copied();
        let worst = all.max_by(|a, b| a.ratio().total_cmp(&b.ratio()));
        worst.unwrap_or_default()
    }
}

/// A network in float32, to compare others with. `probe` has the outputs of `graph` among its own.
pub struct Reference {
    probe: Graph,
    /// Where the network's outputs are among the probe's.
    outputs: Vec<usize>,
    engine: Box<dyn Engine>,
    size: usize,
    /// Of the first output, where it is to be read as scores.
    classes: Option<usize>,
}

/// A network in another precision, and what is known of it so far.
pub struct Candidate {
    engine: Box<dyn Engine>,
    score: Score,
    noises: Vec<Noise>,
    clamped: Vec<String>,
}

fn built(backend: &dyn Backend, graph: &Graph, size: usize) -> Result<Box<dyn Engine>, AccuracyError> {
    let graph = graph.with_batch(size);
    let graph = graph.map_err(|e| AccuracyError::Batch(e.to_string()))?;
    let spec = EngineSpec {
        stage: StageKind::Whole,
        device: Device::Gpu,
        batch: size,
    };
    Ok(backend.build(&graph, &spec)?)
}

impl Reference {
    /// Over all outputs of `probe`; `float` computes in float32. A network with one output of shape `[rows, classes]` is a
    /// classifier; with `labelled` images the first output must have such a shape.
    ///
    /// # Errors
    /// Labels without classes, or an engine that cannot be built.
    pub fn new(
        float: &dyn Backend,
        graph: &Graph,
        probe: Graph,
        size: usize,
        labelled: bool,
    ) -> Result<Reference, AccuracyError> {
        let place = |id| probe.outputs.iter().position(|other| other == id);
        let outputs: Option<Vec<usize>> = graph.outputs.iter().map(place).collect();
        let outputs = outputs.ok_or(AccuracyError::Output)?;
        let shape = &graph.tensor(graph.outputs[0]).shape;
        let by_row = graph.row_shapes(&graph.outputs[..1])[0].batched;
        let scores = match shape[..] {
            [_, classes] | [_, classes, 1, 1] if classes > 1 && by_row => Some(classes),
            _ => None,
        };
        if labelled && scores.is_none() {
            return Err(AccuracyError::Classes(shape.clone()));
        }
        Ok(Reference {
            engine: built(float, &probe, size)?,
            classes: scores.filter(|_| labelled || outputs.len() == 1),
            probe,
            outputs,
            size,
        })
    }

    /// The same network on another backend, which computes it as `numerics` says.
    ///
    /// # Errors
    /// An engine that cannot be built.
    pub fn candidate(&self, backend: &dyn Backend, numerics: &Numerics) -> Result<Candidate, AccuracyError> {
        let within = clamped(&self.probe, numerics)?;
        let (graph, clamped) = match &within {
            Some((graph, nodes)) => (graph, nodes.clone()),
            None => (&self.probe, Vec::new()),
        };
        Ok(Candidate {
            engine: built(backend, graph, self.size)?,
            clamped,
            score: Score::default(),
            noises: vec![Noise::default(); self.probe.outputs.len()],
        })
    }

    /// Rows that run at a time.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Classes of a classifier.
    pub fn classes(&self) -> Option<usize> {
        self.classes
    }

    /// Names and shapes of the network's outputs, for as many rows as run at a time.
    pub fn outputs(&self) -> Vec<&Tensor> {
        let ids = self.outputs.iter().map(|at| self.probe.outputs[*at]);
        ids.map(|id| self.probe.tensor(id)).collect()
    }

    /// Runs up to a batch of rows through float32 and every candidate; `labels` has one entry per row.
    ///
    /// # Errors
    /// An engine that fails, or an output that is no number.
    pub fn run(
        &mut self,
        rows: &[Array],
        labels: &[Option<usize>],
        candidates: &mut [Candidate],
    ) -> Result<(), AccuracyError> {
        let count = labels.len();
        let full: Vec<Array> = rows.iter().map(|x| x.padded(self.size)).collect();
        let want = outputs(&mut *self.engine, &full)?;
        self.finite(&want, count)?;
        for candidate in candidates {
            let got = outputs(&mut *candidate.engine, &full)?;
            let pairs = want.iter().zip(&got);
            for (noise, (want, got)) in candidate.noises.iter_mut().zip(pairs) {
                let kept = want.len() * count / self.size;
                noise.add(&want[..kept], &got[..kept]);
            }
            if self.classes.is_none() {
                continue;
            }
            let first = self.outputs[0];
            let width = want[first].len() / self.size;
            for (at, label) in labels.iter().enumerate() {
                let row = at * width..(at + 1) * width;
                let (got, want) = (&got[first][row.clone()], &want[first][row]);
                candidate.score.add(got, want, *label);
            }
        }
        Ok(())
    }

    fn finite(&self, outputs: &[Vec<f32>], rows: usize) -> Result<(), AccuracyError> {
        for (id, values) in self.probe.outputs.iter().zip(outputs) {
            let kept = values.len() * rows / self.size;
            if let Some(at) = values[..kept].iter().position(|v| !v.is_finite()) {
                return Err(AccuracyError::NotFinite {
                    tensor: self.probe.tensor(*id).name.clone(),
                    row: at * self.size / values.len(),
                });
            }
        }
        Ok(())
    }

    pub fn compared(&self, candidate: &Candidate) -> PrecisionComparison {
        PrecisionComparison {
            score: self.classes.map(|_| candidate.score),
            outputs: self.outputs.iter().map(|at| candidate.noises[*at]).collect(),
            layers: layers(&self.probe, &candidate.noises),
            clamped: candidate.clamped.clone(),
        }
    }
}

fn outputs(engine: &mut dyn Engine, inputs: &[Array]) -> Result<Vec<Vec<f32>>, AccuracyError> {
    engine.enqueue(inputs.iter().map(Rows::from).collect())?;
    Ok(engine.wait()?)
}
