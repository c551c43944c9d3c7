//! The plan of a batch by what is known, before any batch of its size has run.

use super::deal::{Deal, Frame};
use super::estimate::Estimate;
use super::learn::Planner;
use super::offer::Offer;
use super::rates::Kind;
use super::Forecast;
use crate::engine::StageKind;
use crate::plan::{Device, Plan};

/// Predicted gain below which nothing changes, besides what the times seen so far are uncertain by.
pub(super) const LEAST_GAIN: f64 = 0.01;

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
        let frame = Frame::default();
        let deal = self.deal(rows, Offer::Any, &frame);
        let source = match (self.rates.saw_nothing(), self.rates.forecast()) {
            (false, _) => Source::Measured,
            (true, Some(forecast)) => {
                let (alone, shared) = (deal.alone(), deal.shared());
                let plan = simulated(forecast, &alone, &shared)?;
                let (board, error) = (forecast.title.clone(), forecast.error_of(&plan));
                return Some((plan, Source::Simulated { board, error }));
            }
            (true, None) => return None,
        };
        let alone = deal.alone().into_iter().next();
        let shared = deal
            .shared()
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
        let frame = Frame::default();
        let deal = self.deal(rows, Offer::Any, &frame);
        let all = deal.alone().into_iter().chain(deal.shared());
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

    pub(super) fn deal<'a>(&'a self, rows: usize, offer: Offer<'a>, frame: &'a Frame) -> Deal<'a> {
        Deal {
            terms: &self.terms,
            rates: &self.rates,
            rows,
            offer,
            frame,
        }
    }
}

pub(super) fn prefix(way: u32, device: Device) -> Kind {
    Kind {
        way,
        stage: StageKind::Prefix,
        device,
    }
}

/// The best plan by simulation; one with a DLA only where it is sure to help.
fn simulated(forecast: &Forecast, alone: &[Estimate], shared: &[Estimate]) -> Option<Plan> {
    let run = |estimate: &Estimate| Some((forecast.simulate(&estimate.plan)?, estimate.clone()));
    let best = |all: &[Estimate]| {
        let runs = all.iter().filter_map(run);
        runs.min_by(|a, b| a.0.total_cmp(&b.0))
    };
    let (alone_us, alone) = best(alone)?;
    let helps = |found: &&Estimate| sure(&alone, found, forecast.error_of(&found.plan));
    let sure: Vec<Estimate> = shared.iter().filter(helps).cloned().collect();
    let error = |plan: &Plan| forecast.error_of(plan);
    let shared = best(&sure).filter(|(us, found)| us * (1.0 + error(&found.plan)) < alone_us);
    Some(shared.map_or(alone.plan, |(_, found)| found.plan))
}

/// Whether sharing is predicted to gain more than the model's `error`, and loses nothing where the GPU is faster and the
/// DLAs are slower than predicted by as much.
fn sure(alone: &Estimate, shared: &Estimate, error: f64) -> bool {
    let nominal = shared.us * (1.0 + error) < alone.us;
    nominal && shared.scaled(1.0 - error, 1.0 + error) <= alone.scaled(1.0 - error, 1.0 + error)
}
