//! `tvm-dla tune`.

mod bench;
mod boarded;
mod found;
mod log_file;
mod measured;
mod network;
mod pages;
mod power;
mod profile;
mod refined;
mod runs;
mod searched;
mod table;
mod tabled;
mod values;
mod watts;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::engines::Engines;
use super::output::Output;
use super::{Outcome, helped};
use crate::tune::search::{Goal, Limits, MOST_ROWS};
use values::{Batch, Bytes, GoalName, Strategy, Time};

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle; with one network for dla. Left out with --profile of
    /// other devices
    artifact: Option<PathBuf>,
    /// Take times from a table (CSV: device, batch, time per row in ms; optionally model) and run nothing. For an artifact
    /// devices are called gpu, dla0, dla1, and with a suffix also gpu:whole and gpu:suffix
    #[arg(long, conflicts_with = "board")]
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
    /// Memory that plans may take, e.g. 2GiB (default: what this machine has left)
    #[arg(long)]
    memory: Option<Bytes>,
    /// Engines that plans may need
    #[arg(long)]
    max_engines: Option<usize>,
    /// Plans of a search that are measured, the best first (default: 4, and none with --board or --profile)
    #[arg(long)]
    measure: Option<usize>,
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
    power: power::PowerOptions,
    #[command(flatten)]
    board: boarded::Board,
    #[command(flatten)]
    engines: Engines,
}

/// `spoken`: the options that the command line holds.
pub fn run(arguments: &Arguments, spoken: &[String], output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    match (&arguments.artifact, &arguments.profile) {
        (Some(artifact), _) => network::run(arguments, artifact, output, cancel),
        (None, Some(profile)) => table::run(arguments, spoken, profile, output),
        (None, None) => Err(helped(
            "there is nothing to tune",
            "name an artifact, or a table with --profile",
        )),
    }
}

impl Arguments {
    /// The goal, where what it needs to know was given.
    fn goal(&self) -> Result<Goal, Box<dyn Error>> {
        match (self.goal, self.power.given()) {
            (GoalName::Throughput, _) => Ok(Goal::Throughput),
            (GoalName::Latency(p99_ms), _) => Ok(Goal::Latency { p99_ms }),
            (GoalName::Energy, Some(power)) => Ok(Goal::Energy(power)),
            (GoalName::Energy, None) => Err(helped(
                "the goal energy needs to know what the board takes",
                "give --power idle=W,gpu=W,dla=W; on the board itself, without --board and --profile, its sensors are read",
            )),
        }
    }

    /// The limits asked for; `memory` where none was.
    fn limits(&self, memory: Option<u64>) -> Limits {
        Limits {
            memory: self.memory.map(|bytes| bytes.0).or(memory),
            engines: self.max_engines,
        }
    }

    fn most_rows(&self) -> usize {
        match &self.batch {
            Batch::Any => MOST_ROWS,
            Batch::Of(batches) => batches.iter().copied().max().unwrap_or(1),
        }
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
