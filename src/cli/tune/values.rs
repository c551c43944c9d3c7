//! The values of options.

use std::str::FromStr;

use clap::ValueEnum;

use crate::cli::rows::ranges;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Time {
    /// Execution and input/output
    Total,
    /// Execution alone
    Execution,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
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
    pub fn name(self) -> &'static str {
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
pub enum Batch {
    /// Whatever is best.
    Any,
    /// In the order given, each once.
    Of(Vec<usize>),
}

/// The name of a goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GoalName {
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
pub struct Bytes(pub u64);

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
        ranges(text, MOST_ROWS).map(Batch::Of)
    }
}

/// Most rows of a total batch.
const MOST_ROWS: usize = 65_536;
