//! The comparison in tables and lines for people.

use super::super::output::{counted, table};
use super::answer::{Accuracy, Layer, Row, SuggestedStep, Suggestion};

/// A difference, or that there is none to tell.
fn difference(largest: Option<f64>) -> String {
    largest.map_or("inf or NaN".to_string(), |d| format!("{d:.3e}"))
}

impl Accuracy {
    /// Heading and rows of the scores, or of the worst output where nothing is scored.
    pub fn scores(&self) -> Vec<Vec<String>> {
        let mut heading = vec!["precision"];
        if self.labelled {
            heading.extend(["top-1", "top-5"]);
        }
        if self.classifier {
            heading.push("as fp32");
        }
        heading.extend(["output SNR", "largest difference"]);
        let mut rows = vec![heading.into_iter().map(str::to_string).collect()];
        rows.extend(self.precisions.iter().map(|row| self.score(row)));
        rows
    }

    fn score(&self, row: &Row) -> Vec<String> {
        let mut cells = vec![row.precision.to_string()];
        if let Some(score) = row.score {
            let percent = |count| format!("{:.1}%", score.percent(count));
            if self.labelled {
                cells.extend([percent(score.top1), percent(score.top5)]);
            }
            cells.push(percent(score.agreeing));
        }
        cells.extend([row.output.to_string(), difference(row.largest_difference)]);
        cells
    }

    /// Heading and a row per output and precision but float32.
    pub fn outputs(&self) -> Vec<Vec<String>> {
        let heading = ["output", "of a row", "precision", "SNR", "largest difference"];
        let mut rows = vec![heading.map(str::to_string).to_vec()];
        let count = self.precisions.first().map_or(0, |row| row.outputs.len());
        for at in 0..count {
            rows.extend(self.precisions.iter().skip(1).map(|row| {
                let output = &row.outputs[at];
                vec![
                    output.name.clone(),
                    format!("{:?}", output.shape),
                    row.precision.to_string(),
                    output.fidelity.to_string(),
                    difference(output.largest_difference),
                ]
            }));
        }
        rows
    }

    /// Where precisions overflow, a line each.
    pub fn overflows(&self) -> Vec<String> {
        let lines = self.precisions.iter().flat_map(|row| {
            let precision = row.precision;
            let written = row.overflows_at.iter().map(move |at| {
                format!("{precision} overflows at {at}: what it writes holds infinities or NaN")
            });
            let held = row.clamped.iter().map(move |node| {
                format!("{precision} cannot hold a weight of {node}, beyond 65504: it is taken as the nearest that it can, as TensorRT does")
            });
            written.chain(held)
        });
        lines.collect()
    }

    /// Heading and rows of the `count` layers that add most noise.
    pub fn noisiest(&self, count: usize) -> Vec<Vec<String>> {
        let added = |layer: &Layer| layer.int8_added.unwrap_or(f64::INFINITY);
        let mut order: Vec<&Layer> = self.layers.iter().collect();
        order.sort_by(|a, b| added(b).total_cmp(&added(a)));
        let heading = ["layer", "ends in", "fp16 SNR", "int8 SNR", "int8 adds"];
        let mut rows = vec![heading.map(str::to_string).to_vec()];
        rows.extend(order.into_iter().take(count).map(|layer| {
            let added = layer.int8_added.map(|added| format!("{:.3}%", 100.0 * added));
            vec![
                layer.op.to_string(),
                layer.node.clone(),
                layer.fp16.to_string(),
                layer.int8.to_string(),
                added.unwrap_or_else(|| "overflow".to_string()),
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
        let line = |step: &SuggestedStep| {
            let gain = step.gain.map(|gain| format!(" (+{gain:.1} dB)"));
            let agreeing = step
                .agreeing
                .map(|agreeing| format!(", {agreeing} of {} as fp32", counted(*images, "image")));
            format!(
                "{} in fp16: output SNR {}{}{}",
                step.fp16,
                step.output,
                gain.unwrap_or_default(),
                agreeing.unwrap_or_default()
            )
        };
        let mut lines: Vec<String> = steps.iter().map(line).collect();
        lines.push(format!("with {option}"));
        lines
    }

    pub fn human(&self) -> String {
        let mut parts = vec![table(&self.scores())];
        if !self.classifier || self.precisions[0].outputs.len() > 1 {
            parts.push(format!("\n{}\n", table(&self.outputs())));
        }
        let images = counted(self.images, "image");
        parts.push(format!(
            "{images}, {}; every device emulated on the CPU",
            self.calibrated
        ));
        parts.extend(self.overflows());
        let guilty = self.guilty.as_deref().unwrap_or("no layer");
        parts.push(format!("\n{}", table(&self.noisiest(8))));
        parts.push(format!("guilty   {guilty} adds most noise in int8"));
        parts.extend(self.int8.line());
        parts.push(format!("\n{}", self.advice().join("\n")));
        parts.join("\n")
    }
}
