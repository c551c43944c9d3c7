//! One timeline of what ran where and when, whoever made it: the pipeline by its clock or the simulator by virtual time.
//!
//! It is written as trace events (loads in ui.perfetto.dev and chrome://tracing) and as an SVG picture.

mod events;
mod gantt;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::plan::{Device, StageKind};

/// What a line of the picture stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Track {
    Device(Device),
    /// The runtime's own work.
    Host,
}

/// What was done in a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// One execution of an engine.
    Stage {
        stage: StageKind,
        /// The rows whose results count.
        rows: Range<usize>,
        /// Rows computed only to fill the engine's batch.
        padding: usize,
        /// DRAM traffic in bytes, where it is known.
        bytes: Option<u64>,
    },
    /// Something the runtime does, in a word.
    Runtime(&'static str),
}

/// One piece of work, in microseconds from the start of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub track: Track,
    pub work: Work,
    pub start_us: f64,
    pub duration_us: f64,
}

impl Span {
    pub fn end_us(&self) -> f64 {
        self.start_us + self.duration_us
    }

    /// `prefix 0..16`.
    pub fn name(&self) -> String {
        match &self.work {
            Work::Stage { stage, rows, .. } => {
                format!("{} {}..{}", stage_name(*stage), rows.start, rows.end)
            }
            Work::Runtime(what) => what.to_string(),
        }
    }

    /// `prefix`, `suffix`, `network` or `runtime`.
    pub fn category(&self) -> &'static str {
        match &self.work {
            Work::Stage { stage, .. } => stage_name(*stage),
            Work::Runtime(_) => "runtime",
        }
    }
}

/// The spans of one run in the order in which they ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// What was run and by whom; says whether times are measured, emulated or simulated.
    pub title: String,
    pub spans: Vec<Span>,
}

impl Timeline {
    /// The tracks in use, devices first.
    pub fn tracks(&self) -> Vec<Track> {
        let mut tracks: Vec<Track> = self.spans.iter().map(|s| s.track).collect();
        tracks.sort_unstable();
        tracks.dedup();
        tracks
    }

    /// The end of the last span.
    pub fn end_us(&self) -> f64 {
        self.spans.iter().map(Span::end_us).fold(0.0, f64::max)
    }
}

fn stage_name(stage: StageKind) -> &'static str {
    match stage {
        StageKind::Whole => "network",
        StageKind::Prefix => "prefix",
        StageKind::Suffix => "suffix",
    }
}

fn track_name(track: Track) -> String {
    match track {
        Track::Device(device) => device.to_string(),
        Track::Host => "host".to_string(),
    }
}
