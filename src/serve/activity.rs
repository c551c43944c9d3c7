//! What a connection is doing, so that a server that stops knows which ones it may end.
//!
//! HTTP/2 ends a connection by asking the other side, and a client that waits for nothing may not read what it is asked.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Error;
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

/// Without a byte in either direction for so long, a connection whose requests are all answered has had its answers.
const ANSWERED: Duration = Duration::from_millis(200);
/// Without a byte for so long, a client that is in the middle of a request has forgotten it.
const STALLED: Duration = Duration::from_secs(2);

/// Counts the requests of a connection.
#[derive(Debug)]
pub(super) struct Activity {
    /// Requests of which something is not received.
    receiving: AtomicUsize,
    /// Requests whose answer has not been handed to the connection whole.
    open: AtomicUsize,
    /// When bytes last went in or out.
    moved: Mutex<Instant>,
}

impl Activity {
    pub fn new() -> Arc<Activity> {
        Arc::new(Activity {
            receiving: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            moved: Mutex::new(Instant::now()),
        })
    }

    /// Returns when nothing is left to wait for: no request is being answered, and nothing moves.
    pub async fn over(&self) {
        while let Some(left) = self.left() {
            sleep(left).await;
        }
    }

    /// How long to wait at least until the connection is over.
    fn left(&self) -> Option<Duration> {
        let open = self.open.load(Ordering::Acquire);
        let receiving = self.receiving.load(Ordering::Acquire);
        let patience = match (open, receiving) {
            (0, _) => ANSWERED,
            (open, receiving) if receiving >= open => STALLED,
            _ => return Some(ANSWERED),
        };
        let moved = *self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let left = patience.saturating_sub(moved.elapsed());
        (!left.is_zero()).then_some(left)
    }

    fn moved(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// One more of something, until it is dropped.
struct CountGuard {
    activity: Arc<Activity>,
    what: fn(&Activity) -> &AtomicUsize,
}

impl CountGuard {
    fn new(activity: &Arc<Activity>, what: fn(&Activity) -> &AtomicUsize) -> CountGuard {
        what(activity).fetch_add(1, Ordering::AcqRel);
        CountGuard {
            activity: activity.clone(),
            what,
        }
    }
}

impl Drop for CountGuard {
    fn drop(&mut self) {
        (self.what)(&self.activity).fetch_sub(1, Ordering::AcqRel);
    }
}

/// A request that is not answered.
pub(super) struct Open(CountGuard);

impl Open {
    pub fn new(activity: &Arc<Activity>) -> Open {
        Open(CountGuard::new(activity, |activity| &activity.open))
    }

    /// The answer's body, which is on its way when it has been taken whole.
    pub fn answered(self, body: Body) -> Body {
        // An answer of headers alone ends with them: to a gRPC client anything behind them is a broken stream.
        if body.is_end_stream() {
            return body;
        }
        Body::new(Passing {
            body,
            counted: Some(self.0),
        })
    }
}

/// A request's body while it arrives.
pub(super) fn receiving<B>(activity: &Arc<Activity>, body: B) -> Body
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let body = Body::new(body);
    let counted = (!body.is_end_stream()).then(|| CountGuard::new(activity, |activity| &activity.receiving));
    Body::new(Passing { body, counted })
}

/// A body that counts until its end.
struct Passing {
    body: Body,
    counted: Option<CountGuard>,
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if !matches!(frame, Poll::Ready(Some(Ok(_))) | Poll::Pending) {
            self.counted = None;
        }
        frame
    }

    /// Said only by the last frame: the one before it has left when the connection asks for another.
    fn is_end_stream(&self) -> bool {
        self.counted.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream of bytes that notes when some move.
pub(super) struct WatchedStream<S> {
    pub stream: S,
    pub activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.moved();
        }
        read
    }
}

impl<S> WatchedStream<S> {
    fn note(&self, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        if matches!(written, Poll::Ready(Ok(count)) if count > 0) {
            self.activity.moved();
        }
        written
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
