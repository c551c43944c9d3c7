//! The log of a tuning: one JSON object per line, the first says what it is about. Lines are only ever added, so that
//! whatever interrupts a tuning costs at most the measurement in progress.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::{Plan, StageKind};

const VERSION: u32 = 2;

/// What a log is about: measurements of anything else do not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    version: u32,
    /// Digest of the network with its options.
    pub artifact: String,
    /// What runs it.
    pub board: String,
    /// What else changes a time: threads, devices.
    pub options: String,
}

impl Head {
    pub fn new(artifact: String, board: String, options: String) -> Head {
        Head {
            version: VERSION,
            artifact,
            board,
            options,
        }
    }

    /// The first line.
    pub fn line(&self) -> String {
        line(self)
    }
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// One execution of an engine with the devices to itself.
    Engine {
        device: String,
        stage: Stage,
        batch: usize,
        seconds: f64,
    },
    /// Devices side by side.
    Together {
        plan: Plan,
        /// Seconds per prefix row by device.
        row_seconds: BTreeMap<String, f64>,
        /// What the run took beyond its executions.
        overhead: f64,
    },
    /// One run of a plan in a race.
    Run {
        plan: Plan,
        /// Which race of plans for as many rows, from 0: plans of a later one were found by what the earlier ones showed.
        race: usize,
        seconds: f64,
        /// Seconds per prefix row by device.
        row_seconds: BTreeMap<String, f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        joules: Option<f64>,
    },
    /// Watts with nothing to do, and more with the GPU or one DLA at work.
    Power { idle: f64, gpu: f64, dla: f64 },
}

/// [`StageKind`] in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Whole,
    Prefix,
    Suffix,
}

impl From<StageKind> for Stage {
    fn from(stage: StageKind) -> Stage {
        match stage {
            StageKind::Whole => Stage::Whole,
            StageKind::Prefix => Stage::Prefix,
            StageKind::Suffix => Stage::Suffix,
        }
    }
}

impl From<Stage> for StageKind {
    fn from(stage: Stage) -> StageKind {
        match stage {
            Stage::Whole => StageKind::Whole,
            Stage::Prefix => StageKind::Prefix,
            Stage::Suffix => StageKind::Suffix,
        }
    }
}

impl Entry {
    /// Whether this was known to whoever chose the plans of race `number` for `rows` rows.
    pub fn before(&self, rows: usize, number: usize) -> bool {
        match self {
            Entry::Run { plan, race, .. } => plan.total() == rows && *race < number,
            Entry::Engine { .. } | Entry::Together { .. } | Entry::Power { .. } => true,
        }
    }

    pub fn line(&self) -> String {
        line(self)
    }
}

fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain numbers and text") + "\n"
}

/// What a log has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Log {
    pub entries: Vec<Entry>,
    /// Bytes that are whole lines; what comes after was cut off while it was written.
    pub whole: usize,
}

/// A log that cannot be continued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    #[error("line {line} is no measurement: {reason}")]
    Line { line: usize, reason: String },
    #[error("it is a log of {what} `{theirs}`, not `{ours}`")]
    Other {
        what: &'static str,
        theirs: String,
        ours: String,
    },
    #[error("it has format version {0}, this program writes version {VERSION}")]
    Version(u32),
}

/// Reads a log that should be about `head`; an empty one is new.
///
/// # Errors
/// [`LogError`] when it is about something else, or a line other than a cut-off last one is no measurement.
pub fn read(text: &str, head: &Head) -> Result<Log, LogError> {
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let mut lines = text[..whole].lines().enumerate();
    let wrong = |line: usize, error: serde_json::Error| LogError::Line {
        line: line + 1,
        reason: error.to_string(),
    };
    let Some((at, first)) = lines.next() else {
        return Ok(Log::default());
    };
    check(&serde_json::from_str(first).map_err(|e| wrong(at, e))?, head)?;
    let entries = lines.map(|(at, line)| serde_json::from_str(line).map_err(|e| wrong(at, e)));
    Ok(Log {
        entries: entries.collect::<Result<_, _>>()?,
        whole,
    })
}

fn check(theirs: &Head, ours: &Head) -> Result<(), LogError> {
    if theirs.version != VERSION {
        return Err(LogError::Version(theirs.version));
    }
    for (what, theirs, ours) in [
        ("the artifact", &theirs.artifact, &ours.artifact),
        ("the board", &theirs.board, &ours.board),
        ("the options", &theirs.options, &ours.options),
    ] {
        if theirs != ours {
            return Err(LogError::Other {
                what,
                theirs: theirs.clone(),
                ours: ours.clone(),
            });
        }
    }
    Ok(())
}
