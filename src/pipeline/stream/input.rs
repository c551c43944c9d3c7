//! The way into a stream.

use std::sync::Arc;

use crossbeam_channel::{Sender, TrySendError};

use super::StreamItem;
use crate::plan::counted;

/// Takes items from any thread; the stream ends when every clone of it is gone.
pub struct StreamInput<T> {
    /// Elements of an item in each input of the network.
    sizes: Arc<[usize]>,
    groups: Sender<Vec<StreamItem<T>>>,
}

impl<T> Clone for StreamInput<T> {
    fn clone(&self) -> StreamInput<T> {
        StreamInput {
            sizes: self.sizes.clone(),
            groups: self.groups.clone(),
        }
    }
}

/// Why items were not taken; they come back where they could still be of use.
#[derive(Debug, thiserror::Error)]
pub enum RefusedItems<T> {
    #[error("the item has {}, the network {want}", counted(*got, "input"))]
    Count { got: usize, want: usize },
    #[error("input {input} has {got} elements instead of {want}")]
    Size { input: usize, got: usize, want: usize },
    #[error("the stream is full")]
    Full(Vec<StreamItem<T>>),
    #[error("the stream has ended")]
    Ended(Vec<StreamItem<T>>),
}

impl<T> StreamInput<T> {
    pub(crate) fn new(sizes: &[usize], groups: Sender<Vec<StreamItem<T>>>) -> StreamInput<T> {
        StreamInput {
            sizes: sizes.into(),
            groups,
        }
    }

    /// Waits until the stream takes the item.
    ///
    /// # Errors
    /// [`RefusedItems::Count`] and [`RefusedItems::Size`] for data the network cannot read, [`RefusedItems::Ended`].
    pub fn send(&self, item: StreamItem<T>) -> Result<(), RefusedItems<T>> {
        self.check(&item)?;
        let sent = self.groups.send(vec![item]);
        sent.map_err(|e| RefusedItems::Ended(e.0))
    }

    /// Hands over items that arrived together, all or none, without waiting.
    ///
    /// # Errors
    /// As [`StreamInput::send`], and [`RefusedItems::Full`].
    pub fn try_send(&self, items: Vec<StreamItem<T>>) -> Result<(), RefusedItems<T>> {
        items.iter().try_for_each(|item| self.check(item))?;
        self.groups.try_send(items).map_err(|error| match error {
            TrySendError::Full(items) => RefusedItems::Full(items),
            TrySendError::Disconnected(items) => RefusedItems::Ended(items),
        })
    }

    fn check(&self, item: &StreamItem<T>) -> Result<(), RefusedItems<T>> {
        let (got, want) = (item.inputs.len(), self.sizes.len());
        if got != want {
            return Err(RefusedItems::Count { got, want });
        }
        let given = item.inputs.iter().map(|rows| rows.as_slice().len());
        let mut pairs = given.zip(self.sizes.iter().copied()).enumerate();
        match pairs.find(|(_, (got, want))| got != want) {
            Some((input, (got, want))) => Err(RefusedItems::Size { input, got, want }),
            None => Ok(()),
        }
    }
}
