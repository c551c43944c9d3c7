//! Files as a source: a list that is known, or a sequence that a camera is still writing.

use std::collections::VecDeque;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Output;
use super::decode::{Decoder, Item};
use super::source::{Ended, Place, Source, Step};

/// How often a followed sequence looks for its next file.
const LOOK: Duration = Duration::from_millis(5);

/// Files that are read as they are sent.
pub struct Files {
    files: VecDeque<PathBuf>,
    decoder: Decoder,
}

impl Files {
    pub fn new(files: Vec<PathBuf>, decoder: Decoder) -> Files {
        Files {
            files: files.into(),
            decoder,
        }
    }

    /// Reads all files now, to send `count` items from them.
    pub fn preload(self, count: Option<u64>, output: &Output) -> Result<MemorySource, Box<dyn Error>> {
        let bar = output.progress(self.files.len(), "reading files");
        let mut items: Vec<(Arc<str>, Item)> = Vec::new();
        for file in &self.files {
            let name: Arc<str> = file.display().to_string().into();
            let found = self.decoder.file(file)?;
            items.extend(found.into_iter().map(|item| (name.clone(), item)));
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(MemorySource {
            left: count.unwrap_or(items.len() as u64),
            items,
            next: 0,
        })
    }
}

impl Source for Files {
    fn next(&mut self) -> Step {
        let Some(file) = self.files.pop_front() else {
            return Step::End(Ended::Complete);
        };
        match self.decoder.file(&file) {
            Ok(items) => Step::Items {
                name: file.display().to_string().into(),
                items,
            },
            Err(error) => Step::Refused(error.to_string()),
        }
    }
}

/// Items in memory, sent in turn.
pub struct MemorySource {
    items: Vec<(Arc<str>, Item)>,
    next: usize,
    left: u64,
}

impl Source for MemorySource {
    fn next(&mut self) -> Step {
        let at = self.next;
        let Some((name, item)) = self.items.get(at).filter(|_| self.left > 0) else {
            return Step::End(Ended::Complete);
        };
        self.next = (at + 1) % self.items.len();
        self.left -= 1;
        Step::Items {
            name: name.clone(),
            items: vec![item.clone()],
        }
    }
}

/// A numbered sequence that is still growing.
pub struct Sequence {
    place: Place,
    next: Option<u64>,
    decoder: Decoder,
    cancel: Arc<AtomicBool>,
    stall: Duration,
}

impl Sequence {
    pub fn new(place: Place, decoder: Decoder, cancel: Arc<AtomicBool>, stall: Duration) -> Sequence {
        Sequence {
            place,
            next: None,
            decoder,
            cancel,
            stall,
        }
    }

    /// The next file once it can be read. A file that cannot is given time, for its camera may be writing it, until
    /// the one after it is there.
    fn look(&self, number: u64) -> Option<Step> {
        let file = self.place.file(number);
        if !file.exists() {
            return None;
        }
        let complete = self.place.file(number + 1).exists();
        match self.decoder.file(&file) {
            Ok(items) => Some(Step::Items {
                name: file.display().to_string().into(),
                items,
            }),
            Err(error) if complete => Some(Step::Refused(error.to_string())),
            Err(_) => None,
        }
    }
}

impl Source for Sequence {
    fn next(&mut self) -> Step {
        let since = Instant::now();
        while since.elapsed() < self.stall {
            if self.cancel.load(Ordering::Relaxed) {
                return Step::End(Ended::Interrupted);
            }
            self.next = self.next.or_else(|| self.place.first());
            if let Some((number, step)) = self.next.and_then(|n| Some((n, self.look(n)?))) {
                self.next = Some(number + 1);
                return step;
            }
            sleep(LOOK);
        }
        Step::End(Ended::stalled(self.stall))
    }
}
