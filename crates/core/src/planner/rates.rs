//! What executions take, from all that is known: seen here, predicted by a model, or like another device.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Forecast;
use super::seen::SeenTimes;
use crate::plan::{Device, StageKind};

/// A kind of execution: which stage on which device. [`StageKind::Whole`] is the GPU with the board to itself, the stages
/// of a cut run beside other devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// Which cut; 0 is the longest prefix.
    pub way: u32,
    pub stage: StageKind,
    pub device: Device,
}

impl Kind {
    pub fn whole() -> Kind {
        Kind {
            way: 0,
            stage: StageKind::Whole,
            device: Device::Gpu,
        }
    }
}

pub(super) type Sizes = BTreeMap<usize, SeenTimes>;

/// The times of every kind of execution, in microseconds by rows.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    pub(super) forecast: Option<Arc<Forecast>>,
    pub(super) seen: HashMap<Kind, Sizes>,
    /// Share of the network's arithmetic in its prefix.
    pub(super) prefix_share: f64,
    /// An unseen device is as fast as one that was seen.
    pub(super) alike: bool,
}

impl Rates {
    pub fn new(forecast: Option<Arc<Forecast>>, prefix_share: f64, alike: bool) -> Rates {
        Rates {
            forecast,
            seen: HashMap::new(),
            prefix_share,
            alike,
        }
    }

    pub fn forecast(&self) -> Option<&Arc<Forecast>> {
        self.forecast.as_ref()
    }

    /// What was seen of this kind with just as many rows.
    pub fn at(&self, kind: Kind, rows: usize) -> Option<&SeenTimes> {
        self.seen.get(&kind)?.get(&rows)
    }

    /// Whether any execution of this kind was seen.
    pub fn saw(&self, kind: Kind) -> bool {
        self.seen.get(&kind).is_some_and(|sizes| !sizes.is_empty())
    }

    pub fn saw_nothing(&self) -> bool {
        self.seen.values().all(BTreeMap::is_empty)
    }

    pub fn each(&self) -> impl Iterator<Item = (Kind, usize, &SeenTimes)> {
        let kinds = self.seen.iter();
        kinds.flat_map(|(kind, sizes)| sizes.iter().map(|(rows, seen)| (*kind, *rows, seen)))
    }

    /// Takes figures over as they are; those that cannot be times are left out.
    pub fn put(&mut self, kind: Kind, rows: usize, seen: SeenTimes) {
        if rows > 0 && seen.is_sound() {
            self.seen.entry(kind).or_default().insert(rows, seen);
        }
    }

    /// Takes in the executions of one batch; by which factor the device's speed has changed for good, if it has.
    pub fn add(&mut self, kind: Kind, rows: usize, times_us: &[f64]) -> Option<f64> {
        let new = SeenTimes::of(times_us).filter(|_| rows > 0)?;
        let sizes = self.seen.entry(kind).or_default();
        match sizes.get_mut(&rows) {
            Some(seen) => seen.add(new),
            None => {
                sizes.insert(rows, new);
                None
            }
        }
    }

    /// Everything that `device` was seen to take, but for `kept`, grows by `factor`.
    pub fn scale(&mut self, device: Device, factor: f64, kept: &[(Kind, usize)]) {
        let mine = self.seen.iter_mut().filter(|(kind, _)| kind.device == device);
        for (kind, sizes) in mine {
            let others = sizes
                .iter_mut()
                .filter(|(rows, _)| !kept.contains(&(*kind, **rows)));
            others.for_each(|(_, seen)| seen.us *= factor);
        }
    }

    /// What was seen of `device` counts no longer.
    pub fn forget(&mut self, device: Device) {
        self.seen.retain(|kind, _| kind.device != device);
    }

    /// Relative standard error of what was seen of this kind at the size nearest to `rows`.
    pub fn error(&self, kind: Kind, rows: usize) -> Option<f64> {
        let sizes = self.seen.get(&kind)?;
        let nearest = sizes.iter().min_by_key(|(n, _)| n.abs_diff(rows));
        nearest.map(|(_, seen)| seen.error())
    }

    /// What the runtime adds to a run without or with a merge.
    pub fn host_us(&self, shared: bool) -> f64 {
        let forecast = self.forecast.as_ref();
        forecast.map_or(0.0, |forecast| forecast.host_us(shared))
    }
}
