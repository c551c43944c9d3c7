//! The comparison as data, and as text for people.

use std::path::PathBuf;

use serde::Serialize;

use super::super::output::table;
use super::super::precision::Report;
use super::run::Found;
use super::Arguments;
use crate::accuracy::{Compared, LayerNoise, Score};

#[derive(Serialize)]
pub struct Accuracy {
    pub artifact: PathBuf,
    /// What all figures are: emulated.
    pub emulated: bool,
    pub images: usize,
    pub labelled: bool,
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
    #[serde(flatten)]
    pub score: Score,
    /// Of the network's first output, in decibels; none where it is float32's bit for bit.
    pub output_snr: Option<f64>,
}

#[derive(Serialize)]
pub struct Layer {
    pub node: String,
    pub op: &'static str,
    pub fp16_snr: Option<f64>,
    pub int8_snr: Option<f64>,
    /// Noise over signal that the layer adds in INT8.
    pub int8_added: f64,
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
    /// Decibels over the step before.
    pub gain: f64,
    pub agreeing: usize,
}

pub fn of(arguments: &Arguments, found: &Found) -> Accuracy {
    let row = |precision, compared: &Compared| Row {
        precision,
        score: compared.score,
        output_snr: compared.output.decibels(),
    };
    let pairs = found.half.layers.iter().zip(&found.int8.layers);
    let layers: Vec<Layer> = pairs.map(|(half, int8)| layer(half, int8)).collect();
    let guilty = layers.iter().filter(|layer| layer.int8_added > 0.0);
    let guilty = guilty.max_by(|a, b| a.int8_added.total_cmp(&b.int8_added));
    Accuracy {
        artifact: arguments.artifact.clone(),
        emulated: true,
        images: found.images,
        labelled: found.labelled,
        calibrated: found.calibrated.clone(),
        precisions: vec![
            row("fp32", &found.float),
            row("fp16", &found.half),
            row("int8", &found.int8),
        ],
        guilty: guilty.map(|layer| layer.node.clone()),
        layers,
        int8: found.report.clone(),
        suggestion: suggestion(arguments, found),
    }
}

fn layer(half: &LayerNoise, int8: &LayerNoise) -> Layer {
    Layer {
        node: int8.node.clone(),
        op: int8.op,
        fp16_snr: half.noise.decibels(),
        int8_snr: int8.noise.decibels(),
        int8_added: int8.added,
    }
}

fn suggestion(arguments: &Arguments, found: &Found) -> Suggestion {
    let mut before = found.before.output.ratio();
    let steps = found.steps.iter().map(|step| {
        let now = step.compared.output.ratio();
        let gain = 10.0 * (before / now.max(f64::MIN_POSITIVE)).log10();
        before = now;
        SuggestedStep {
            fp16: step.node.clone(),
            output_snr: step.compared.output.decibels(),
            gain,
            agreeing: step.compared.score.agreeing,
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

/// `31.4 dB`, or what has no noise.
pub fn decibels(value: Option<f64>) -> String {
    value.map_or("exact".to_string(), |db| format!("{db:.1} dB"))
}

impl Accuracy {
    /// Heading and rows of the scores.
    pub fn scores(&self) -> Vec<Vec<String>> {
        let mut heading = vec!["precision"];
        if self.labelled {
            heading.extend(["top-1", "top-5"]);
        }
        heading.extend(["as fp32", "output SNR"]);
        let mut rows = vec![heading.into_iter().map(str::to_string).collect()];
        for Row {
            precision,
            score,
            output_snr,
        } in &self.precisions
        {
            let percent = |count| format!("{:.1}%", score.percent(count));
            let mut row = vec![precision.to_string()];
            if self.labelled {
                row.extend([percent(score.top1), percent(score.top5)]);
            }
            row.extend([percent(score.agreeing), decibels(*output_snr)]);
            rows.push(row);
        }
        rows
    }

    /// Heading and rows of the `count` layers that add most noise.
    pub fn noisiest(&self, count: usize) -> Vec<Vec<String>> {
        let mut order: Vec<&Layer> = self.layers.iter().collect();
        order.sort_by(|a, b| b.int8_added.total_cmp(&a.int8_added));
        let heading = ["layer", "ends in", "fp16 SNR", "int8 SNR", "int8 adds"];
        let mut rows = vec![heading.map(str::to_string).to_vec()];
        rows.extend(order.into_iter().take(count).map(|layer| {
            vec![
                layer.op.to_string(),
                layer.node.clone(),
                decibels(layer.fp16_snr),
                decibels(layer.int8_snr),
                format!("{:.3}%", 100.0 * layer.int8_added),
            ]
        }));
        rows
    }

    /// The suggestion in a line per step.
    pub fn advice(&self) -> Vec<String> {
        let Suggestion {
            images,
            steps,
            option,
        } = &self.suggestion;
        let Some(option) = option else {
            return vec!["no single layer in FP16 gains half a decibel".to_string()];
        };
        let mut lines: Vec<String> = steps
            .iter()
            .map(|step| {
                format!(
                    "{} in fp16: output SNR {} (+{:.1} dB), {} of {images} images as fp32",
                    step.fp16,
                    decibels(step.output_snr),
                    step.gain,
                    step.agreeing
                )
            })
            .collect();
        lines.push(format!("with {option}"));
        lines
    }

    pub fn human(&self) -> String {
        let guilty = self.guilty.as_deref().unwrap_or("no layer");
        format!(
            "{}\n{} images, {}; every device emulated on the CPU\n\n{}\nguilty   {guilty} adds most noise in int8\n{}\n\n{}",
            table(&self.scores()),
            self.images,
            self.calibrated,
            table(&self.noisiest(8)),
            self.int8.line().unwrap_or_default(),
            self.advice().join("\n")
        )
    }
}
