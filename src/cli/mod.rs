//! The command line: the only room besides the plugin that prints, reads the environment, or exits.

mod accuracy;
mod around;
mod arrays;
mod bench;
mod board;
mod build;
mod cache;
mod calibrate;
mod check;
mod costs;
mod data;
mod doctor;
mod embed;
mod engines;
mod environments;
mod export;
mod files;
mod finite;
mod fit_boards;
mod halves;
mod images;
mod inputs;
mod inspect;
mod labels;
mod model;
mod output;
mod phases;
mod plan;
mod precision;
mod reproduce;
mod rows;
mod run;
mod serve;
mod simulate;
mod stream;
mod tensorrt;
mod truth;
mod tune;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use output::Output;

/// Runs TVM-compiled CNNs on the GPU and both DLA cores of an NVIDIA Jetson, or emulated on the CPU.
#[derive(Parser)]
#[command(name = "tvm-dla", version)]
struct Cli {
    /// Print one JSON object on standard output
    #[arg(long, global = true)]
    json: bool,
    /// No progress and no remarks
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run an artifact on images or arrays
    Run(run::Arguments),
    /// Answer items that arrive one after the other within a latency bound
    Stream(stream::Arguments),
    /// Serve artifacts over HTTP and gRPC by the Open Inference Protocol
    Serve(serve::Arguments),
    /// Show where every node runs and why, the cut, and what each side costs
    Inspect(inspect::Arguments),
    /// Show how a batch would be dealt to the devices; --json is a file for --plan
    Plan(plan::Arguments),
    /// Write a plan into an artifact, where every program that loads it finds it
    EmbedPlan(embed::Arguments),
    /// Find the best plan for a batch
    Tune(Box<tune::Arguments>),
    /// Predict throughput, latency and busy times on a board, without the board
    Simulate(simulate::Arguments),
    /// Measure the GPU alone against GPU + DLA, in turn in one run
    Bench(bench::Arguments),
    /// Compare FP32, FP16 and INT8 over images: scores, noise by layer, and what to leave in FP16
    Accuracy(accuracy::Arguments),
    /// Find INT8 ranges from images, and write them for TensorRT and for --calibration
    Calibrate(calibrate::Arguments),
    /// Write each stage as an ONNX file, and print the trtexec lines that build the same engines
    Export(export::Arguments),
    /// Have TensorRT's builder check every stage; with TensorRT-RTX that needs no GPU
    Check(check::Arguments),
    /// Build the engines of a plan before they are needed
    Build(build::Arguments),
    /// Show or remove the engines built for this machine
    Cache(cache::Arguments),
    /// Fit the board model's constants to data/measurements.csv
    #[command(hide = true)]
    FitBoards(fit_boards::Arguments),
    /// Make the paper's figures
    #[command(name = "reproduce-ksc2022", hide = true)]
    Reproduce(reproduce::Arguments),
    /// Say what each backend needs, what is missing, and how to get it
    Doctor(doctor::Arguments),
}

/// What a command answers with; errors are status 2.
enum Answer {
    Yes,
    No,
}

type Outcome = Result<Answer, Box<dyn Error>>;

/// A failure with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{what}\nhelp: {help}")]
struct HelpedError {
    what: String,
    help: String,
}

fn helped(what: impl Into<String>, help: impl Into<String>) -> Box<dyn Error> {
    Box::new(HelpedError {
        what: what.into(),
        help: help.into(),
    })
}

/// Parses the command line and runs it. Status: 0 done, 1 the answer is no, 2 error, 130 interrupted.
pub fn main() -> ExitCode {
    let (cli, spoken) = parsed();
    let output = Output::new(cli.json, cli.quiet);
    let cancel = interruptible();
    let outcome = match cli.command {
        Command::Run(arguments) => run::run(&arguments, &output, cancel.clone()),
        Command::Stream(arguments) => stream::run(&arguments, &output, cancel.clone()),
        Command::Serve(arguments) => serve::run(&arguments, &output, cancel.clone()),
        Command::Inspect(arguments) => inspect::run(&arguments, &output),
        Command::Plan(arguments) => plan::run(&arguments, &output, cancel.clone()),
        Command::EmbedPlan(arguments) => embed::run(&arguments, &output),
        Command::Tune(arguments) => tune::run(&arguments, &spoken, &output, cancel.clone()),
        Command::Bench(arguments) => bench::run(&arguments, &output, cancel.clone()),
        Command::Accuracy(arguments) => accuracy::run(&arguments, &output, cancel.clone()),
        Command::Calibrate(arguments) => calibrate::run(&arguments, &output, cancel.clone()),
        Command::Export(arguments) => export::run(&arguments, &output),
        Command::Check(arguments) => check::run(&arguments, &output, cancel.clone()),
        Command::Build(arguments) => build::run(&arguments, &output, cancel.clone()),
        Command::Cache(arguments) => cache::run(&arguments, &output),
        Command::Simulate(arguments) => simulate::run(&arguments, &output),
        Command::FitBoards(arguments) => fit_boards::run(&arguments, &output),
        Command::Reproduce(arguments) => reproduce::run(&arguments, &output, cancel.clone()),
        Command::Doctor(arguments) => doctor::run(&arguments, &output),
    };
    match outcome {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(_) if cancel.load(Ordering::Relaxed) => {
            eprintln!("interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// The command line, and the names of the options that it holds itself: no defaults, nothing from the environment.
fn parsed() -> (Cli, Vec<String>) {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let (name, inner) = matches.subcommand().unzip();
    let command = Cli::command();
    let options = name.and_then(|name| command.find_subcommand(name));
    let options = options.iter().flat_map(|command| command.get_arguments());
    let given = |matches: &ArgMatches, id: &str| {
        matches.ids().any(|known| known.as_str() == id)
            && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let spoken = options.filter(|option| inner.is_some_and(|m| given(m, option.get_id().as_str())));
    let spoken = spoken.filter_map(|option| option.get_long().map(str::to_string));
    (cli, spoken.collect())
}

/// Ctrl-C ends the run at the next opportunity; a second one ends the process.
fn interruptible() -> Arc<AtomicBool> {
    let cancel = Arc::new(AtomicBool::new(false));
    let flag = cancel.clone();
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        eprintln!("Ctrl-C will end the process at once: {error}");
    }
    cancel
}
