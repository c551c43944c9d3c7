//! `tvm-dla tune`.

mod table;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::output::Output;
use super::{helped, Outcome};

#[derive(Args)]
pub struct Arguments {
    /// Table of measured times (CSV: device, batch, time per row in ms; optionally model) to plan with
    #[arg(long)]
    profile: PathBuf,
    /// The model to plan for, when the table has several
    #[arg(long)]
    model: Option<String>,
    /// Which of the table's times count
    #[arg(long, value_enum, default_value = "total")]
    time: Time,
    /// Total batches: numbers and ranges, e.g. 100 or 1-512 or 4,16,32
    #[arg(long)]
    batch: Batches,
    /// How to search; several to compare them
    #[arg(long, value_enum, value_delimiter = ',', default_value = "search")]
    strategy: Vec<Strategy>,
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
    /// The best split there is
    Search,
    /// The greedy search of KCC 2020 ("batch partitioning")
    Kcc2020,
    /// The fastest device alone
    Single,
}

impl Strategy {
    fn name(self) -> &'static str {
        match self {
            Strategy::Search => "search",
            Strategy::Kcc2020 => "kcc2020",
            Strategy::Single => "single",
        }
    }
}

/// Total batches in the order given, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Batches(Vec<usize>);

impl FromStr for Batches {
    type Err = String;

    fn from_str(text: &str) -> Result<Batches, String> {
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
        Ok(Batches(batches))
    }
}

/// Most rows of a total batch.
const MOST_ROWS: usize = 65_536;

fn rows(text: &str) -> Result<usize, String> {
    let rows = text.trim().parse().ok();
    rows.filter(|rows| (1..=MOST_ROWS).contains(rows))
        .ok_or_else(|| format!("`{text}` is not a batch: use numbers from 1 to {MOST_ROWS}, or ranges such as 1-512"))
}

pub fn run(arguments: &Arguments, output: &Output) -> Outcome {
    table::run(arguments, output)
}

fn read_text(path: &Path) -> Result<String, Box<dyn Error>> {
    std::fs::read_to_string(path).map_err(|error| {
        helped(
            format!("cannot read {}: {error}", path.display()),
            "check the path",
        )
    })
}
