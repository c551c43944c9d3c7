//! Which plan a batch gets, and whether a plan is possible in this session.

use std::collections::HashSet;
use std::fmt;

use serde::{Serialize, Serializer};

use super::{Session, SessionError};
use crate::graph::Graph;
use crate::plan::{Device, Plan, Share, TunedPlans};
use crate::planner::Source;
use crate::split::{GpuReason, batch_limit, internal_row_bytes};

/// Where a plan is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanOrigin {
    /// The session's configuration.
    Asked,
    /// A file of tuned plans.
    File(String),
    /// Embedded in the artifact.
    Artifact,
    /// What batches of this session took.
    Learned,
    /// What executions took on this machine before.
    Kept,
    /// A model of this board, with its error as a share.
    Simulated { board: String, error: String },
    /// A model of the board that was named when the network was compiled.
    Embedded { board: String, error: String },
    /// Nothing is known of the devices: the GPU does it alone until there is.
    GpuAlone,
    /// There is none for this batch: its rows are dealt equally to devices that are alike.
    EqualDeal,
}

impl fmt::Display for PlanOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanOrigin::Asked => f.write_str("as asked for"),
            PlanOrigin::File(path) => write!(f, "from {path}"),
            PlanOrigin::Artifact => f.write_str("embedded in the artifact"),
            PlanOrigin::Learned => f.write_str("measured as it ran"),
            PlanOrigin::Kept => f.write_str("measured on this machine before"),
            PlanOrigin::Simulated { board, error } => {
                write!(f, "simulated for {board}, {error} error")
            }
            PlanOrigin::Embedded { board, error } => {
                write!(f, "simulated for {board} when it was compiled, {error} error")
            }
            PlanOrigin::GpuAlone => f.write_str("the GPU alone until more is measured"),
            PlanOrigin::EqualDeal => f.write_str("an equal deal"),
        }
    }
}

impl Serialize for PlanOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PlanOrigin {
    /// `kept` says that what was seen is from before this process.
    pub(super) fn of(source: Source, kept: bool) -> PlanOrigin {
        match source {
            Source::Measured if kept => PlanOrigin::Kept,
            Source::Measured => PlanOrigin::Learned,
            Source::Simulated { board, error } => PlanOrigin::Simulated {
                board,
                error: percent(error),
            },
        }
    }
}

/// A plan, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenPlan {
    pub plan: Plan,
    pub origin: PlanOrigin,
}

impl ChosenPlan {
    fn new(plan: &Plan, origin: PlanOrigin) -> ChosenPlan {
        ChosenPlan {
            plan: plan.clone(),
            origin,
        }
    }
}

impl Session {
    /// The plan that [`Session::run`] uses for `batch` rows: the configured one, else a tuned one or the artifact's if it
    /// adds up to this batch and its devices are here, else an equal deal to the devices that have not hung.
    ///
    /// # Errors
    /// A configured plan that does not add up to `batch`, batch 0, or a batch that a network of fixed batch cannot run.
    pub fn plan_for(&self, batch: usize) -> Result<Plan, SessionError> {
        Ok(self.chosen(batch)?.plan)
    }

    /// [`Session::plan_for`], and where the plan is from.
    ///
    /// # Errors
    /// As [`Session::plan_for`].
    pub fn chosen(&self, batch: usize) -> Result<ChosenPlan, SessionError> {
        let hung = self.pipeline().hung();
        self.chosen_without(batch, &hung)
    }

    pub(super) fn chosen_without(&self, batch: usize, hung: &[Device]) -> Result<ChosenPlan, SessionError> {
        let fits =
            |chosen: &ChosenPlan| chosen.plan.total() == batch && self.check_plan(&chosen.plan).is_ok();
        let learned = self.learned(batch).map(|plan| ChosenPlan {
            plan,
            origin: PlanOrigin::Learned,
        });
        let chosen = match (&self.config.plan, learned.filter(fits)) {
            (_, Some(learned)) => learned,
            (Some(plan), None) => ChosenPlan::new(plan, PlanOrigin::Asked),
            (None, None) => {
                let begun = self.begun(batch).filter(fits);
                let planned = || self.planned(batch).filter(fits);
                let known = begun
                    .or_else(|| self.defaults().find(fits))
                    .or_else(planned)
                    .or_else(|| self.embedded().find(fits));
                match known {
                    Some(known) => known,
                    None => self.unmeasured(batch, hung)?,
                }
            }
        };
        chosen.plan.validate(batch, &self.devices)?;
        self.check_plan(&chosen.plan)?;
        Ok(chosen)
    }

    /// The configured plan, which is for every run; without one those for single batches that are
    /// possible here, one for each batch.
    pub fn plans(&self) -> Vec<ChosenPlan> {
        match &self.config.plan {
            Some(plan) => vec![ChosenPlan::new(plan, PlanOrigin::Asked)],
            None => {
                let mut rows = HashSet::new();
                let mut used = |chosen: &ChosenPlan| {
                    self.check_plan(&chosen.plan).is_ok() && rows.insert(chosen.plan.total())
                };
                self.defaults().filter(|chosen| used(chosen)).collect()
            }
        }
    }

    /// The plans for single batches that this session knows, in the order in which they are taken.
    pub fn defaults(&self) -> impl Iterator<Item = ChosenPlan> + '_ {
        let TunedPlans { plans, from } = &self.config.tuned;
        let tuned = plans
            .iter()
            .map(|plan| ChosenPlan::new(plan, PlanOrigin::File(from.clone())));
        let recorded = self.recorded.iter();
        tuned.chain(recorded.map(|plan| ChosenPlan::new(plan, PlanOrigin::Artifact)))
    }

    /// Whether `plan` is possible here for a batch of its own size.
    pub(super) fn check_plan(&self, plan: &Plan) -> Result<(), SessionError> {
        plan.validate(plan.total(), &self.devices)?;
        match &self.shared {
            Err(reason) if !plan.gpu_alone() => Err(SessionError::GpuAlone {
                plan: plan.clone(),
                reason: reason.clone(),
            }),
            _ => {
                let way = self.way(plan)?;
                way.check(plan)?;
                let mut shares = plan.prefix.iter();
                shares.try_for_each(|s| self.check_share(s, &way.first))
            }
        }
    }

    fn check_share(&self, share: &Share, prefix: &Graph) -> Result<(), SessionError> {
        let limit = match share.device {
            Device::Gpu => None,
            Device::Dla(_) => self.dla_limit(share.batch, prefix),
        };
        limit.map_or(Ok(()), |reason| {
            Err(SessionError::DlaBatch {
                device: share.device,
                batch: share.batch,
                reason: reason.to_string(),
            })
        })
    }

    /// The rule of the DLA that an engine of `batch` rows breaks.
    fn dla_limit(&self, batch: usize, prefix: &Graph) -> Option<GpuReason> {
        let target = &self.options.target;
        batch_limit(target, batch, internal_row_bytes(prefix, target))
    }

    /// Most rows, up to 64, that a DLA runs at once.
    pub(super) fn most_dla_rows(&self, prefix: &Graph) -> usize {
        let fits = |rows: &usize| self.dla_limit(*rows, prefix).is_none();
        (1..=64).rev().find(fits).unwrap_or(1)
    }

    /// The plans of the model of the board that was named when the network was compiled; they mean nothing to devices that
    /// are alike.
    fn embedded(&self) -> impl Iterator<Item = ChosenPlan> + '_ {
        let board = self.options.board.iter().filter(|_| !self.backend.alike());
        board.flat_map(|board| {
            let origin = || PlanOrigin::Embedded {
                board: board.title.clone(),
                error: percent(board.error),
            };
            board
                .plans
                .iter()
                .map(move |plan| ChosenPlan::new(plan, origin()))
        })
    }

    /// Without any knowledge: an equal deal to devices that are alike, else the GPU alone.
    fn unmeasured(&self, batch: usize, hung: &[Device]) -> Result<ChosenPlan, SessionError> {
        let equal = self.backend.alike() || !self.devices.contains(&Device::Gpu);
        let (plan, origin) = if equal || self.shared.is_err() {
            (self.default_plan(batch, hung)?, PlanOrigin::EqualDeal)
        } else {
            (self.uncut(batch)?, PlanOrigin::GpuAlone)
        };
        Ok(ChosenPlan { plan, origin })
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}
