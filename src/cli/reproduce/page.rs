//! The report.

use super::Experiments;
use crate::board::{Accuracy, FittedModel, Level, Processor};
use crate::fit::POINTS;
use crate::report::{Arrivals, Page};
use crate::sim::crossover;

pub fn page(experiments: &Experiments) -> String {
    let label = &experiments.label;
    let mut page = Page::new("A CNN on the GPU and both DLA cores of a Jetson Xavier NX", label);
    page.text(
        "After a paper of KSC 2022 (Jetson Xavier NX, TVM 0.9 with TensorRT): the front of a network runs on the GPU and on \
         two DLA cores at the same time, its end once on the GPU over all rows. The published values were read off the \
         paper's figure.",
    );
    mobilenet(&mut page, experiments);
    network(&mut page, experiments);
    for (name, comparison) in &experiments.others {
        page.heading(&format!("{name}, all data resident"));
        comparison.write(&mut page, label);
    }
    calibration(&mut page, experiments.measured);
    page.finish()
}

fn mobilenet(page: &mut Page, experiments: &Experiments) {
    page.heading("MobileNet, all data resident");
    if !experiments.measured {
        page.text(&format!(
            "The paper states neither precision nor power mode. Its GPU's rate is that of float32, its DLAs compute in FP16; \
             the simulated mode is the board's fastest. Two constants stand for its framework, a call and a copy rate: they \
             were fitted to its ratios at batches {} and {}. The float32 rate of the GPU and the power mode were chosen with its \
             GPU bars in view, so those bars are no test of the model; the ratios at the other batches are.",
            POINTS[0], POINTS[1]
        ));
    }
    experiments.mobilenet.write(page, &experiments.label);
    if let Some((from, to)) = experiments.mobilenet.break_even() {
        page.text(&format!(
            "Sharing begins to pay between batches {from} and {to}; published: between 16 and 32."
        ));
    }
    if let Some(error) = experiments.mobilenet.worst_ratio(16) {
        page.text(&format!(
            "The largest error of a ratio at batches of at least 16 is {:.1} %.",
            100.0 * error
        ));
    }
}

/// Always simulated: a network's bandwidth is not ours to set.
fn network(page: &mut Page, experiments: &Experiments) {
    let label = "Simulated, not measured.";
    page.heading("MobileNet, data arriving over a network");
    page.text(
        "2048 images of 224x224 pixels arrive one after the other. Offline waits for all of them and runs one large batch; \
         a stream runs small steady batches while data arrives. Rates count from the first byte to the last result.",
    );
    page.figure(&Arrivals(&experiments.network).plot(), label);
    page.text(&match crossover(&experiments.network) {
        Some(at) => {
            format!("From {at:.0} MB/s on, waiting for all data is at least as fast. {label}")
        }
        None => format!("Neither way overtakes the other at these bandwidths. {label}"),
    });
    page.table(&Arrivals(&experiments.network).table());
}

fn calibration(page: &mut Page, measured: bool) {
    let calibration = FittedModel::stored();
    page.heading("How far such predictions are from published measurements");
    let why = if measured {
        "For the simulated parts of this report. "
    } else {
        ""
    };
    page.text(&format!(
        "{why}Median errors of time, without sign, over the rows of data/measurements.csv that the model can predict: with \
         constants fitted to all rows, and with each source predicted by constants fitted without it."
    ));
    page.table(&accuracy(&calibration.accuracy));
    page.heading("Constants of the model");
    let head = ["constant", "value", "unit", "what it is", "where it comes from"];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    for c in &calibration.constants {
        let name = format!("{:?}", c.name);
        rows.push(vec![
            name,
            c.value.to_string(),
            c.unit.clone(),
            c.what.clone(),
            c.origin.clone(),
        ]);
    }
    page.table(&rows);
}

fn accuracy(accuracy: &[Accuracy]) -> Vec<Vec<String>> {
    let head = [
        "processor",
        "what was timed",
        "precision",
        "rows",
        "in sample",
        "source left out",
    ];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    for a in accuracy {
        let processor = match a.processor {
            Processor::Gpu => "GPU",
            Processor::Dla => "one DLA core",
            Processor::Combined => "GPU + 2 DLA",
        };
        let level = match a.level {
            Level::Network => "whole networks",
            Level::Layer => "layers",
        };
        rows.push(vec![
            processor.into(),
            level.into(),
            a.precision.map_or("all".into(), |p| p.to_string()),
            a.rows.to_string(),
            format!("{:.1} %", 100.0 * a.in_sample),
            format!("{:.1} %", 100.0 * a.out_of_sample),
        ]);
    }
    rows
}
