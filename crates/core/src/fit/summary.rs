//! Errors of the model, in sample and out of it.

use super::observation::Observation;
use super::paper::POINTS;
use super::solver::fit;
use crate::board::{
    Accuracy, Arithmetic, Constants, DEFINITIONS, FittedModel, Key, Level, Processor, StoredConstant,
};

/// One observation's error twice: fitted with it, and fitted without its source. Relative: 0.1 is 10 % too slow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    pub inside: f64,
    pub outside: f64,
}

/// Errors of every observation; each source is left out in turn.
pub fn leave_one_source_out(observations: &[Observation], fitted: &Constants) -> Vec<Errors> {
    let mut sources: Vec<&str> = observations.iter().map(|o| o.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let zero = Errors {
        inside: 0.0,
        outside: 0.0,
    };
    let mut errors = vec![zero; observations.len()];
    for source in sources {
        let others: Vec<&Observation> = observations.iter().filter(|o| o.source != source).collect();
        let without = fit(&others, &Constants::prior());
        for (error, observation) in errors
            .iter_mut()
            .zip(observations)
            .filter(|(_, o)| o.source == source)
        {
            error.inside = observation.error(fitted).exp_m1();
            error.outside = observation.error(&without).exp_m1();
        }
    }
    errors
}

/// Median sizes of the errors that `keep` keeps: how many, in sample, out of sample.
pub fn medians(
    observations: &[Observation],
    errors: &[Errors],
    keep: impl Fn(&Observation) -> bool,
) -> Option<(usize, f64, f64)> {
    let kept = observations.iter().zip(errors).filter(|(o, _)| keep(o));
    let (mut inside, mut outside): (Vec<f64>, Vec<f64>) =
        kept.map(|(_, e)| (e.inside.abs(), e.outside.abs())).unzip();
    Some((inside.len(), median(&mut inside)?, median(&mut outside)?))
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// What the constants file says.
pub fn calibration(observations: &[Observation], errors: &[Errors], constants: &Constants) -> FittedModel {
    let mut accuracy = Vec::new();
    for processor in [Processor::Gpu, Processor::Dla, Processor::Combined] {
        for level in [Level::Network, Level::Layer] {
            for precision in [
                None,
                Some(Arithmetic::Fp32),
                Some(Arithmetic::Fp16),
                Some(Arithmetic::Int8),
            ] {
                let keep = |o: &Observation| {
                    o.processor == processor
                        && o.level == level
                        && precision.is_none_or(|p| o.arithmetic == p)
                };
                let found = medians(observations, errors, keep);
                accuracy.extend(found.map(|(rows, in_sample, out_of_sample)| Accuracy {
                    processor,
                    level,
                    precision,
                    rows,
                    in_sample: rounded(in_sample),
                    out_of_sample: rounded(out_of_sample),
                }));
            }
        }
    }
    let stored = DEFINITIONS.iter().map(|d| StoredConstant {
        name: d.key,
        value: rounded(constants.get(d.key)),
        unit: d.unit.to_string(),
        what: d.what.to_string(),
        origin: origin(d.key, d.prior, d.spread),
    });
    FittedModel {
        constants: stored.collect(),
        accuracy,
    }
}

fn origin(key: Key, prior: f64, spread: f64) -> String {
    match key {
        Key::KscCall | Key::KscCopy => {
            format!(
                "fitted to the paper's ratios at batches {} and {}",
                POINTS[0], POINTS[1]
            )
        }
        Key::HostRun | Key::HostMerge => "guess: not measured, no board was at hand".into(),
        Key::ConvFp32 => {
            "guess, chosen with the paper's GPU bars in view; no row of the measurements tells it".into()
        }
        _ => format!(
            "fitted to data/measurements.csv, expected {prior} give or take a factor of {:.2}",
            spread.exp()
        ),
    }
}

/// Five significant digits, so that the file does not change with the last bit of a machine's arithmetic.
fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}
