//! Races of plans, each with what the one before it showed.

use std::error::Error;

use super::bench::Bench;
use super::found::Point;
use crate::plan::Plan;
use crate::session::Session;
use crate::sim::Costs;
use crate::tune::Sites;
use crate::tune::search::{Goal, Limits, SearchError, Space, search};

/// Races of plans for one batch at most.
const RACES: usize = 3;

/// What plans are looked for.
pub struct Field<'a> {
    pub sites: &'a Sites,
    pub limits: Limits,
    pub goal: &'a Goal,
    /// Plans of a search that are measured.
    pub count: usize,
}

impl Field<'_> {
    pub fn space<'c>(&self, costs: &'c dyn Costs, session: &Session) -> Space<'c> {
        Space {
            limits: self.limits,
            ..self.sites.space(costs, [costs], &session.devices())
        }
    }

    /// Searches again with what the plans that ran showed, and lets what is new race against the best of them, until
    /// nothing better is expected.
    pub fn refined(&self, bench: &mut Bench<'_>, mut point: Point) -> Result<Point, Box<dyn Error>> {
        let mut ran: Vec<Plan> = point.measured.iter().map(|m| m.plan.clone()).collect();
        for race in 1..RACES {
            let costs = bench.costs(point.batch, race);
            let space = self.space(&costs, bench.session);
            let best = match search(&space, point.batch, self.goal) {
                Ok(found) => found.best,
                Err(SearchError::Infeasible(_)) => break,
                Err(error) => return Err(error.into()),
            };
            if best.first().is_none_or(|first| ran.contains(&first.plan)) {
                break;
            }
            let new = best.into_iter().map(|figures| figures.plan);
            let new = new.filter(|plan| !ran.contains(plan)).take(self.count);
            let mut plans = vec![point.plan.clone()];
            plans.extend(new);
            ran.extend_from_slice(&plans[1..]);
            bench.contest(&space, self.goal, race, plans, &mut point)?;
        }
        Ok(point)
    }
}
