//! One network that is served.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::task::spawn_blocking;

use super::datatype::Datatype;
use super::error::RequestError;
use super::pending::{Pending, Tag};
use crate::artifact::Around;
use crate::engine::Array;
use crate::pipeline::{RefusedItems, StreamInput, StreamItem, StreamStats};
use crate::schedule::{Order, Overflow};
use crate::session::{BatchOrigin, End, Session, SessionError, StreamConfig, StreamHandle, StreamWatch};

/// A tensor as clients see it, in the model's own order of axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    pub name: String,
    pub datatype: Datatype,
    /// -1 for the rows; a constant output has none. As compiled where rows do not come and go one by one: where not every
    /// input and output of the model has a dimension for them, or they are computed only as many at a time.
    pub shape: Vec<i64>,
    /// As compiled.
    compiled: Vec<usize>,
}

impl Port {
    /// `any` says whether a request may have any number of rows.
    fn of(end: &End, any: bool) -> Port {
        let mut shape: Vec<i64> = end.shape.iter().map(|d| *d as i64).collect();
        if let (true, Some(rows)) = (any && !end.constant, shape.first_mut()) {
            *rows = -1;
        }
        Port {
            name: end.name.clone(),
            datatype: Datatype::of(end.dtype),
            shape,
            compiled: end.shape.clone(),
        }
    }
}

/// A network with its stream. It takes requests from any thread until it is closed.
pub struct Model {
    pub(super) name: String,
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
    session: Arc<Session>,
    /// Whether every input and output has a dimension for rows; a request is one execution as compiled otherwise.
    batched: bool,
    /// Taken when the model closes.
    input: Mutex<Option<StreamInput<Tag>>>,
    watch: StreamWatch,
    origin: BatchOrigin,
    /// Rows of requests that are not answered.
    rows: Arc<AtomicUsize>,
    queue: usize,
    threads: Mutex<Option<(JoinHandle<()>, StreamHandle)>>,
}

impl Model {
    /// Starts the stream of `session`; its capacity bounds the rows of all requests in flight.
    ///
    /// # Errors
    /// As [`Session::stream`].
    pub fn start(name: &str, session: Arc<Session>, config: &StreamConfig) -> Result<Model, SessionError> {
        let stream = session.stream::<Tag>(&StreamConfig {
            order: Order::Completion,
            overflow: Overflow::Wait,
            ..config.clone()
        })?;
        let ends = [session.inputs(), session.outputs()];
        let mut varying = ends.iter().flatten().filter(|end| !end.constant);
        let batched = varying.all(|end| end.rows.batched);
        let [inputs, outputs] = ends.map(|ends| {
            let ports = ends
                .iter()
                .map(|end| Port::of(end, batched && session.item_rows() == 1));
            ports.collect()
        });
        let rows = Arc::new(AtomicUsize::new(0));
        let (answers, open) = (stream.answers, rows.clone());
        let answering = thread::Builder::new().name(format!("tvm-dla {name}"));
        let answering = answering.spawn(move || {
            for answer in answers {
                open.fetch_sub(1, Ordering::AcqRel);
                Pending::take(answer);
            }
        });
        let answering = answering.map_err(|e| SessionError::Thread(e.to_string()))?;
        Ok(Model {
            name: name.to_string(),
            inputs,
            outputs,
            batched,
            input: Mutex::new(Some(stream.input)),
            watch: stream.handle.watch(),
            origin: stream.origin,
            rows,
            queue: config.capacity,
            threads: Mutex::new(Some((answering, stream.handle))),
            session,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the batches of its devices are from.
    pub fn origin(&self) -> &BatchOrigin {
        &self.origin
    }

    /// Rows of requests that are not answered.
    pub(super) fn waiting(&self) -> usize {
        self.rows.load(Ordering::Acquire)
    }

    pub(super) fn stats(&self) -> StreamStats {
        self.watch.stats()
    }

    /// The outputs for one row or more, in the order of the model's outputs.
    pub(super) async fn infer(&self, inputs: &[Array]) -> Result<Vec<Array>, RequestError> {
        self.check(inputs)?;
        let given = inputs.to_vec();
        let rows = self.beside(move |session| session.rows(&given)).await;
        let rows = rows.map_err(RequestError::Input)?;
        self.admit(rows.len())?;
        let arrived = Instant::now();
        let (pending, answered) = Pending::new(rows.len());
        let count = rows.len();
        let item = |(at, inputs)| StreamItem {
            inputs,
            arrived,
            tag: (pending.clone(), at),
        };
        let items = rows.into_iter().enumerate().map(item).collect();
        if let Err(error) = self.send(items) {
            self.rows.fetch_sub(count, Ordering::AcqRel);
            return Err(error);
        }
        match answered.await {
            Ok(Ok(rows)) => {
                let given = inputs.to_vec();
                let outputs = self.beside(move |session| session.batch(&given, &rows)).await;
                outputs.map_err(RequestError::Behind)
            }
            Ok(Err(error)) => Err(RequestError::Failed(error)),
            Err(_) => Err(self.gone()),
        }
    }

    /// Does what TVM computes around the network on a thread of its own, so that other requests do not wait for it.
    async fn beside<T: Send + 'static>(&self, work: impl FnOnce(&Session) -> T + Send + 'static) -> T {
        if !self.session.around().is_some_and(Around::needs_tvm) {
            return work(&self.session);
        }
        let session = self.session.clone();
        let done = spawn_blocking(move || work(&session)).await;
        done.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(error) => panic!("the work was cancelled: {error}"),
        })
    }

    /// A model that is not batched takes what it was compiled for.
    fn check(&self, inputs: &[Array]) -> Result<(), RequestError> {
        let mut pairs = self.inputs.iter().zip(inputs);
        match pairs.find(|(port, array)| !self.batched && array.shape != port.compiled) {
            None => Ok(()),
            Some((port, array)) => Err(RequestError::Whole {
                name: port.name.clone(),
                shape: array.shape.clone(),
                want: port.compiled.clone(),
            }),
        }
    }

    /// Why the stream takes and answers nothing any more.
    fn gone(&self) -> RequestError {
        match self.trouble() {
            Some(trouble) => RequestError::Broken(trouble),
            None => RequestError::Stopping,
        }
    }

    /// Why this model does not answer as it should; it is then no longer ready.
    pub(super) fn trouble(&self) -> Option<String> {
        let broken = self.watch.broken();
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let ended =
            |(answering, stream): &(JoinHandle<()>, StreamHandle)| answering.is_finished() || stream.ended();
        let ended = threads.as_ref().is_some_and(ended);
        let reason = broken.or_else(|| ended.then(|| "its stream has ended".to_string()))?;
        Some(format!("model {} is broken: {reason}", self.name))
    }

    /// Counts the rows of a request in, if there is room for all of them.
    fn admit(&self, rows: usize) -> Result<(), RequestError> {
        let queue = self.queue;
        if rows > queue {
            return Err(RequestError::TooManyRows { rows, queue });
        }
        let fits = |open: usize| (open + rows <= queue).then_some(open + rows);
        let admitted = self.rows.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits);
        admitted.map_or(Err(RequestError::QueueFull(queue)), |_| Ok(()))
    }

    fn send(&self, items: Vec<StreamItem<Tag>>) -> Result<(), RequestError> {
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let input = input.as_ref().ok_or(RequestError::Stopping)?;
        input.try_send(items).map_err(|error| match error {
            RefusedItems::Ended(_) => self.gone(),
            RefusedItems::Full(_) => RequestError::QueueFull(self.queue),
            wrong @ (RefusedItems::Count { .. } | RefusedItems::Size { .. }) => {
                RequestError::Malformed(wrong.to_string())
            }
        })
    }

    /// Takes no more requests, and waits until those it has are answered.
    pub(super) fn close(&self) {
        drop(self.input.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((answering, stream)) = threads {
            let _ = answering.join();
            stream.wait();
        }
    }
}
