//! Which plan a batch gets, and whether a plan is possible in this session.

use super::{Session, SessionError};
use crate::graph::Graph;
use crate::plan::{Device, Plan, Share};
use crate::split::{batch_limit, internal_row_bytes, GpuReason};

impl Session {
    /// The plan that [`Session::run`] uses for `batch` rows: the configured one, else a tuned one or the artifact's if it
    /// adds up to this batch and its devices are here, else an equal deal to the devices that have not hung.
    ///
    /// # Errors
    /// A configured plan that does not add up to `batch`, batch 0, or a batch that a network of fixed batch cannot run.
    pub fn plan_for(&self, batch: usize) -> Result<Plan, SessionError> {
        let hung = self.pipeline().hung();
        self.plan_without(batch, &hung)
    }

    pub(super) fn plan_without(&self, batch: usize, hung: &[Device]) -> Result<Plan, SessionError> {
        let defaults = self.config.tuned.iter().chain(&self.recorded);
        let fits = |plan: &&Plan| plan.total() == batch && self.check_plan(plan).is_ok();
        let plan = match (&self.config.plan, defaults.into_iter().find(fits)) {
            (Some(plan), _) | (None, Some(plan)) => plan.clone(),
            (None, None) => self.default_plan(batch, hung),
        };
        plan.validate(batch, &self.devices)?;
        self.check_plan(&plan)?;
        Ok(plan)
    }

    /// Whether `plan` is possible here for a batch of its own size.
    pub(super) fn check_plan(&self, plan: &Plan) -> Result<(), SessionError> {
        plan.validate(plan.total(), &self.devices)?;
        if let Some(reason) = &self.fixed {
            let own = self.graph.batch();
            if *plan != one_round(own) {
                return Err(SessionError::FixedBatch {
                    batch: own,
                    asked: plan.clone(),
                    reason: reason.clone(),
                });
            }
        }
        match &self.shared {
            Err(reason) if !plan.gpu_alone() => Err(SessionError::GpuAlone {
                plan: plan.clone(),
                reason: reason.clone(),
            }),
            _ => {
                let way = self.way(plan)?;
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

    fn default_plan(&self, batch: usize, hung: &[Device]) -> Plan {
        if self.fixed.is_some() {
            return one_round(batch);
        }
        let devices = self.without(hung);
        match (&self.shared, devices.is_empty()) {
            (Ok(way), false) => {
                Plan::balanced_within(batch, &devices, self.most_dla_rows(&way.first))
            }
            _ => Plan::gpu_only(batch),
        }
    }
}

fn one_round(batch: usize) -> Plan {
    Plan::merged(vec![Share {
        device: Device::Gpu,
        batch,
        rounds: 1,
    }])
}
