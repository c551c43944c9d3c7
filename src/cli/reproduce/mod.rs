//! `tvm-dla reproduce-ksc2022`: the paper's figures, called by `scripts/reproduce_ksc2022`.

mod bars;
mod page;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde::Serialize;

use super::board::{BoardScenario, DlaPrecision, FrameworkName, GpuPrecision, Where};
use super::engines::{BackendName, Engines};
use super::files::TextFile;
use super::output::Output;
use super::tensorrt::TensorRtArguments;
use super::{Answer, Outcome};
use crate::report::{Bar, Comparison, published};
use crate::sim::{Arrival, Arriving, arrivals};
use bars::{measured, simulated};

#[derive(Args)]
pub struct Arguments {
    /// MobileNet, compiled for dla
    mobilenet: PathBuf,
    /// Another network as NAME=ARTIFACT
    #[arg(long, value_parser = named_model)]
    model: Vec<(String, PathBuf)>,
    /// Folder for report.html, throughput.csv and network.csv
    #[arg(long)]
    out: PathBuf,
    /// Measure throughput through this backend (default: simulate the paper's board)
    #[arg(long, value_enum)]
    backend: Option<BackendName>,
    /// Batch sizes (default: the paper's nine)
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: Vec<u32>,
    /// Measured runs of each plan
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    #[command(flatten)]
    tensorrt: TensorRtArguments,
}

/// Images as they travel: 224x224 pixels of three bytes.
const DATA: Arriving = Arriving {
    rows: 2048,
    bytes_per_row: 3 * 224 * 224,
};
/// MB/s.
const BANDWIDTHS: [f64; 14] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0,
];
/// The small steady batches of a stream.
const STEADY: [usize; 6] = [4, 8, 16, 32, 64, 128];

/// Everything that the report shows.
struct Experiments {
    /// What the figures are, and on what.
    label: String,
    measured: bool,
    mobilenet: Comparison,
    others: Vec<(String, Comparison)>,
    /// Always simulated.
    network: Vec<Arrival>,
}

#[derive(Serialize)]
struct ReproduceReport {
    measured: bool,
    label: String,
    report: PathBuf,
    /// Largest error of a ratio at batches of at least 16, without its sign.
    worst_ratio_error: Option<f64>,
    break_even: Option<(usize, usize)>,
    mobilenet: Comparison,
}

pub fn run(arguments: &Arguments, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    std::fs::create_dir_all(&arguments.out)
        .map_err(|e| format!("cannot make {}: {e}", arguments.out.display()))?;
    let file = |name: &str| TextFile::create(&arguments.out.join(name));
    let (report, throughput, network) = (
        file("report.html")?,
        file("throughput.csv")?,
        file("network.csv")?,
    );
    let experiments = experiments(arguments, output, cancel)?;
    report.write(&page::page(&experiments))?;
    throughput.write(&throughput_csv(&experiments))?;
    network.write(&network_csv(&experiments.network))?;
    let answered = ReproduceReport {
        measured: experiments.measured,
        label: experiments.label.clone(),
        report: arguments.out.join("report.html"),
        worst_ratio_error: experiments.mobilenet.worst_ratio(16),
        break_even: experiments.mobilenet.break_even(),
        mobilenet: experiments.mobilenet,
    };
    output.answer(&answered, || human(&answered), Answer::Yes)
}

fn experiments(
    arguments: &Arguments,
    output: &Output,
    cancel: Arc<AtomicBool>,
) -> Result<Experiments, Box<dyn Error>> {
    let batches: Vec<usize> = if arguments.batch.is_empty() {
        published().iter().map(|p| p.batch).collect()
    } else {
        arguments.batch.iter().map(|b| *b as usize).collect()
    };
    let mobilenet = board(&arguments.mobilenet, output)?;
    let mut label = format!(
        "Simulated on a model of a {}; not measured.",
        mobilenet.machine.title()
    );
    let mut bars = |name: &str, path: &Path, boarded: &BoardScenario| -> Result<Vec<Bar>, Box<dyn Error>> {
        output.say(name);
        match arguments.backend {
            None => simulated(boarded, &batches),
            Some(backend) => {
                let engines = Engines::of(backend, arguments.tensorrt.clone());
                let (bars, devices) = measured(
                    boarded,
                    path,
                    &engines,
                    &batches,
                    arguments.repeats,
                    cancel.clone(),
                )?;
                label = format!("Measured on this machine: {devices}.");
                Ok(bars)
            }
        }
    };
    let origin = if arguments.backend.is_some() {
        "measured"
    } else {
        "simulated"
    };
    let first = bars("MobileNet", &arguments.mobilenet, &mobilenet)?;
    let mut others = Vec::new();
    for (name, path) in &arguments.model {
        let bars = bars(name, path, &board(path, output)?)?;
        others.push((name.clone(), Comparison::alone(origin, bars)));
    }
    Ok(Experiments {
        label,
        measured: arguments.backend.is_some(),
        mobilenet: Comparison::new(origin, first),
        others,
        network: arrivals(&mobilenet.network, &mobilenet.costs, DATA, &BANDWIDTHS, &STEADY)?,
    })
}

/// The paper's board in the setting that its rates speak for: see `calibrate::paper_setting`.
fn board(artifact: &Path, output: &Output) -> Result<BoardScenario, Box<dyn Error>> {
    let place = Where {
        board: "xavier-nx".into(),
        power_mode: Some("20W".into()),
        precision: Some(DlaPrecision::Fp16),
        gpu_precision: Some(GpuPrecision::Fp32),
        framework: FrameworkName::Ksc2022,
    };
    let boarded = place.load(artifact, output)?;
    if boarded.network.prefix {
        Ok(boarded)
    } else {
        Err(format!("{}: no node of it may run on the DLA", artifact.display()).into())
    }
}

fn named_model(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("expected NAME=ARTIFACT")?;
    Ok((name.to_string(), PathBuf::from(path)))
}

fn throughput_csv(experiments: &Experiments) -> String {
    let mut csv = String::new();
    let first = [("MobileNet", &experiments.mobilenet)];
    let others = experiments.others.iter().map(|(name, c)| (name.as_str(), c));
    for (name, comparison) in first.into_iter().chain(others) {
        for (index, line) in comparison.to_csv().lines().enumerate() {
            match index {
                0 if csv.is_empty() => csv = format!("model,{line}\n"),
                0 => {}
                _ => csv += &format!("{name},{line}\n"),
            }
        }
    }
    csv
}

fn network_csv(arrivals: &[Arrival]) -> String {
    let mut csv = String::from("origin,megabytes_per_second,offline,stream,stream_batch,stream_latency_ms\n");
    for a in arrivals {
        csv += &format!(
            "simulated,{},{:.2},{:.2},{},{:.2}\n",
            a.megabytes_per_second, a.offline, a.stream, a.stream_batch, a.stream_latency_ms
        );
    }
    csv
}

fn human(answered: &ReproduceReport) -> String {
    let mut lines = vec![answered.label.clone()];
    for bar in &answered.mobilenet.bars {
        lines.push(format!(
            "batch {:>5}: GPU {:7.1}  GPU + 2 DLA {:7.1}  ratio {:.3}",
            bar.batch,
            bar.gpu,
            bar.shared,
            bar.ratio()
        ));
    }
    if let Some(error) = answered.worst_ratio_error {
        lines.push(format!(
            "largest error of a ratio at batches of at least 16: {:.1} %",
            100.0 * error
        ));
    }
    if let Some((from, to)) = answered.break_even {
        lines.push(format!("sharing begins to pay between batches {from} and {to}"));
    }
    lines.push(format!("wrote {}", answered.report.display()));
    lines.join("\n")
}
