//! `tvm-dla tune ARTIFACT`: plans for a network.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::found::TuneOutcome;
use super::{Arguments, boarded, measured, pages, tabled};
use crate::cli::output::Output;
use crate::cli::{Answer, Outcome, helped};

pub fn run(arguments: &Arguments, path: &Path, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    if arguments.engines.plan.is_some() {
        return Err(helped("tune finds a plan, and takes none", "leave --plan out"));
    }
    let mut tuned = tuned(arguments, path, output, cancel)?;
    pages::report(arguments, &tuned)?;
    tuned.file = pages::plans(arguments, path, &tuned)?;
    if let Some(file) = &tuned.file {
        output.say(&format!("wrote {}", file.display()));
    }
    output.answer(&tuned, || pages::human(&tuned), Answer::Yes)
}

/// By a board's model, by a table, or by measurements; what was predicted is measured where that is asked for.
fn tuned(
    arguments: &Arguments,
    path: &Path,
    output: &Output,
    cancel: Arc<AtomicBool>,
) -> Result<TuneOutcome, Box<dyn Error>> {
    let place = arguments.board.place(arguments.engines.numbers.precision)?;
    let confirm = measured::Confirm {
        arguments,
        path,
        output,
        cancel,
    };
    match (place, &arguments.profile) {
        (Some(place), _) => boarded::tuned(&confirm, &place),
        (None, Some(profile)) => tabled::tuned(&confirm, profile),
        (None, None) => measured::tuned(&confirm),
    }
}
