//! Sends a source's items into the stream when they are due.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::decode::Item;
use super::source::{Ended, Source, Step};
use crate::engine::Array;
use crate::pipeline::{RefusedItems, StreamInput, StreamItem};
use crate::schedule::Pace;

/// `--rate`, in items per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    Even(f64),
    Poisson(f64),
}

impl Rate {
    pub fn pace(self, seed: u64) -> Pace {
        match self {
            Rate::Even(rate) => Pace::Even(rate),
            Rate::Poisson(rate) => Pace::Poisson { rate, seed },
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let (kind, number): (fn(f64) -> Rate, &str) = match text.strip_prefix("poisson:") {
            Some(number) => (Rate::Poisson, number),
            None => (Rate::Even, text),
        };
        let rate = number.parse().ok();
        let rate = rate.filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
        let rate = rate.ok_or("write items per second: 30, or poisson:30")?;
        Ok(kind(rate))
    }
}

/// What comes back with an item's answer.
pub struct Tag {
    /// What it was called.
    pub name: Arc<str>,
    /// The model's inputs, where its outputs need them again.
    pub again: Vec<Array>,
}

/// What became of a source.
pub struct SourceSummary {
    pub ended: Ended,
    /// Items handed over.
    pub items: u64,
    /// What could not be read, and why.
    pub refused: Vec<String>,
}

/// How soon Ctrl-C is noticed between two items.
const TICK: Duration = Duration::from_millis(50);

/// Until the source ends. An item of a paced source counts as arrived when it was due, even if the stream makes it
/// wait: its latency says what someone who sends at this rate would see.
pub fn feed(
    mut source: Box<dyn Source>,
    pace: Option<Pace>,
    input: StreamInput<Tag>,
    cancel: &AtomicBool,
) -> SourceSummary {
    let mut fed = SourceSummary {
        ended: Ended::Complete,
        items: 0,
        refused: Vec::new(),
    };
    let mut due = pace.map(Pace::arrivals);
    let start = Instant::now();
    loop {
        let (name, items) = match source.next() {
            Step::Items { name, items } => (name, items),
            Step::Refused(reason) => {
                fed.refused.push(reason);
                continue;
            }
            Step::End(ended) => {
                fed.ended = ended;
                return fed;
            }
        };
        for item in items {
            let at = due.as_mut().and_then(|due| due.next());
            let arrived = at.and_then(|at| start.checked_add(at));
            let sent = wait(arrived, cancel).is_ok() && send(&input, item, &name, arrived);
            if !sent {
                fed.ended = Ended::Interrupted;
                return fed;
            }
            fed.items += 1;
        }
    }
}

fn send(input: &StreamInput<Tag>, item: Item, name: &Arc<str>, arrived: Option<Instant>) -> bool {
    let item = StreamItem {
        inputs: item.rows,
        arrived: arrived.unwrap_or_else(Instant::now),
        tag: Tag {
            name: name.clone(),
            again: item.again,
        },
    };
    match input.send(item) {
        Ok(()) => true,
        // The decoder gives what the network takes.
        Err(RefusedItems::Count { .. } | RefusedItems::Size { .. }) => false,
        Err(RefusedItems::Full(_) | RefusedItems::Ended(_)) => false,
    }
}

struct Cancelled;

fn wait(until: Option<Instant>, cancel: &AtomicBool) -> Result<(), Cancelled> {
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Err(Cancelled);
        }
        let now = Instant::now();
        match until.filter(|until| *until > now) {
            Some(until) => sleep((until - now).min(TICK)),
            None => return Ok(()),
        }
    }
}
