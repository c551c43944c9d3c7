//! A network that runs only in executions of its compiled batch: a search deals these, each as if it were a row.

use super::{Bound, Figures, Footprint, Infeasible, SearchError, SearchOutcome, Space, Way};
use crate::plan::{Device, Plan, StageKind};
use crate::sim::{Costs, ExecutionCost, HostCosts, Load, SimError};

/// What a search finds, by rows instead of units.
pub(super) trait ByRows {
    fn by_rows(self, unit: usize) -> Self;
}

/// What `search` finds for `rows` rows of `space`, which it sees as units.
///
/// # Errors
/// Rows that are no number of units; those of `search`.
pub(super) fn in_units<T: ByRows>(
    space: &Space<'_>,
    rows: usize,
    search: impl FnOnce(&Space<'_>, usize) -> Result<T, SearchError>,
) -> Result<T, SearchError> {
    let Some(unit) = space.unit.filter(|unit| *unit > 1) else {
        return search(space, rows);
    };
    if !rows.is_multiple_of(unit) {
        return Err(SimError::Units { unit, rows }.into());
    }
    let whole = ByUnit {
        costs: space.whole,
        unit,
    };
    let costs = space.ways.iter().map(|way| ByUnit {
        costs: way.costs,
        unit,
    });
    let costs: Vec<ByUnit<'_>> = costs.collect();
    let ways = space.ways.iter().zip(&costs).map(|(way, costs)| Way {
        cut: way.cut.clone(),
        suffix: way.suffix,
        dla_rows: (way.dla_rows / unit).max(1),
        costs,
        prefix_bytes: bytes(way.prefix_bytes, unit),
        suffix_bytes: bytes(way.suffix_bytes, unit),
        crossing: way.crossing * unit as u64,
    });
    let units = Space {
        whole: &whole,
        whole_bytes: bytes(space.whole_bytes, unit),
        io: space.io * unit as u64,
        ways: ways.collect(),
        dlas: space.dlas.clone(),
        unit: Some(1),
        jitter: space.jitter,
        limits: space.limits,
    };
    match search(&units, rows / unit) {
        Ok(found) => Ok(found.by_rows(unit)),
        Err(SearchError::Infeasible(error)) => Err(error.by_rows(unit).into()),
        Err(SearchError::Sim(error)) => Err(error.into()),
    }
}

fn bytes(footprint: Footprint, unit: usize) -> Footprint {
    Footprint {
        row: footprint.row * unit as u64,
        ..footprint
    }
}

/// Costs by units.
struct ByUnit<'a> {
    costs: &'a dyn Costs,
    unit: usize,
}

impl Costs for ByUnit<'_> {
    fn execution(&self, stage: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String> {
        self.costs.execution(stage, device, batch * self.unit)
    }

    fn slow_down(&self, loads: &[Load]) -> Vec<f64> {
        let loads = loads.iter().map(|load| Load {
            rows: load.rows * self.unit,
            ..*load
        });
        self.costs.slow_down(&loads.collect::<Vec<Load>>())
    }

    fn bandwidth(&self) -> Option<f64> {
        self.costs.bandwidth()
    }

    fn host(&self, shared: bool) -> HostCosts {
        self.costs.host(shared)
    }
}

impl ByRows for Plan {
    fn by_rows(self, unit: usize) -> Plan {
        self.of_units(unit)
    }
}

impl ByRows for SearchOutcome {
    fn by_rows(self, unit: usize) -> SearchOutcome {
        let best = self.best.into_iter();
        SearchOutcome {
            best: best.map(|figures| figures.by_rows(unit)).collect(),
            bound: Bound {
                devices: self.bound.devices * unit as f64,
                bandwidth: self.bound.bandwidth.map(|rate| rate * unit as f64),
            },
            ..self
        }
    }
}

impl ByRows for Figures {
    fn by_rows(self, unit: usize) -> Figures {
        Figures {
            plan: self.plan.by_rows(unit),
            rows_per_second: self.rows_per_second * unit as f64,
            joules_per_row: self.joules_per_row.map(|joules| joules / unit as f64),
            ..self
        }
    }
}

impl ByRows for Infeasible {
    fn by_rows(mut self, unit: usize) -> Infeasible {
        let (Infeasible::Latency { rows, plan, .. }
        | Infeasible::Memory { rows, plan, .. }
        | Infeasible::Engines { rows, plan, .. }) = &mut self;
        *rows *= unit;
        *plan = plan.clone().by_rows(unit);
        self
    }
}
