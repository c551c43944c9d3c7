//! The comparison as a page for a browser.

use super::answer::{Accuracy, Layer, Row};
use crate::report::{bars, lines, Page, Series, Tone};

/// Layers whose number is written under the plot.
const LABELLED: usize = 10;

pub fn of(answer: &Accuracy) -> String {
    let label = format!(
        "Emulated on the CPU, {} images, {}. Not measured on a board.",
        answer.images, answer.calibrated
    );
    let mut page = Page::new("FP32, FP16 and INT8 next to each other", &label);
    page.text(&format!("Artifact {}", answer.artifact.display()));
    page.heading("Scores");
    page.table(&answer.scores());
    page.figure(&scores(answer), &label);
    page.heading("Noise by layer");
    if let Some(guilty) = &answer.guilty {
        page.text(&format!("{guilty} adds most noise in INT8."));
    }
    page.figure(&noise(answer), &label);
    page.table(&answer.noisiest(15));
    page.heading("A few layers in FP16");
    answer.advice().iter().for_each(|line| page.text(line));
    page.heading("What INT8 does not compute");
    let heading = ["node", "why it is in FP16"].map(str::to_string).to_vec();
    let nodes = answer.int8.fp16.iter();
    let nodes = nodes.map(|half| vec![half.node.clone(), half.reason.clone()]);
    page.table(&std::iter::once(heading).chain(nodes).collect::<Vec<_>>());
    page.heading("Scales made equal for the DLA");
    page.table(&unified(answer));
    page.finish()
}

/// Bars of the shares in percent.
fn scores(answer: &Accuracy) -> String {
    let labels: Vec<String> = answer
        .precisions
        .iter()
        .map(|row| row.precision.to_string())
        .collect();
    let series = |name: &str, tone, of: fn(&Row) -> usize| Series {
        name: name.to_string(),
        tone,
        values: answer
            .precisions
            .iter()
            .map(|row| Some(row.score.percent(of(row))))
            .collect(),
    };
    let mut all = vec![series("as fp32", Tone::All, |row| row.score.agreeing)];
    if answer.labelled {
        all.push(series("top-1", Tone::Gpu, |row| row.score.top1));
        all.push(series("top-5", Tone::GpuPublished, |row| row.score.top5));
    }
    bars("Scores", "precision", "% of the images", &labels, &all)
}

/// Lines of signal to noise through the network.
fn noise(answer: &Accuracy) -> String {
    let every = answer.layers.len().div_ceil(LABELLED).max(1);
    let number = |at: usize| match at % every {
        0 => (at + 1).to_string(),
        _ => String::new(),
    };
    let labels: Vec<String> = (0..answer.layers.len()).map(number).collect();
    let series = |name: &str, tone, of: fn(&Layer) -> Option<f64>| Series {
        name: name.to_string(),
        tone,
        // The plot begins at zero, where noise is as strong as the signal.
        values: answer
            .layers
            .iter()
            .map(|layer| of(layer).map(|db| db.max(0.0)))
            .collect(),
    };
    let all = [
        series("fp16", Tone::All, |layer| layer.fp16_snr),
        series("int8", Tone::Third, |layer| layer.int8_snr),
    ];
    let axes = [
        "stored layer, in the order of the network",
        "signal to noise, dB",
    ];
    lines("Noise by layer", axes, &labels, &all, None)
}

fn unified(answer: &Accuracy) -> Vec<Vec<String>> {
    let heading = [
        "asked for by",
        "tensors and their own ranges",
        "shared range",
    ];
    let mut rows = vec![heading.map(str::to_string).to_vec()];
    rows.extend(answer.int8.unified.iter().map(|group| {
        let own = group.own.iter();
        let own: Vec<String> = own.map(|(name, max)| format!("{name} {max:.3}")).collect();
        vec![
            group.nodes.join(", "),
            own.join(", "),
            format!("{:.3}", group.range),
        ]
    }));
    rows
}
