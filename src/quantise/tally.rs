//! What one engine counts while it computes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::CalibrateError;
use super::histogram::Histogram;
use crate::engine::{Array, Watcher};

/// A histogram per input and output of a network, in this order.
pub struct Tally {
    names: Vec<String>,
    inputs: usize,
    /// Rows that the network computes at a time.
    size: usize,
    state: Mutex<State>,
}

struct State {
    histograms: Vec<Histogram>,
    /// Rows of the batch that count; further ones only fill it up.
    rows: usize,
    /// The first tensor of the network in which a value is no number, and its row.
    broken: Option<(usize, usize)>,
}

impl Tally {
    pub fn new(names: &[String], inputs: usize, size: usize) -> Tally {
        Tally {
            names: names.to_vec(),
            inputs,
            size,
            state: Mutex::new(State {
                histograms: vec![Histogram::default(); names.len()],
                rows: 0,
                broken: None,
            }),
        }
    }

    /// Counts the inputs of the next batch, of which `rows` rows are data.
    pub fn begin(&self, rows: usize, inputs: &[Array]) {
        let mut state = self.state();
        state.rows = rows;
        for (tensor, input) in inputs.iter().enumerate() {
            state.count(tensor, &input.data);
        }
    }

    /// # Errors
    /// A value that is no number, in the batch that begins with row `first`.
    pub fn end(&self, first: usize) -> Result<(), CalibrateError> {
        match self.state().broken {
            Some((tensor, row)) => Err(CalibrateError::NotFinite {
                tensor: self.names[tensor].clone(),
                row: first + row,
            }),
            None => Ok(()),
        }
    }

    pub fn histograms(&self) -> Vec<Histogram> {
        std::mem::take(&mut self.state().histograms)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, tensor: usize, values: &[f32]) {
        if let Err(at) = self.histograms[tensor].add(values) {
            let row = at.0 * self.rows / values.len();
            let found = (tensor, row);
            self.broken = Some(self.broken.map_or(found, |before| before.min(found)));
        }
    }
}

impl Watcher for Tally {
    fn see(&self, output: usize, values: &[f32]) {
        let mut state = self.state();
        let kept = values.len() * state.rows / self.size;
        state.count(self.inputs + output, &values[..kept]);
    }
}
