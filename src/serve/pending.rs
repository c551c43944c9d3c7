//! A request whose rows are in the stream.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::engine::Rows;
use crate::pipeline::{StreamAnswer, StreamError};

type PendingResult = Result<Vec<Vec<Rows>>, StreamError>;

/// Collects the answers of a request's rows.
pub(super) struct Pending(Mutex<State>);

struct State {
    rows: Vec<Vec<Rows>>,
    left: usize,
    /// Taken when the request is answered.
    answer: Option<oneshot::Sender<PendingResult>>,
}

/// What an item of the stream carries: its request, and its place in it.
pub(super) type Tag = (Arc<Pending>, usize);

impl Pending {
    pub fn new(rows: usize) -> (Arc<Pending>, oneshot::Receiver<PendingResult>) {
        let (answer, answered) = oneshot::channel();
        let state = State {
            rows: vec![Vec::new(); rows],
            left: rows,
            answer: Some(answer),
        };
        (Arc::new(Pending(Mutex::new(state))), answered)
    }

    /// Takes one row; the last one, or the first that failed, answers the request. A client that has gone away is
    /// not told.
    pub fn take(answer: StreamAnswer<Tag>) {
        let (pending, at) = answer.tag;
        let mut state = pending.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.left -= 1;
        let done = match answer.outputs {
            Ok(outputs) => {
                state.rows[at] = outputs;
                (state.left == 0).then(|| Ok(std::mem::take(&mut state.rows)))
            }
            Err(error) => Some(Err(error)),
        };
        if let Some((done, sender)) = done.and_then(|done| Some((done, state.answer.take()?))) {
            let _ = sender.send(done);
        }
    }
}
