//! What executions of one kind take by their rows, from all that is known.

use super::rates::{Kind, Rates, Sizes};
use super::seen::{plausible, Seen};
use super::Forecast;
use crate::plan::{Device, StageKind};

/// Share of an execution's time that is assumed not to depend on its rows until two sizes were seen.
const FIXED: f64 = 0.1;

/// How far a model's error differs between a size and one of twice the rows.
const SHAPE: f64 = 0.03;

/// How far it differs between stages, and between the DLA cores.
const KIN: f64 = 0.05;

/// Difference of two DLA cores, as a logarithm, from which on each is only like itself.
const ALIKE: f64 = 0.15;

/// Least variance of a time that was seen.
const LEAST: f64 = 1e-6;

/// Microseconds by rows.
pub(super) enum Curve<'a> {
    /// A model's times, with the factors by which executions took longer.
    Model {
        forecast: &'a Forecast,
        kind: Kind,
        factors: Vec<Factor>,
    },
    Seen(&'a Sizes),
    Scaled(Box<Curve<'a>>, f64),
    Sum(Box<Curve<'a>>, Box<Curve<'a>>),
}

/// Seen over predicted.
pub(super) struct Factor {
    /// Logarithm to base 2 of the rows.
    size: f64,
    factor: f64,
    variance: f64,
}

impl Rates {
    /// Microseconds of one execution; `None` when nothing tells.
    pub fn us(&self, kind: Kind, rows: usize) -> Option<f64> {
        self.curve(kind)?.at(rows)
    }

    /// Microseconds by rows.
    pub(super) fn curve(&self, kind: Kind) -> Option<Curve<'_>> {
        self.known(kind).or_else(|| self.like(kind))
    }

    fn known(&self, kind: Kind) -> Option<Curve<'_>> {
        let forecast = self.forecast.as_deref().filter(|_| kind.way == 0);
        let forecast = forecast.filter(|f| f.us(kind.stage, kind.device, 1).is_some());
        let seen = self.seen.get(&kind).filter(|sizes| !sizes.is_empty());
        match (forecast, seen) {
            (Some(forecast), _) => Some(Curve::Model {
                forecast,
                kind,
                factors: self.factors(forecast, kind),
            }),
            (None, Some(sizes)) => Some(Curve::Seen(sizes)),
            (None, None) => None,
        }
    }

    /// By how much the device was slower than predicted, else a device of its kind.
    fn factors(&self, forecast: &Forecast, kind: Kind) -> Vec<Factor> {
        let of = |wanted: &dyn Fn(Device) -> bool| -> Vec<Factor> {
            let mine = self
                .each()
                .filter(|(other, ..)| other.way == 0 && wanted(other.device));
            let factor = |(other, rows, seen): (Kind, usize, &Seen)| {
                let predicted = forecast.us(other.stage, other.device, rows)?;
                let kin = if other == kind { 0.0 } else { KIN };
                Some(Factor {
                    size: (rows as f64).log2(),
                    factor: seen.us / predicted,
                    variance: seen.error().powi(2) + kin.powi(2) + LEAST,
                })
            };
            mine.filter_map(factor).collect()
        };
        let own = of(&|device| device == kind.device);
        if kind.device == Device::Gpu {
            return own;
        }
        // The cores are of a kind, unless one is seen to be slower.
        let twin = of(&|device| ![Device::Gpu, kind.device].contains(&device));
        let rows = 1;
        let alike = own.is_empty() || (mean(&own, rows) / mean(&twin, rows)).ln().abs() < ALIKE;
        let twin = twin.into_iter().filter(|_| alike);
        own.into_iter().chain(twin).collect()
    }

    /// What no model predicts and nobody saw: like another core's, like another device's where all are alike, or a
    /// part of the uncut network's in proportion to its arithmetic.
    fn like(&self, kind: Kind) -> Option<Curve<'_>> {
        let of = |stage, device| {
            self.known(Kind {
                stage,
                device,
                ..kind
            })
        };
        let share = self.prefix_share;
        let whole = || of(StageKind::Whole, Device::Gpu);
        let prefix = |device| of(StageKind::Prefix, device);
        match (kind.stage, kind.device) {
            (StageKind::Prefix, Device::Dla(_)) => {
                let twin = prefix(Device::Dla(0)).or_else(|| prefix(Device::Dla(1)));
                let gpu = || prefix(Device::Gpu).or_else(|| Some(whole()?.scaled(share)));
                twin.or_else(|| self.alike.then(gpu).flatten())
            }
            (StageKind::Prefix, Device::Gpu) => {
                let part = whole().map(|whole| whole.scaled(share));
                let twin = || prefix(Device::Dla(0));
                part.or_else(|| self.alike.then(twin).flatten())
            }
            (StageKind::Suffix, _) if kind.way == 0 => Some(whole()?.scaled(1.0 - share)),
            (StageKind::Whole, _) => {
                let prefix = prefix(Device::Gpu)?;
                Some(match of(StageKind::Suffix, Device::Gpu) {
                    Some(suffix) => Curve::Sum(Box::new(prefix), Box::new(suffix)),
                    None => prefix,
                })
            }
            (StageKind::Suffix, _) => None,
        }
    }
}

impl<'a> Curve<'a> {
    fn scaled(self, factor: f64) -> Curve<'a> {
        Curve::Scaled(Box::new(self), factor)
    }

    /// Microseconds of one execution of `rows` rows; `None` when they cannot be times.
    pub fn at(&self, rows: usize) -> Option<f64> {
        self.raw(rows).filter(|us| plausible(*us))
    }

    fn raw(&self, rows: usize) -> Option<f64> {
        match self {
            Curve::Model {
                forecast,
                kind,
                factors,
            } => Some(forecast.us(kind.stage, kind.device, rows)? * mean(factors, rows)),
            Curve::Seen(sizes) => between(sizes, rows),
            Curve::Scaled(curve, factor) => Some(curve.raw(rows)? * factor),
            Curve::Sum(a, b) => Some(a.raw(rows)? + b.raw(rows)?),
        }
    }
}

/// The mean of factors, each with less weight the less sure it is and the further away in size.
fn mean(factors: &[Factor], rows: usize) -> f64 {
    let size = (rows as f64).log2();
    let (mut sum, mut weights) = (0.0, 0.0);
    for factor in factors {
        let weight = 1.0 / (factor.variance + SHAPE.powi(2) * (factor.size - size).abs());
        sum += weight * factor.factor;
        weights += weight;
    }
    if weights > 0.0 {
        sum / weights
    } else {
        1.0
    }
}

/// Linear between two sizes; from the nearest one beyond them.
fn between(sizes: &Sizes, rows: usize) -> Option<f64> {
    let above = sizes.range(rows..).next();
    let below = sizes.range(..rows).next_back();
    let scaled = |(n, seen): (&usize, &Seen)| {
        let share = rows as f64 / *n as f64;
        seen.us * (FIXED + (1.0 - FIXED) * share)
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
