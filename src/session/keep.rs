//! The rates of earlier processes, and those for later ones.

use std::sync::{Mutex, PoisonError};

use super::SessionConfig;
use crate::bundle::digest;
use crate::engine::Backend;
use crate::engine::cache::{EngineCache, Rate, RateKey};
use crate::graph::Graph;
use crate::planner::{Kind, Rates, SeenTimes};

/// Where the rates of one network on one machine are kept.
pub(super) struct Keeper {
    cache: EngineCache,
    key: RateKey,
    remark: Mutex<Option<String>>,
}

impl Keeper {
    /// `None` where rates mean nothing to another process.
    pub fn of(backend: &dyn Backend, graph: &Graph, config: &SessionConfig) -> Option<Keeper> {
        let (cache, mut key) = backend.kept(graph)?;
        key.digest = digest(graph);
        key.power = config.power.clone();
        Some(Keeper {
            cache,
            key,
            remark: Mutex::default(),
        })
    }

    /// Adds what was kept to `rates`.
    pub fn load(&self, rates: &mut Rates) {
        match self.cache.rates(&self.key) {
            Ok(kept) => kept.into_iter().for_each(|rate| put(rates, &rate)),
            Err(reason) => self.say(reason),
        }
    }

    /// A folder that cannot be written costs nothing but the start of the next process.
    pub fn store(&self, rates: &Rates) {
        let kept = rates.each().filter(|(kind, ..)| kind.way == 0);
        let kept: Vec<Rate> = kept.map(|(kind, rows, seen)| rate(kind, rows, seen)).collect();
        if !kept.is_empty() {
            let stored = self.cache.store_rates(&self.key, &kept);
            stored.unwrap_or_else(|error| self.say(error.to_string()));
        }
    }

    pub fn remark(&self) -> Option<String> {
        let mut remark = self.remark.lock().unwrap_or_else(PoisonError::into_inner);
        remark.take()
    }

    fn say(&self, text: String) {
        let mut remark = self.remark.lock().unwrap_or_else(PoisonError::into_inner);
        *remark = Some(text);
    }
}

/// Figures that cannot be times are left out.
fn put(rates: &mut Rates, rate: &Rate) {
    let kind = Kind {
        way: 0,
        stage: rate.stage,
        device: rate.device,
    };
    rates.put(
        kind,
        rate.batch,
        SeenTimes::kept(rate.us, rate.variance, rate.count, rate.batches),
    );
}

fn rate(kind: Kind, batch: usize, seen: &SeenTimes) -> Rate {
    Rate {
        stage: kind.stage,
        device: kind.device,
        batch,
        us: seen.us,
        variance: seen.variance,
        count: seen.count,
        batches: seen.batches,
    }
}
