//! Runs the precisions next to each other.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::calibrate::{Steps, distributions, named, said};
use super::super::data::Data;
use super::super::engines::emulated;
use super::super::output::Output;
use super::super::precision::Report;
use super::super::{helped, labels, truth};
use super::Arguments;
use crate::accuracy::{AccuracyError, PrecisionComparison, Reference, Step, suggest};
use crate::bundle::Bundle;
use crate::engine::cpu::CpuBackend;
use crate::engine::{Numerics, Precision, Ranges};
use crate::graph::Graph;
use crate::quantise::{CalibrateError, ChosenRanges, Runs, crossing, int8, probed, ranges};

/// Images that suggestions are measured with.
const SUGGESTED_WITH: usize = 16;

pub struct Comparison<'a> {
    pub arguments: &'a Arguments,
    pub bundle: &'a Bundle,
    pub data: &'a Data,
    pub output: &'a Output,
    pub cancel: &'a AtomicBool,
}

/// What the comparison found.
pub struct AccuracyReport {
    pub images: usize,
    pub labelled: bool,
    /// Names of the outputs, and the shapes of one row.
    pub outputs: Vec<(String, Vec<usize>)>,
    /// Where the ranges come from.
    pub calibrated: String,
    pub report: Report,
    pub float: PrecisionComparison,
    pub half: PrecisionComparison,
    pub int8: PrecisionComparison,
    /// INT8 over the images that suggestions are measured with, and how many these are.
    pub before: PrecisionComparison,
    pub measured: usize,
    pub steps: Vec<Step>,
}

impl Comparison<'_> {
    pub fn run(&self) -> Result<AccuracyReport, Box<dyn Error>> {
        let graph = &self.bundle.graph;
        let steps = self.steps()?;
        let (size, unit) = (steps.network, steps.model);
        let probe = probed(graph, &crossing(self.bundle)?);
        let float = self.backend(Numerics::default())?;
        // Built first, so that labels without classes are refused before any work.
        let mut reference = Reference::new(&*float, graph, probe.clone(), size, self.labelled())?;
        let labels = self.labels(reference.classes())?;
        let outputs = reference.outputs();
        let shapes = graph.row_shapes(&graph.outputs);
        let outputs = outputs.iter().zip(shapes);
        let outputs = outputs.map(|(tensor, shape)| (tensor.name.clone(), shape.row));
        let outputs = outputs.collect();
        let (ranges, calibrated) = self.ranges(&probe, steps)?;
        let (numerics, changes) = int8(self.bundle, &ranges, &self.arguments.fp16_nodes)?;
        let report = Report::of(self.bundle, &numerics, changes)?;
        let all = [Numerics::default(), Numerics::of(Precision::F16), numerics];
        let count = self.data.len();
        let compared = self.compare(&mut reference, &all, &labels, count, "comparing")?;
        let [float_, half, eight] =
            <[PrecisionComparison; 3]>::try_from(compared).map_err(|_| "three precisions are compared")?;
        let (before, steps) = self.suggestions(&*float, &eight, &ranges, &labels)?;
        Ok(AccuracyReport {
            images: count,
            labelled: self.labelled(),
            outputs,
            calibrated,
            report,
            float: float_,
            half,
            int8: eight,
            before,
            measured: count.min(SUGGESTED_WITH.next_multiple_of(unit)),
            steps,
        })
    }

    /// Rows that run at a time.
    fn steps(&self) -> Result<Steps, CalibrateError> {
        Steps::of(self.data, &self.bundle.graph, self.arguments.batch as usize)
    }

    fn backend(&self, numerics: Numerics) -> Result<Arc<CpuBackend>, Box<dyn Error>> {
        let named = self.arguments.onnxruntime.as_deref();
        emulated(named, self.arguments.threads, numerics)
    }

    fn labelled(&self) -> bool {
        self.arguments.labels.is_some()
    }

    /// Per row, where a file gives them.
    fn labels(&self, classes: Option<usize>) -> Result<Vec<Option<usize>>, Box<dyn Error>> {
        let Some(classes) = classes else {
            return Ok(vec![None; self.data.len()]);
        };
        let names = match &self.arguments.classes {
            Some(path) => labels::read(path, classes)?,
            None => Vec::new(),
        };
        match &self.arguments.labels {
            Some(path) => {
                let labels = truth::read(path, &self.data.names, &names, classes)?;
                Ok(labels.into_iter().map(Some).collect())
            }
            None => Ok(vec![None; self.data.len()]),
        }
    }

    /// From the calibration that was given, else from the images themselves.
    fn ranges(&self, probe: &Graph, steps: Steps) -> Result<(Ranges, String), Box<dyn Error>> {
        if let Some(path) = &self.arguments.calibration {
            let shown = path.display();
            let text = fs::read_to_string(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
            let found = ranges(&text, &self.bundle.graph).map_err(|e| {
                helped(
                    format!("{shown}: {e}"),
                    "calibrate this artifact with `tvm-dla calibrate`",
                )
            })?;
            return Ok((found, format!("ranges from {shown}")));
        }
        let library = self.arguments.onnxruntime.as_deref();
        let float = emulated(library, 1, Numerics::default())?;
        let runs = Runs {
            rows: steps.network,
            engines: self.arguments.threads.into(),
        };
        let runs = (steps, runs);
        let found = distributions(self.data, probe, &*float, runs, self.output, self.cancel);
        let found = found.map_err(|e| named(e, self.data, steps))?;
        let method = self.arguments.method;
        let text = format!("ranges from these images, method {method}");
        let ChosenRanges { ranges, remarks } = found.choose(method)?;
        said(&remarks).iter().for_each(|line| self.output.say(line));
        Ok((ranges, text))
    }

    fn compare(
        &self,
        reference: &mut Reference,
        all: &[Numerics],
        labels: &[Option<usize>],
        count: usize,
        what: &'static str,
    ) -> Result<Vec<PrecisionComparison>, Box<dyn Error>> {
        let mut candidates = Vec::with_capacity(all.len());
        for numerics in all {
            let backend = self.backend(numerics.clone())?;
            candidates.push(reference.candidate(&*backend, numerics)?);
        }
        let Steps { model, network } = self.steps()?;
        let bar = self.output.progress(count, what);
        for start in (0..count).step_by(model) {
            if self.cancel.load(Ordering::Relaxed) {
                return Err("interrupted".into());
            }
            let end = (start + model).min(count);
            let rows = self.data.rows(start, end - start)?;
            // Where these differ, whole executions run, and no label is given.
            let unlabelled = vec![None; network];
            let labels = if model == network {
                &labels[start..end]
            } else {
                &unlabelled
            };
            let done = reference.run(&rows, labels, &mut candidates);
            done.map_err(|e| self.named(e, start))?;
            bar.inc((end - start) as u64);
        }
        bar.finish_and_clear();
        Ok(candidates.iter().map(|c| reference.compared(c)).collect())
    }

    /// With the image's name where one is at fault.
    fn named(&self, error: AccuracyError, start: usize) -> Box<dyn Error> {
        let row = match &error {
            AccuracyError::NotFinite { row, .. } => self.data.names.get(start + row),
            _ => None,
        };
        match row {
            Some(name) => format!("{name}: {error}").into(),
            None => error.into(),
        }
    }

    /// Only outputs are compared here, over a few images: each step measures several networks.
    fn suggestions(
        &self,
        float: &dyn crate::engine::Backend,
        eight: &PrecisionComparison,
        ranges: &Ranges,
        labels: &[Option<usize>],
    ) -> Result<(PrecisionComparison, Vec<Step>), Box<dyn Error>> {
        let graph = &self.bundle.graph;
        let Steps { model, network: size } = self.steps()?;
        let count = self.data.len().min(SUGGESTED_WITH.next_multiple_of(model));
        let mut reference = Reference::new(float, graph, graph.clone(), size, self.labelled())?;
        let mut measure = |half: &BTreeSet<String>| -> Result<PrecisionComparison, AccuracyError> {
            let data = |e: Box<dyn Error>| AccuracyError::Data(e.to_string());
            let mut kept = self.arguments.fp16_nodes.clone();
            kept.extend(half.iter().cloned());
            let numerics = int8(self.bundle, ranges, &kept).map_err(|e| data(e.into()))?;
            let all = [numerics.0];
            let found = self.compare(&mut reference, &all, labels, count, "trying FP16 layers");
            let mut found = found.map_err(data)?;
            found.pop().ok_or(AccuracyError::Output)
        };
        let before = measure(&BTreeSet::new())?;
        let steps = suggest(&before, &eight.layers, self.arguments.suggest, measure)?;
        Ok((before, steps))
    }
}
