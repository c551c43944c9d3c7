//! The comparison as a page for a browser.

use super::super::output::counted;
use super::answer::{Accuracy, Layer, Row};
use crate::accuracy::{Fidelity, Score};
use crate::report::{Page, Series, Tone, bars, lines};

/// Layers whose number is written under the plot.
const LABELLED: usize = 10;

pub fn of(answer: &Accuracy) -> String {
    let label = format!(
        "Emulated on the CPU, {}, {}. Not measured on a board.",
        counted(answer.images, "image"),
        answer.calibrated
    );
    let mut page = Page::new("FP32, FP16 and INT8 next to each other", &label);
    page.text(&format!("Artifact {}", answer.artifact.display()));
    page.heading(if answer.classifier { "Scores" } else { "Precisions" });
    page.table(&answer.scores());
    if answer.classifier {
        page.figure(&scores(answer), &label);
    }
    answer.overflows().iter().for_each(|line| page.text(line));
    page.heading("Outputs");
    page.table(&answer.outputs());
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
    let share = |row: &Row, of: fn(&Score) -> usize| {
        let score = row.score.as_ref()?;
        Some(score.percent(of(score)))
    };
    let series = |name: &str, tone, of: fn(&Score) -> usize| Series {
        name: name.to_string(),
        tone,
        values: answer.precisions.iter().map(|row| share(row, of)).collect(),
    };
    let mut all = vec![series("as fp32", Tone::All, |score| score.agreeing)];
    if answer.labelled {
        all.push(series("top-1", Tone::Gpu, |score| score.top1));
        all.push(series("top-5", Tone::GpuPublished, |score| score.top5));
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
    // The plot begins at zero, where noise is as strong as the signal; nothing is better than exact, and not drawn.
    let drawn = |fidelity: Fidelity| match fidelity {
        Fidelity::Exact => None,
        Fidelity::Decibels(decibels) => Some(decibels.max(0.0)),
        Fidelity::NoSignal | Fidelity::NotFinite { .. } => Some(0.0),
    };
    let series = |name: &str, tone, of: fn(&Layer) -> Fidelity| Series {
        name: name.to_string(),
        tone,
        values: answer.layers.iter().map(|layer| drawn(of(layer))).collect(),
    };
    let all = [
        series("fp16", Tone::All, |layer| layer.fp16),
        series("int8", Tone::Third, |layer| layer.int8),
    ];
    let axes = ["stored layer, in the order of the network", "signal to noise, dB"];
    lines("Noise by layer", axes, &labels, &all, None)
}

fn unified(answer: &Accuracy) -> Vec<Vec<String>> {
    let heading = ["asked for by", "tensors and their own ranges", "shared range"];
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
