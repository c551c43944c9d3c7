//! The plan of a batch by what is known, where anything is.

use super::{ChosenPlan, PlanOrigin, Session, SessionError};
use crate::plan::Plan;

impl Session {
    pub(super) fn planned(&self, batch: usize) -> Option<ChosenPlan> {
        let learning = self.learning.as_ref()?;
        if let Some(made) = learning.made().get(&batch) {
            return Some(made.clone());
        }
        let planner = learning.planner();
        if self.backend.alike() && !planner.has_turned() {
            // Devices that are alike get an equal deal until one has shown to be slower.
            return None;
        }
        let (plan, source) = planner.plan(batch)?;
        let origin = PlanOrigin::of(source, planner.kept());
        let made = ChosenPlan { plan, origin };
        learning.made().insert(batch, made.clone());
        Some(made)
    }

    /// The best plan of the GPU alone for `batch` rows, by what is known.
    ///
    /// # Errors
    /// Rows that a network of fixed batch cannot run.
    pub fn gpu_alone(&self, batch: usize) -> Result<Plan, SessionError> {
        let learning = self.learning.as_ref();
        match learning.and_then(|learning| learning.planner().alone(batch)) {
            Some(known) => Ok(known),
            None => self.uncut(batch),
        }
    }

    /// The best plan for `batch` rows that this session knows: one that was given, else the best by what is known, sure
    /// or not; otherwise the one that it takes anyway.
    ///
    /// # Errors
    /// As [`Session::plan_for`].
    pub fn best_known(&self, batch: usize) -> Result<ChosenPlan, SessionError> {
        let taken = self.chosen(batch)?;
        let own = match taken.origin {
            PlanOrigin::Asked | PlanOrigin::File(_) | PlanOrigin::Artifact => None,
            PlanOrigin::Learned
            | PlanOrigin::Kept
            | PlanOrigin::Simulated { .. }
            | PlanOrigin::Embedded { .. }
            | PlanOrigin::GpuAlone
            | PlanOrigin::EqualDeal => self.learning.as_ref(),
        };
        let best = own.and_then(|learning| learning.planner().likeliest(batch));
        let best = best.filter(|plan| self.check_plan(plan).is_ok());
        Ok(match best {
            Some(plan) => ChosenPlan { plan, ..taken },
            None => taken,
        })
    }

    /// The plan that batches of this size began with, and go on with until they lead to another.
    pub(super) fn begun(&self, batch: usize) -> Option<ChosenPlan> {
        let learning = self.learning.as_ref()?;
        learning.planner().next(batch)?;
        learning.made().get(&batch).cloned()
    }

    /// The plan that earlier batches led to.
    pub(super) fn learned(&self, batch: usize) -> Option<Plan> {
        let planner = self.learning.as_ref()?.planner();
        let (plan, learned) = planner.next(batch)?;
        learned.then(|| plan.clone())
    }
}
