//! `tvm-dla tune`.

mod boarded;
mod log_file;
mod measured;
mod network;
mod table;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::engines::Engines;
use super::output::Output;
use super::{helped, Outcome};
use crate::tune::search::Power;

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle; all of it compiled for dla. Left out with --profile
    artifact: Option<PathBuf>,
    /// Split by a table of measured times (CSV: device, batch, time per row in ms; optionally model) instead
    #[arg(long)]
    profile: Option<PathBuf>,
    /// The model to plan for, when the table has several
    #[arg(long)]
    model: Option<String>,
    /// Which of the table's times count
    #[arg(long, value_enum, default_value = "total")]
    time: Time,
    /// Total batches: numbers and ranges, e.g. 100 or 1-512 or 4,16,32; `any` finds the best one
    #[arg(long)]
    batch: Batch,
    /// What is best: throughput, latency:30ms (most throughput with 99 of 100 batches answered within that), energy
    #[arg(long, default_value = "throughput")]
    goal: GoalName,
    /// What the board takes, in watts: idle=3.5,gpu=6,dla=1.5
    #[arg(long)]
    power: Option<Power>,
    /// Memory that plans may take, e.g. 2GiB (default: what this machine has left)
    #[arg(long)]
    memory: Option<Bytes>,
    /// Engines that plans may need
    #[arg(long)]
    max_engines: Option<usize>,
    /// Plans of a search that are measured
    #[arg(long, default_value_t = 4)]
    measure: usize,
    /// Where measurements are written down, to be resumed (default: beside the artifact)
    #[arg(long)]
    log: Option<PathBuf>,
    /// Where the plans are written (default: beside the artifact)
    #[arg(long)]
    output: Option<PathBuf>,
    /// How to search; several to compare them
    #[arg(long, value_enum, value_delimiter = ',', default_value = "search")]
    strategy: Vec<Strategy>,
    /// Where to write what was found as one HTML page
    #[arg(long)]
    report: Option<PathBuf>,
    /// Where to write the same as CSV
    #[arg(long)]
    csv: Option<PathBuf>,
    #[command(flatten)]
    board: boarded::Board,
    #[command(flatten)]
    engines: Engines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Time {
    /// Execution and input/output
    Total,
    /// Execution alone
    Execution,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Strategy {
    /// The best plan that a search of about a second finds
    Search,
    /// The best plan of all, to compare a search with; for batches that are small
    Exhaustive,
    /// The scheme of the KSC 2022 paper: equal rounds on both DLAs, one merged suffix
    Paper,
    /// The greedy search of KCC 2020 ("batch partitioning")
    Kcc2020,
    /// The fastest device alone
    Single,
}

impl Strategy {
    fn name(self) -> &'static str {
        match self {
            Strategy::Search => "search",
            Strategy::Exhaustive => "exhaustive",
            Strategy::Paper => "paper",
            Strategy::Kcc2020 => "kcc2020",
            Strategy::Single => "single",
        }
    }
}

/// Rows in total.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Batch {
    /// Whatever is best.
    Any,
    /// In the order given, each once.
    Of(Vec<usize>),
}

/// The name of a goal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum GoalName {
    Throughput,
    /// Milliseconds.
    Latency(f64),
    Energy,
}

impl FromStr for GoalName {
    type Err = String;

    fn from_str(text: &str) -> Result<GoalName, String> {
        let wrong = || format!("`{text}` is not a goal: use throughput, latency:30ms or energy");
        match text.split_once(':') {
            None if text == "throughput" => Ok(GoalName::Throughput),
            None if text == "energy" => Ok(GoalName::Energy),
            Some(("latency", bound)) => {
                let number = bound.strip_suffix("ms").unwrap_or(bound).trim();
                let ms = number.parse::<f64>().ok();
                let ms = ms.filter(|ms| ms.is_finite() && *ms > 0.0);
                ms.map(GoalName::Latency).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bytes(u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Bytes, String> {
        let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("", 0)];
        let unit = units
            .iter()
            .find_map(|(unit, power)| Some((text.strip_suffix(unit)?, power)));
        let number = unit.and_then(|(number, power)| {
            let bytes = number.trim().parse::<f64>().ok()? * f64::from(1u32 << power);
            (1.0..1e18).contains(&bytes).then_some(bytes as u64)
        });
        number
            .map(Bytes)
            .ok_or_else(|| format!("`{text}` is no memory: write it like 512MiB or 2GiB"))
    }
}

impl FromStr for Batch {
    type Err = String;

    fn from_str(text: &str) -> Result<Batch, String> {
        if text == "any" {
            return Ok(Batch::Any);
        }
        let mut batches = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (rows(first)?, rows(last)?);
            if first > last {
                return Err(format!("the range {part} ends before it starts"));
            }
            batches.extend(
                (first..=last)
                    .filter(|rows| !batches.contains(rows))
                    .collect::<Vec<_>>(),
            );
        }
        Ok(Batch::Of(batches))
    }
}

/// Most rows of a total batch.
const MOST_ROWS: usize = 65_536;

fn rows(text: &str) -> Result<usize, String> {
    let rows = text.trim().parse().ok();
    rows.filter(|rows| (1..=MOST_ROWS).contains(rows))
        .ok_or_else(|| format!("`{text}` is not a batch: use numbers from 1 to {MOST_ROWS}, or ranges such as 1-512"))
}

pub fn run(arguments: &Arguments, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    match (&arguments.artifact, &arguments.profile) {
        (None, Some(profile)) => table::run(arguments, profile, output),
        (Some(artifact), None) => network::run(arguments, artifact, output, cancel),
        (None, None) => Err(helped(
            "there is nothing to tune",
            "name an artifact, or a table with --profile",
        )),
        (Some(_), Some(_)) => Err(helped(
            "an artifact and --profile at the same time",
            "leave the artifact out: a table is split as it is",
        )),
    }
}

fn read_text(path: &Path) -> Result<String, Box<dyn Error>> {
    std::fs::read_to_string(path).map_err(|error| {
        helped(
            format!("cannot read {}: {error}", path.display()),
            "check the path",
        )
    })
}
