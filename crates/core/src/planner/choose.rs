//! The plan of a batch by what is known, before any batch of its size has run.

use super::Forecast;
use super::deal::Deal;
use super::estimate::Estimate;
use super::frame::Frame;
use super::learn::Planner;
use super::offer::Offer;
use super::rates::Kind;
use crate::plan::{Device, Mode, Plan, StageKind};

/// Predicted gain below which nothing changes, besides what the times seen so far are uncertain by.
pub(super) const LEAST_GAIN: f64 = 0.01;

/// Least part of a batch that a suffix takes, for it to be tried beside the DLAs.
const LEAST_SUFFIX: f64 = 0.02;

/// Where a plan that nobody gave is from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Times seen here.
    Measured,
    /// A model of this board with its error.
    Simulated { board: String, error: f64 },
}

impl Planner {
    /// The plan for `rows` rows by what is known; `None` when nothing is.
    pub fn plan(&self, rows: usize) -> Option<(Plan, Source)> {
        let frames = self.frames(rows);
        let deals = self.deals(rows, &frames);
        let source = match (self.rates.saw_nothing(), self.rates.forecast()) {
            (false, _) => Source::Measured,
            (true, Some(forecast)) => {
                let plan = simulated(forecast, &deals)?;
                let (board, error) = (forecast.title.clone(), forecast.error_of(&plan));
                return Some((plan, Source::Simulated { board, error }));
            }
            (true, None) => return None,
        };
        let alone = deals.first()?.alone().into_iter().next();
        let shared = shared(&deals)
            .into_iter()
            .find(|shared| alone.as_ref().is_none_or(|alone| self.helps(alone, shared)));
        Some((shared.or(alone)?.plan, source))
    }

    /// The best plan of the GPU alone; `None` when its times are not known.
    pub fn alone(&self, rows: usize) -> Option<Plan> {
        let frame = Frame::default();
        let found = self.deal(rows, Offer::Any, &frame).alone();
        Some(found.into_iter().next()?.plan)
    }

    /// The plan that is predicted to be the best, however sure that is.
    pub fn likeliest(&self, rows: usize) -> Option<Plan> {
        let frames = self.frames(rows);
        let deals = self.deals(rows, &frames);
        let all = deals.first()?.alone().into_iter().chain(shared(&deals));
        let best = all.min_by(|a, b| a.us.total_cmp(&b.us));
        best.map(|best| best.plan)
    }

    /// Whether the DLAs of `shared` are sure enough to help: those that were seen by more than their times are
    /// uncertain by, others by more than the model is.
    fn helps(&self, alone: &Estimate, shared: &Estimate) -> bool {
        let unseen = |device: &Device| !self.rates.saw(prefix(0, *device));
        let devices = shared.plan.devices();
        let dlas = devices.iter().filter(|d| **d != Device::Gpu);
        match (dlas.copied().any(|d| unseen(&d)), self.rates.forecast()) {
            (true, Some(forecast)) => sure(alone, shared, forecast.error_of(&shared.plan)),
            (true, None) if !self.terms.alike => false,
            (true, None) | (false, _) => shared.us < alone.us * (1.0 - LEAST_GAIN),
        }
    }

    /// The frames of plans that nobody asked for: a suffix that runs beside the DLAs only where it takes a part of the time
    /// that counts.
    pub(super) fn frames(&self, rows: usize) -> Vec<Frame> {
        let merged = Frame::default();
        let share = self.deal(rows, Offer::Any, &merged).suffix_share();
        let pipelined = (self.terms.suffix && share >= LEAST_SUFFIX).then(|| Frame {
            mode: Mode::Pipelined,
            ..Frame::default()
        });
        std::iter::once(merged).chain(pipelined).collect()
    }

    fn deals<'a>(&'a self, rows: usize, frames: &'a [Frame]) -> Vec<Deal<'a>> {
        let each = frames.iter();
        each.map(|frame| self.deal(rows, Offer::Any, frame)).collect()
    }

    pub(super) fn deal<'a>(&'a self, rows: usize, offer: Offer<'a>, frame: &'a Frame) -> Deal<'a> {
        Deal::new(&self.terms, &self.rates, rows, offer, frame)
    }
}

pub(super) fn prefix(way: u32, device: Device) -> Kind {
    Kind {
        way,
        stage: StageKind::Prefix,
        device,
    }
}

/// The best plan by the model; one with a DLA only where it is sure to help, which may ask for less of the DLAs than would
/// be best if the model were right.
fn simulated(forecast: &Forecast, deals: &[Deal<'_>]) -> Option<Plan> {
    let alone = deals.first()?.alone().into_iter().next()?;
    let helps = |found: &Estimate| sure(&alone, found, forecast.error_of(&found.plan));
    let best = shared(deals);
    let Some(error) = best.first().map(|best| forecast.error_of(&best.plan)) else {
        return Some(alone.plan);
    };
    let worst = |error: f64| (1.0 + error) / (1.0 - error);
    let cautious = [worst(error / 2.0), worst(error)];
    let cautious = cautious
        .iter()
        .flat_map(|factor| deals.iter().flat_map(|deal| deal.shared_if(*factor)));
    let gains = best.iter().any(|found| gains(&alone, found, error));
    let all = best.iter().cloned();
    let found = match all.clone().next().filter(helps) {
        Some(best) => Some(best),
        None if gains => {
            let sure = all.chain(cautious).filter(helps);
            sure.min_by(|a, b| a.us.total_cmp(&b.us))
        }
        None => None,
    };
    Some(found.unwrap_or(alone).plan)
}

/// The plans with a DLA of all frames, best first.
fn shared(deals: &[Deal<'_>]) -> Vec<Estimate> {
    let mut all: Vec<Estimate> = deals.iter().flat_map(Deal::shared).collect();
    all.sort_by(|a, b| a.us.total_cmp(&b.us));
    all
}

/// Whether sharing is predicted to gain more than the model's `error`.
fn gains(alone: &Estimate, shared: &Estimate, error: f64) -> bool {
    shared.us * (1.0 + error) < alone.us
}

/// The same, and loses nothing where the GPU is faster and the DLAs are slower than predicted by as much.
fn sure(alone: &Estimate, shared: &Estimate, error: f64) -> bool {
    let worst = |plan: &Estimate| plan.scaled(1.0 - error, 1.0 + error);
    gains(alone, shared, error) && worst(shared) <= worst(alone)
}
