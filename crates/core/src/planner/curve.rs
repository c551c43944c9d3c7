//! What executions of one kind take by their rows, from all that is known.

use super::Forecast;
use super::forecast::Table;
use super::rates::{Kind, Rates};
use super::seen::{SeenTimes, plausible};
use crate::plan::{Device, StageKind};

/// How far a model's error differs between a size and one of twice the rows, and how far that of the law without a model.
const SHAPE: f64 = 0.03;
const LAW_SHAPE: f64 = 0.1;

/// How far it differs between stages.
const KIN: f64 = 0.05;

/// Microseconds that a runtime adds to an execution, whatever its rows, at most about: a share of short executions that says
/// nothing about long ones.
const OVERHEAD_US: f64 = 100.0;

/// Difference of two DLA cores, as a logarithm, besides what noise explains, from which on each is only like itself.
const ALIKE: f64 = 0.1;

/// How many times as long as its model says the GPU takes, or as short, where the model is of another machine.
const FOREIGN: f64 = 2.0;

/// Standard errors that noise explains.
const NOISE: f64 = 2.0;

/// Least variance of a time that was seen.
const LEAST: f64 = 1e-6;

/// Microseconds by rows.
pub(super) enum Curve<'a> {
    /// Some expected times, with the factors by which executions took longer.
    Known(ExpectedTime<'a>, Vec<Factor>),
    Scaled(Box<Curve<'a>>, f64),
    Sum(Box<Curve<'a>>, Box<Curve<'a>>),
}

/// What times are compared with.
#[derive(Clone, Copy)]
pub(super) enum ExpectedTime<'a> {
    /// A board's model.
    Model(&'a Forecast, &'a Table),
    /// In proportion to the rows and so many more.
    Law(f64),
}

impl ExpectedTime<'_> {
    fn us(&self, rows: usize) -> f64 {
        match self {
            ExpectedTime::Model(_, table) => table.us(rows),
            ExpectedTime::Law(more) => more + rows as f64,
        }
    }

    fn shape(&self) -> f64 {
        match self {
            ExpectedTime::Model(..) => SHAPE,
            ExpectedTime::Law(_) => LAW_SHAPE,
        }
    }
}

/// The rows whose time an execution takes besides that of its own rows: about the median of the boards' models over the
/// networks. A suffix reads its weights, whatever its rows.
fn more(kind: Kind) -> f64 {
    match (kind.stage, kind.device) {
        (StageKind::Suffix, _) => 100.0,
        (StageKind::Whole | StageKind::Prefix, Device::Gpu) => 1.5,
        (StageKind::Whole | StageKind::Prefix, Device::Dla(_)) => 0.5,
    }
}

/// Seen over expected.
#[derive(Clone, Copy)]
pub(super) struct Factor {
    /// Logarithm to base 2 of the rows.
    size: f64,
    factor: f64,
    variance: f64,
    /// What the runtime may have added to it, as a variance.
    overhead: f64,
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
        let model = forecast.and_then(|f| Some((f, f.table(kind.stage, kind.device)?)));
        let expected = match model {
            Some((forecast, table)) => ExpectedTime::Model(forecast, table),
            None => ExpectedTime::Law(more(kind)),
        };
        let factors = self.factors(expected, kind);
        let told = || model.is_some() && (kind.device == Device::Gpu || !self.is_foreign(expected));
        (!factors.is_empty() || told()).then_some(Curve::Known(expected, factors))
    }

    /// Whether the GPU shows that the model is of another machine: then it says nothing of DLAs that nobody saw.
    fn is_foreign(&self, model: ExpectedTime<'_>) -> bool {
        let seen = self.factors_of(model, Kind::whole());
        let near = 1.0 / FOREIGN..=FOREIGN;
        !seen.is_empty() && !seen.iter().any(|f| near.contains(&f.factor))
    }

    /// By how much the device was slower than expected, else a device of its kind.
    fn factors(&self, expected: ExpectedTime<'_>, kind: Kind) -> Vec<Factor> {
        let own = self.factors_of(expected, kind);
        let twin = match kind.device {
            Device::Gpu => None,
            Device::Dla(_) => self
                .each()
                .map(|(other, ..)| other.device)
                .find(|other| ![Device::Gpu, kind.device].contains(other)),
        };
        let Some(twin) = twin else { return own };
        let twin = self.factors_of(expected, Kind { device: twin, ..kind });
        if own.is_empty() || alike(&own, &twin, expected.shape()) {
            [own, twin].concat()
        } else {
            own
        }
    }

    /// A model may be wrong by the same factor for all stages.
    fn factors_of(&self, expected: ExpectedTime<'_>, kind: Kind) -> Vec<Factor> {
        let factor = |(other, rows, seen): (Kind, usize, &SeenTimes)| {
            // A law is in rows, not in microseconds.
            let (told, us) = match expected {
                ExpectedTime::Model(forecast, _) if other.way == 0 => {
                    let us = forecast.us(other.stage, other.device, rows)?;
                    (us, us)
                }
                ExpectedTime::Law(_) if other == kind => (expected.us(rows), seen.us),
                ExpectedTime::Model(..) | ExpectedTime::Law(_) => return None,
            };
            let overhead = (OVERHEAD_US / us).powi(2);
            let kin = if other == kind {
                0.0
            } else {
                KIN.powi(2) + overhead
            };
            Some(Factor {
                size: (rows as f64).log2(),
                factor: seen.us / told,
                variance: seen.error().powi(2) + kin + LEAST,
                overhead,
            })
        };
        let mine = self.each().filter(|(other, ..)| other.device == kind.device);
        mine.filter_map(factor).collect()
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
            Curve::Known(expected, factors) => {
                let factor = mean(factors, rows, expected.shape());
                Some(expected.us(rows) * factor.map_or(1.0, |(factor, _)| factor))
            }
            Curve::Scaled(curve, factor) => Some(curve.raw(rows)? * factor),
            Curve::Sum(a, b) => Some(a.raw(rows)? + b.raw(rows)?),
        }
    }
}

/// Whether two DLA cores differ by no more than noise explains: they are of a kind, unless one is seen to be slower.
fn alike(own: &[Factor], twin: &[Factor], shape: f64) -> bool {
    let size = own.last().map_or(1, |factor| factor.size.exp2() as usize);
    let both = mean(own, size, shape).zip(mean(twin, size, shape));
    both.is_none_or(|((a, va), (b, vb))| (a / b).ln().abs() < ALIKE + NOISE * (va + vb).sqrt())
}

/// The mean of factors, each with less weight the less sure it is and the further away in size; and its variance.
fn mean(factors: &[Factor], rows: usize, shape: f64) -> Option<(f64, f64)> {
    let size = (rows as f64).log2();
    let (mut sum, mut weights) = (0.0, 0.0);
    for factor in factors {
        let far = (factor.size - size).abs();
        let other = shape.powi(2) * far + factor.overhead * far.min(1.0);
        let weight = 1.0 / (factor.variance + other);
        sum += weight * factor.factor;
        weights += weight;
    }
    (weights > 0.0).then(|| (sum / weights, 1.0 / weights))
}
