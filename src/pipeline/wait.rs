//! Waiting for a message that is about to come, without the tens of microseconds a sleeping thread takes to wake.

use std::thread::yield_now;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvError, RecvTimeoutError, TryRecvError};

/// How long a worker looks out for its next order before it sleeps: rounds and small batches follow each other closely.
pub(super) const NEXT_ORDER: Duration = Duration::from_micros(100);

/// How long a worker looks out for the end of an execution before it sleeps until then. A sleep until shortly before the
/// expected end would cost less, but timers are late by up to a millisecond on virtual machines.
pub(super) const SHORT_EXECUTION: Duration = Duration::from_micros(500);

/// The time around `expected`, counted from now, in which a result is looked out for: a sixteenth before and after,
/// so that at most an eighth of a lone device's work is spent awake, and never more than a millisecond.
pub(super) fn window(expected: Duration) -> (Duration, Duration) {
    let margin = (expected / 16).min(Duration::from_micros(500));
    (expected.saturating_sub(margin), expected + margin)
}

/// Looks out until `end`, letting other threads run in between. `None` when nothing has come.
pub(super) fn poll<T>(channel: &Receiver<T>, end: Instant) -> Option<Result<T, RecvError>> {
    poll_unless(channel, end, || false)
}

/// [`poll`] that ends once `over` says so.
pub(super) fn poll_unless<T>(
    channel: &Receiver<T>,
    end: Instant,
    over: impl Fn() -> bool,
) -> Option<Result<T, RecvError>> {
    loop {
        match channel.try_recv() {
            Ok(message) => return Some(Ok(message)),
            Err(TryRecvError::Disconnected) => return Some(Err(RecvError)),
            Err(TryRecvError::Empty) if over() || Instant::now() >= end => return None,
            Err(TryRecvError::Empty) => yield_now(),
        }
    }
}

/// Receives by `deadline`, awake from `early` to `late`.
pub(super) fn receive<T>(
    channel: &Receiver<T>,
    (early, late): (Instant, Instant),
    deadline: Instant,
) -> Result<T, RecvTimeoutError> {
    match channel.recv_deadline(early.min(deadline)) {
        Err(RecvTimeoutError::Timeout) if early < deadline => {}
        received => return received,
    }
    match poll(channel, late.min(deadline)) {
        Some(Ok(message)) => Ok(message),
        Some(Err(RecvError)) => Err(RecvTimeoutError::Disconnected),
        None => channel.recv_deadline(deadline),
    }
}
