//! The plan of a batch for which there is none.

use super::{Session, SessionError};
use crate::plan::{Device, Plan};

impl Session {
    /// Rows dealt equally to the devices that have not hung, in the executions that the stages allow.
    pub(super) fn default_plan(&self, batch: usize, hung: &[Device]) -> Result<Plan, SessionError> {
        let devices = self.without(hung);
        let alone = || self.uncut(batch);
        let (Ok(way), false) = (&self.shared, devices.is_empty()) else {
            return alone();
        };
        if way.first_fixed.is_some() {
            self.whole_units(batch)?;
            return Ok(Plan::in_units(batch, &devices, way.unit));
        }
        let mut plan = Plan::balanced_within(batch, &devices, self.most_dla_rows(&way.first));
        if plan.gpu_alone() {
            return alone();
        }
        if way.suffix_fixed.is_some() {
            self.whole_units(batch)?;
            plan.suffix_batch = way.unit;
        }
        Ok(plan)
    }

    /// The GPU alone in one execution of `batch` rows, or in as many as a network of fixed batch needs.
    ///
    /// # Errors
    /// Rows that a network of fixed batch cannot run.
    pub(super) fn uncut(&self, batch: usize) -> Result<Plan, SessionError> {
        match self.fixed {
            None => Ok(Plan::gpu_only(batch)),
            Some(_) => {
                self.whole_units(batch)?;
                Ok(Plan::in_units(batch, &[Device::Gpu], self.alone.unit))
            }
        }
    }

    /// Whether `rows` are a number of executions as compiled.
    pub(super) fn whole_units(&self, rows: usize) -> Result<(), SessionError> {
        let batch = self.alone.unit;
        let stage = || {
            let way = self.longest();
            way.first_fixed.as_ref().or(way.suffix_fixed.as_ref())
        };
        match (self.fixed.as_ref().or_else(stage), rows.is_multiple_of(batch)) {
            (Some(reason), false) => Err(SessionError::FixedRows {
                batch,
                rows,
                reason: reason.clone(),
            }),
            _ => Ok(()),
        }
    }
}
