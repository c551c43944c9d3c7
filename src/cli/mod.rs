//! The command line. The only room that prints, reads the environment or exits.

mod args;
mod bench;
mod doctor;
mod driven;
mod error;
mod images;
mod inputs;
mod inspect;
mod interrupt;
mod measure;
mod output;
mod plan;
mod relay;
mod report;
mod run;
mod search;
mod session;
mod table;
mod tensors;
mod top;
mod ui;
mod units;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::Failure;
use ui::Ui;

/// Runs a CNN that TVM compiled for the target `dla` on the GPU and both DLA cores of an NVIDIA Jetson at once.
///
/// Exit codes: 0 done, 1 the answer is no, 2 error, 130 interrupted.
#[derive(Parser)]
#[command(name = "tvm-dla", version, propagate_version = true)]
struct Cli {
    /// Print one versioned JSON object on stdout
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing beside the result and errors
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run images or arrays through a compiled model
    Run(run::Args),
    /// Compare the GPU alone with GPU and DLAs
    Bench(bench::Args),
    /// Show how a batch would be dealt to the devices
    Plan(plan::Args),
    /// Show where each node of a network may run, and why not elsewhere
    Inspect(inspect::Args),
    /// Show what each backend needs, what is missing, and how to get it
    Doctor(doctor::Args),
}

/// The answer of a command that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
}

/// Parses the command line, runs it, and gives the process's exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    let ui = Ui::new(cli.json, cli.quiet);
    match dispatch(cli.command, &ui) {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(failure) => {
            ui.error(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn dispatch(command: Command, ui: &Ui) -> Result<Answer, Failure> {
    match command {
        Command::Run(args) => run::run(&args, ui),
        Command::Bench(args) => bench::run(&args, ui),
        Command::Plan(args) => plan::run(&args, ui),
        Command::Inspect(args) => inspect::run(&args, ui),
        Command::Doctor(args) => doctor::run(&args, ui),
    }
}
