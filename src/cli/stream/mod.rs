//! `tvm-dla stream`: items from files or a network connection, answered within a latency bound.

mod decode;
mod feed;
mod files;
mod report;
mod results;
mod source;
mod tcp;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use crossbeam_channel::RecvTimeoutError;

use super::around::TvmRuntime;
use super::engines::Engines;
use super::inputs::of_session;
use super::model::preprocess;
use super::output::{Output, PAUSE, counted};
use super::{Answer, Outcome};
use crate::artifact::Artifact;
use crate::schedule::{Order, Overflow};
use crate::session::StreamConfig;
use decode::Decoder;
use feed::{Rate, feed};
use report::{Report, StreamStart};
use results::Results;
use source::{Ended, Place};

/// What to do with an item that finds the stream full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Discard {
    Newest,
    Oldest,
}

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle; with one network for dla
    artifact: PathBuf,
    /// Folders, pictures, .npy or .npz files, a numbered sequence (frame-%06d.png), or tcp://HOST:PORT
    #[arg(long, required = true, num_args = 1..)]
    source: Vec<Place>,
    /// Items per second: N, or poisson:N (default: files as fast as they are taken)
    #[arg(long)]
    rate: Option<Rate>,
    /// Seed of --rate poisson:N
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Items to send: the files are cut, or repeated from the front
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Wait for the next file of a numbered sequence, as a camera writes it
    #[arg(long, conflicts_with_all = ["rate", "count"])]
    follow: bool,
    /// How long a source that is waited for may send nothing
    #[arg(long, default_value = "10s", value_parser = time)]
    stall: Duration,
    /// Largest frame of a tcp source in MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..4096))]
    max_frame: u32,
    /// Longest time from an item's arrival to its answer, e.g. 30ms (default: as soon as a device is free)
    #[arg(long, value_parser = time)]
    max_latency: Option<Duration>,
    /// Most rows of an execution, where --plan does not say
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    max_batch: u32,
    /// Items in the stream before the source has to wait
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    capacity: u32,
    /// Drop the newest or the oldest item instead of letting the source wait
    #[arg(long)]
    drop: Option<Discard>,
    /// Where to write one JSON object per item as it is answered
    #[arg(long)]
    results: Option<PathBuf>,
    /// Where to write the outputs of all computed items in the end: .npy for one, .npz for several
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Classes per item in --results
    #[arg(long, default_value_t = 1)]
    top: usize,
    /// How pictures become input (default: the artifact's)
    #[arg(long)]
    preprocess: Option<String>,
    #[command(flatten)]
    tvm: TvmRuntime,
    #[command(flatten)]
    engines: Engines,
}

impl Arguments {
    fn config(&self) -> StreamConfig {
        StreamConfig {
            max_latency: self.max_latency,
            max_batch: self.max_batch as usize,
            capacity: self.capacity as usize,
            overflow: match self.drop {
                None => Overflow::Wait,
                Some(Discard::Newest) => Overflow::DropNewest,
                Some(Discard::Oldest) => Overflow::DropOldest,
            },
            order: Order::Arrival,
            plan: None,
        }
    }
}

pub fn run(arguments: &Arguments, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    let artifact = Artifact::read(&arguments.artifact)?;
    let bundle = artifact.network()?.clone();
    let compiled_for = bundle.options.target.precision.into();
    let numbers = arguments.engines.numbers.or(compiled_for);
    let numerics = numbers.computed(&bundle)?.numerics;
    let (path, stop) = (&arguments.artifact, cancel.clone());
    let session = arguments
        .engines
        .session_in(bundle, numerics, path, stop, output)?;
    let around = arguments.tvm.around(path, &artifact, output)?;
    let session = Arc::new(session.within(around));
    let mut results = Results::create(arguments, &artifact, session.clone())?;
    let decoder = Decoder {
        inputs: of_session(&session),
        session: session.clone(),
        preprocess: preprocess(arguments.preprocess.as_deref(), &artifact)?,
    };
    let names: Vec<String> = session.devices().iter().map(|d| d.to_string()).collect();
    let devices = format!("{} {}", names.join(" + "), session.backend().describe());
    let source = source::open(arguments, decoder, cancel.clone(), output)?;
    let stream = session.stream(&arguments.config())?;
    let started = Instant::now();
    let pace = arguments.rate.map(|rate| rate.pace(arguments.seed));
    let (input, answers, handle) = (stream.input, stream.answers, stream.handle);
    let begun = StreamStart {
        unit: session.item_rows(),
        engines: stream.engines,
        origin: stream.origin,
    };
    let stop = cancel.clone();
    let feeder = thread::Builder::new().name("tvm-dla source".to_string());
    let feeder = feeder.spawn(move || feed(source, pace, input, &stop))?;
    output.begin("streaming");
    let mut said = Instant::now();
    loop {
        match answers.recv_timeout(PAUSE.saturating_sub(said.elapsed())) {
            Ok(answer) => results.take(answer)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if output.by_line() && said.elapsed() >= PAUSE {
            let computed = counted(handle.watch().stats().computed, "item");
            output.say(&format!("streaming: {computed} computed"));
        }
        if said.elapsed() >= PAUSE {
            said = Instant::now();
        }
    }
    let stats = handle.wait();
    let seconds = started.elapsed().as_secs_f64();
    let fed = feeder.join().map_err(|_| "the source panicked")?;
    results.finish()?;
    for refused in &fed.refused {
        output.say(refused);
    }
    let interrupted = fed.ended == Ended::Interrupted;
    let report = Report::new(arguments, devices, &begun, &fed, &stats, seconds);
    let answer = if report.clean() { Answer::Yes } else { Answer::No };
    let outcome = output.answer(&report, || report.human(), answer);
    if interrupted && cancel.load(Ordering::Relaxed) {
        Err("interrupted".into())
    } else {
        outcome
    }
}

/// A time with its unit.
pub fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text);
    let time = time.map_err(|e| format!("{e}; write for example 30ms, 500us or 2s"))?;
    if time.is_zero() {
        Err("must be longer than nothing".to_string())
    } else {
        Ok(time)
    }
}
