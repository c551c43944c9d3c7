//! A panic while a request is answered: the client is told, and the server is no longer ready.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use super::error::RequestError;
use crate::pipeline::said;

/// The first panic of a handler.
#[derive(Default)]
pub(super) struct FirstPanic(Mutex<Option<String>>);

impl FirstPanic {
    pub fn said(&self) -> Option<String> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }

    /// What `answer` gives, or that it panicked.
    pub async fn watch<F: Future>(&self, answer: F) -> Result<F::Output, RequestError> {
        let caught = CatchUnwind(Box::pin(answer)).await;
        caught.map_err(|text| {
            let text = format!("a request {text}");
            let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            said.get_or_insert(text.clone());
            RequestError::Broken(text)
        })
    }
}

/// A future that ends with what a panic in it said.
struct CatchUnwind<F>(Pin<Box<F>>);

impl<F: Future> Future for CatchUnwind<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = &mut self.0;
        match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(said(&*panic))),
        }
    }
}
