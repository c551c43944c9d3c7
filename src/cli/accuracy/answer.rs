//! The comparison as data.

use std::path::PathBuf;

use serde::Serialize;

use super::super::precision::Report;
use super::Arguments;
use super::run::AccuracyReport;
use crate::accuracy::{Fidelity, LayerNoise, PrecisionComparison, Score, overflow};

#[derive(Serialize)]
pub struct Accuracy {
    pub artifact: PathBuf,
    /// What all figures are: emulated.
    pub emulated: bool,
    pub images: usize,
    pub labelled: bool,
    /// Whether the first output is read as scores of classes.
    pub classifier: bool,
    pub calibrated: String,
    pub precisions: Vec<Row>,
    pub layers: Vec<Layer>,
    /// The layer that adds most noise in INT8.
    pub guilty: Option<String>,
    pub int8: Report,
    pub suggestion: Suggestion,
}

#[derive(Serialize)]
pub struct Row {
    pub precision: &'static str,
    /// Of a classifier.
    #[serde(flatten)]
    pub score: Option<Score>,
    /// Of the output that suffers most, in decibels, where it is a number: `output` says what it is otherwise.
    pub output_snr: Option<f64>,
    pub output: Fidelity,
    /// The largest difference of one value of any output; none where one is infinite or NaN.
    pub largest_difference: Option<f64>,
    /// The first layer that writes an infinity or NaN.
    pub overflows_at: Option<String>,
    /// Nodes with weights beyond 65504, which FP16 takes as that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clamped: Vec<String>,
    pub outputs: Vec<OutputRow>,
}

/// One output in one precision.
#[derive(Serialize)]
pub struct OutputRow {
    pub name: String,
    /// Of one row.
    pub shape: Vec<usize>,
    pub snr: Option<f64>,
    pub fidelity: Fidelity,
    pub largest_difference: Option<f64>,
}

#[derive(Serialize)]
pub struct Layer {
    pub node: String,
    pub op: &'static str,
    pub fp16_snr: Option<f64>,
    pub int8_snr: Option<f64>,
    pub fp16: Fidelity,
    pub int8: Fidelity,
    /// Noise over signal that the layer adds in INT8; none where it overflows.
    pub int8_added: Option<f64>,
}

#[derive(Serialize)]
pub struct Suggestion {
    /// Images that the steps are measured with.
    pub images: usize,
    pub steps: Vec<SuggestedStep>,
    /// The option that asks for it.
    pub option: Option<String>,
}

#[derive(Serialize)]
pub struct SuggestedStep {
    pub fp16: String,
    pub output_snr: Option<f64>,
    pub output: Fidelity,
    /// Decibels over the step before; none where that one was infinite or NaN.
    pub gain: Option<f64>,
    /// Of a classifier.
    pub agreeing: Option<usize>,
}

pub fn of(arguments: &Arguments, found: &AccuracyReport) -> Accuracy {
    let pairs = found.half.layers.iter().zip(&found.int8.layers);
    let guilty = found.int8.layers.iter().filter(|layer| layer.added > 0.0);
    let guilty = guilty.max_by(|a, b| a.added.total_cmp(&b.added));
    Accuracy {
        artifact: arguments.artifact.clone(),
        emulated: true,
        images: found.images,
        labelled: found.labelled,
        classifier: found.float.score.is_some(),
        calibrated: found.calibrated.clone(),
        precisions: vec![
            row("fp32", &found.float, found),
            row("fp16", &found.half, found),
            row("int8", &found.int8, found),
        ],
        guilty: guilty.map(|layer| layer.node.clone()),
        layers: pairs.map(|(half, int8)| layer(half, int8)).collect(),
        int8: found.report.clone(),
        suggestion: suggestion(arguments, found),
    }
}

fn row(precision: &'static str, compared: &PrecisionComparison, found: &AccuracyReport) -> Row {
    let worst = compared.worst().fidelity();
    let named = found.outputs.iter().zip(&compared.outputs);
    let outputs = named.map(|((name, shape), noise)| OutputRow {
        name: name.clone(),
        shape: shape.clone(),
        snr: noise.fidelity().decibels(),
        fidelity: noise.fidelity(),
        largest_difference: noise.largest(),
    });
    let largest = compared.outputs.iter().map(|noise| noise.largest());
    let largest: Option<Vec<f64>> = largest.collect();
    Row {
        precision,
        score: compared.score,
        output_snr: worst.decibels(),
        output: worst,
        largest_difference: largest.map(|all| all.into_iter().fold(0.0, f64::max)),
        overflows_at: overflow(&compared.layers).map(|layer| layer.node.clone()),
        clamped: compared.clamped.clone(),
        outputs: outputs.collect(),
    }
}

fn layer(half: &LayerNoise, int8: &LayerNoise) -> Layer {
    let (fp16, eight) = (half.noise.fidelity(), int8.noise.fidelity());
    Layer {
        node: int8.node.clone(),
        op: int8.op,
        fp16_snr: fp16.decibels(),
        int8_snr: eight.decibels(),
        fp16,
        int8: eight,
        int8_added: Some(int8.added).filter(|added| added.is_finite()),
    }
}

fn suggestion(arguments: &Arguments, found: &AccuracyReport) -> Suggestion {
    let mut before = found.before.worst().ratio();
    let steps = found.steps.iter().map(|step| {
        let worst = step.compared.worst();
        let gain = 10.0 * (before / worst.ratio().max(f64::MIN_POSITIVE)).log10();
        before = worst.ratio();
        SuggestedStep {
            fp16: step.node.clone(),
            output_snr: worst.fidelity().decibels(),
            output: worst.fidelity(),
            gain: Some(gain).filter(|gain| gain.is_finite()),
            agreeing: step.compared.score.map(|score| score.agreeing),
        }
    });
    let steps: Vec<SuggestedStep> = steps.collect();
    let mut nodes = arguments.fp16_nodes.clone();
    nodes.extend(steps.iter().map(|step| step.fp16.clone()));
    Suggestion {
        images: found.measured,
        option: (!steps.is_empty()).then(|| format!("--fp16-nodes {}", nodes.join(","))),
        steps,
    }
}
