//! What the driver waits for: reports of workers, items, whoever takes answers, and time.

use std::time::{Duration, Instant};

use crossbeam_channel::Select;

use super::super::order::Report;
use super::StreamItem;
use super::driver::Driver;
use crate::schedule::{Item, StreamEvent};

/// How long the driver sleeps at most, whatever happens.
const SLEEP: Duration = Duration::from_secs(1);

/// Nobody takes answers any more.
pub(super) struct HungUp;

/// What a wait ended with.
pub(super) enum Heard<T> {
    Report(Report),
    Group(Vec<StreamItem<T>>),
    Closed,
    Taken,
    HungUp,
    Nothing,
}

impl<T> Driver<'_, T> {
    pub(super) fn listen(&mut self) -> Heard<T> {
        let now = Instant::now();
        let wake = self.stream.wake_at(now.saturating_duration_since(self.start));
        let wake = wake.and_then(|at| self.start.checked_add(at));
        let limit = self.workers.limit_at();
        let until = [wake, limit].into_iter().flatten().min();
        let until = until.unwrap_or(now + SLEEP).min(now + SLEEP);
        let mut select = Select::new_biased();
        let report = select.recv(&self.reports);
        let sent = (!self.outbox.is_empty()).then(|| select.send(&self.answers));
        let takes = !self.closed && self.pending.is_empty() && self.stream.room() > 0;
        let group = takes.then(|| select.recv(&self.groups));
        let Ok(ready) = select.select_deadline(until) else {
            return Heard::Nothing;
        };
        match ready.index() {
            at if at == report => match ready.recv(&self.reports) {
                Ok(report) => Heard::Report(report),
                // The workers are gone; those that were busy are overdue.
                Err(_) => Heard::Nothing,
            },
            at if Some(at) == group => match ready.recv(&self.groups) {
                Ok(group) => Heard::Group(group),
                Err(_) => Heard::Closed,
            },
            at => {
                debug_assert_eq!(Some(at), sent);
                match self.outbox.pop_front() {
                    Some(answer) => match ready.send(&self.answers, answer) {
                        Ok(()) => Heard::Taken,
                        Err(_) => Heard::HungUp,
                    },
                    None => Heard::Nothing,
                }
            }
        }
    }

    /// Lets items in while there is room: those that arrived together at once.
    pub(super) fn admit(&mut self) {
        while self.pending.len() < self.stream.room() {
            match self.groups.try_recv() {
                Ok(group) => self.pending.extend(group),
                Err(_) => break,
            }
        }
        while let Some(arrived) = self.pending.front().map(|item| item.arrived) {
            let room = self.pending.iter().take(self.stream.room());
            let items = room.take_while(|item| item.arrived == arrived).count();
            if items == 0 {
                break;
            }
            for item in self.pending.drain(..items) {
                self.slots.insert(Item(self.arrived), item);
                self.arrived += 1;
            }
            let at = arrived.saturating_duration_since(self.start);
            self.tell(StreamEvent::Arrived { at, items }, None);
        }
    }
}
