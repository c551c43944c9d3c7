//! A row of the measurements as something the model can predict.

use std::collections::HashMap;

use super::described::Networks;
use super::quantity::{Place, Quantity};
use super::rows::Row;
use crate::board::{Arithmetic, Constants, Level, Processor};

/// A measurement with what the model has to say about it.
pub struct Observation {
    pub id: String,
    pub source: String,
    pub model: String,
    pub processor: Processor,
    pub level: Level,
    pub arithmetic: Arithmetic,
    /// Microseconds.
    pub measured: f64,
    /// Its part in the fit.
    pub weight: f64,
    pub place: Place,
    pub quantity: Quantity,
}

impl Observation {
    /// Logarithm of predicted over measured time.
    pub fn error(&self, constants: &Constants) -> f64 {
        (self.quantity.predict(&self.place, constants) / self.measured).ln()
    }
}

/// A row that is left out, with the reason.
pub struct UnusedRow {
    pub id: String,
    pub reason: String,
}

/// Every row as an observation, or the reason why it is none.
pub fn observations(rows: &[Row]) -> (Vec<Observation>, Vec<UnusedRow>) {
    let mut networks = Networks::default();
    let (mut used, mut unused) = (Vec::new(), Vec::new());
    for row in rows {
        match networks.observe(row) {
            Ok(observation) => used.push(observation),
            Err(reason) => unused.push(UnusedRow {
                id: row.id.clone(),
                reason,
            }),
        }
    }
    weigh(&mut used);
    (used, unused)
}

/// Many rows of one kind from one source tell less than their number.
fn weigh(observations: &mut [Observation]) {
    let group = |o: &Observation| (o.source.clone(), o.processor, o.level, o.arithmetic);
    let mut counts = HashMap::new();
    for observation in observations.iter() {
        *counts.entry(group(observation)).or_insert(0.0) += 1.0;
    }
    for observation in observations.iter_mut() {
        let count: f64 = counts[&group(observation)];
        observation.weight /= count.sqrt();
    }
}
