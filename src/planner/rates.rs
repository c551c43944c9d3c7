//! What executions take, from all that is known: seen here, predicted by a model, or like another device.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::seen::{plausible, Seen};
use super::Forecast;
use crate::engine::StageKind;
use crate::plan::Device;

/// Share of an execution's time that is assumed not to depend on its rows when there are fewer of them than were seen; with
/// more rows nothing is assumed to be saved until two sizes were seen.
const FIXED: f64 = 0.1;

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

type Sizes = BTreeMap<usize, Seen>;

/// The times of every kind of execution, in microseconds by rows.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    forecast: Option<Arc<Forecast>>,
    seen: HashMap<Kind, Sizes>,
    /// Share of the network's arithmetic in its prefix.
    prefix_share: f64,
    /// An unseen device is as fast as one that was seen.
    alike: bool,
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
    pub fn at(&self, kind: Kind, rows: usize) -> Option<&Seen> {
        self.seen.get(&kind)?.get(&rows)
    }

    /// Whether any execution of this kind was seen.
    pub fn saw(&self, kind: Kind) -> bool {
        self.seen.get(&kind).is_some_and(|sizes| !sizes.is_empty())
    }

    pub fn saw_nothing(&self) -> bool {
        self.seen.values().all(BTreeMap::is_empty)
    }

    pub fn each(&self) -> impl Iterator<Item = (Kind, usize, &Seen)> {
        let kinds = self.seen.iter();
        kinds.flat_map(|(kind, sizes)| sizes.iter().map(|(rows, seen)| (*kind, *rows, seen)))
    }

    /// Takes figures over as they are; those that cannot be times are left out.
    pub fn put(&mut self, kind: Kind, rows: usize, seen: Seen) {
        if rows > 0 && seen.is_sound() {
            self.seen.entry(kind).or_default().insert(rows, seen);
        }
    }

    /// Takes in the executions of one batch; by which factor the device's speed has changed for good, if it has.
    pub fn add(&mut self, kind: Kind, rows: usize, times_us: &[f64]) -> Option<f64> {
        let new = Seen::of(times_us).filter(|_| rows > 0)?;
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
        let mine = self
            .seen
            .iter_mut()
            .filter(|(kind, _)| kind.device == device);
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

    /// Microseconds of one execution; `None` when nothing tells.
    pub fn us(&self, kind: Kind, rows: usize) -> Option<f64> {
        let us = self.known(kind, rows).or_else(|| self.like(kind, rows))?;
        plausible(us).then_some(us)
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

    fn known(&self, kind: Kind, rows: usize) -> Option<f64> {
        let predicted = self.predicted(kind, rows);
        match (self.seen.get(&kind).filter(|s| !s.is_empty()), predicted) {
            (Some(sizes), Some(predicted)) => {
                Some(predicted * self.factor(kind, sizes, rows).unwrap_or(1.0))
            }
            (Some(sizes), None) => between(sizes, rows),
            (None, Some(predicted)) => Some(predicted * self.device_factor(kind.device)),
            (None, None) => None,
        }
    }

    fn predicted(&self, kind: Kind, rows: usize) -> Option<f64> {
        let forecast = self.forecast.as_ref().filter(|_| kind.way == 0)?;
        forecast.us(kind.stage, kind.device, rows)
    }

    /// Seen over predicted, between the sizes that were seen.
    fn factor(&self, kind: Kind, sizes: &Sizes, rows: usize) -> Option<f64> {
        let at = |(n, seen): (&usize, &Seen)| Some((*n, seen.us / self.predicted(kind, *n)?));
        let above = sizes.range(rows..).next().and_then(at);
        let below = sizes.range(..rows).next_back().and_then(at);
        match (below, above) {
            (Some((low, a)), Some((high, b))) => {
                let (low, high) = ((low as f64).ln(), (high as f64).ln());
                Some(a + (b - a) * ((rows as f64).ln() - low) / (high - low))
            }
            (Some((_, factor)), None) | (None, Some((_, factor))) => Some(factor),
            (None, None) => None,
        }
    }

    /// Seen over predicted of everything on `device`, else of a device of its kind.
    fn device_factor(&self, device: Device) -> f64 {
        let of = |wanted: &dyn Fn(Device) -> bool| {
            let mine = self.each().filter(|(kind, ..)| wanted(kind.device));
            let factors: Vec<f64> = mine
                .filter_map(|(kind, rows, seen)| Some(seen.us / self.predicted(kind, rows)?))
                .collect();
            let sum: f64 = factors.iter().map(|f| f.ln()).sum();
            (!factors.is_empty()).then(|| (sum / factors.len() as f64).exp())
        };
        let kind = |other: Device| (other == Device::Gpu) == (device == Device::Gpu);
        of(&|other| other == device)
            .or_else(|| of(&kind))
            .unwrap_or(1.0)
    }

    /// What no model predicts and nobody saw: like another core's, like another device's where all are alike, or a
    /// part of the uncut network's in proportion to its arithmetic.
    fn like(&self, kind: Kind, rows: usize) -> Option<f64> {
        let of = |stage, device| {
            let other = Kind {
                stage,
                device,
                ..kind
            };
            self.known(other, rows)
        };
        let share = self.prefix_share;
        match (kind.stage, kind.device) {
            (StageKind::Prefix, Device::Dla(_)) => {
                let cores = [Device::Dla(0), Device::Dla(1)].into_iter();
                let mut twins = cores.filter_map(|device| of(StageKind::Prefix, device));
                let gpu = || {
                    self.us(
                        Kind {
                            device: Device::Gpu,
                            ..kind
                        },
                        rows,
                    )
                };
                twins.next().or_else(|| self.alike.then(gpu).flatten())
            }
            (StageKind::Prefix, Device::Gpu) => {
                let whole = of(StageKind::Whole, Device::Gpu).map(|us| us * share);
                let twin = || of(StageKind::Prefix, Device::Dla(0));
                whole.or_else(|| self.alike.then(twin).flatten())
            }
            (StageKind::Suffix, _) if kind.way == 0 => {
                of(StageKind::Whole, Device::Gpu).map(|us| us * (1.0 - share))
            }
            (StageKind::Whole, _) => {
                let prefix = of(StageKind::Prefix, Device::Gpu)?;
                Some(prefix + of(StageKind::Suffix, Device::Gpu).unwrap_or(0.0))
            }
            (StageKind::Suffix, _) => None,
        }
    }
}

/// Linear between two sizes; from the nearest one beyond them.
fn between(sizes: &Sizes, rows: usize) -> Option<f64> {
    let above = sizes.range(rows..).next();
    let below = sizes.range(..rows).next_back();
    let scaled = |(n, seen): (&usize, &Seen)| {
        let share = rows as f64 / *n as f64;
        seen.us * share.max(FIXED + (1.0 - FIXED) * share)
    };
    match (below, above) {
        (_, Some((n, seen))) if *n == rows => Some(seen.us),
        (Some((low, a)), Some((high, b))) => {
            let share = (rows - low) as f64 / (high - low) as f64;
            Some(a.us + (b.us - a.us) * share)
        }
        (Some(nearest), None) => {
            // Two sizes below give the slope, if it is one.
            let mut two = sizes.range(..rows).rev();
            let line = two.next().zip(two.next()).map(|((n, a), (m, b))| {
                let slope = (a.us - b.us) / (n - m) as f64;
                let steep = a.us / *n as f64;
                a.us + slope.clamp(steep * (1.0 - FIXED), steep) * (rows - n) as f64
            });
            Some(line.unwrap_or_else(|| scaled(nearest)))
        }
        (None, Some(nearest)) => Some(scaled(nearest)),
        (None, None) => None,
    }
}
