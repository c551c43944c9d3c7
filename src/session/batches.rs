//! The devices of a stream and their batches.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

use super::{ChosenPlan, PlanOrigin, Session, SessionError, StreamConfig};
use crate::plan::{Cut, Device, Plan};

/// Full batches that a plan is looked up for: enough that every device which helps has a share.
const BATCHES: usize = 8;

/// The batches of every device.
pub(super) type Batches = Vec<(Device, BTreeSet<usize>)>;

/// Where the devices and batches of a stream are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchOrigin {
    /// Those of a plan; where nobody asked for it, and smaller batches.
    Plan(PlanOrigin),
    /// All devices, in batches up to the configured one.
    AllDevices,
}

impl fmt::Display for BatchOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchOrigin::Plan(origin) => write!(f, "those of a plan, {origin}"),
            BatchOrigin::AllDevices => f.write_str("the usual ones on every device"),
        }
    }
}

impl Serialize for BatchOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Session {
    /// The batches of every device, in items.
    pub(super) fn stream_batches(
        &self,
        config: &StreamConfig,
    ) -> Result<(Batches, BatchOrigin), SessionError> {
        if let Some(plan) = config.plan.as_ref().or(self.config.plan.as_ref()) {
            self.check_plan(plan)?;
            if plan.cut != Cut::Longest {
                return Err(SessionError::StreamCut(plan.clone()));
            }
            self.longest().check_stream(plan)?;
            self.alone.check_stream(plan)?;
            return Ok((self.shares(plan), BatchOrigin::Plan(PlanOrigin::Asked)));
        }
        let most = |device| match device {
            Device::Gpu if self.fixed.is_some() => 1,
            Device::Gpu => (config.max_batch / self.item_rows()).max(1),
            // Its rows also go through the suffix in its batches.
            Device::Dla(_) if self.longest().fixed() => 1,
            Device::Dla(_) => {
                let rows = self.most_dla_rows(&self.longest().first) / self.network_rows();
                (config.max_batch / self.item_rows()).clamp(1, rows.max(1))
            }
        };
        let given = self.stream_plan().map(Ok);
        if let Some(chosen) = given.or_else(|| self.stream_by_rates(config.max_batch)) {
            let chosen = chosen?;
            let up_to = |(device, batches): (Device, BTreeSet<usize>)| {
                let largest = batches.last().copied().unwrap_or(1);
                (device, powers(largest.min(most(device))))
            };
            let batches = self.shares(&chosen.plan).into_iter().map(up_to).collect();
            return Ok((batches, BatchOrigin::Plan(chosen.origin)));
        }
        let able = |device: &Device| *device == Device::Gpu || self.shared.is_ok();
        let devices = self.devices().into_iter().filter(able);
        let batches = devices.map(|device| (device, powers(most(device))));
        Ok((batches.collect(), BatchOrigin::AllDevices))
    }

    /// The batches of every device in a plan, in items.
    fn shares(&self, plan: &Plan) -> Batches {
        let unit = self.network_rows();
        let batches = |device| {
            let shares = plan.prefix.iter().filter(|s| s.device == device);
            shares.map(|s| (s.batch / unit).max(1)).collect()
        };
        let devices = plan.devices().into_iter();
        devices.map(|device| (device, batches(device))).collect()
    }

    /// The plan for many rows by what is known of the devices; `None` where they are alike or nothing is.
    fn stream_by_rates(&self, most: usize) -> Option<Result<ChosenPlan, SessionError>> {
        let rows = most.max(1).saturating_mul(BATCHES);
        self.planned(rows)?;
        let chosen = self.chosen(rows);
        let longest = |chosen: &ChosenPlan| chosen.plan.cut == Cut::Longest;
        Some(chosen).filter(|chosen| chosen.as_ref().map_or(true, longest))
    }

    /// Of the plans for single batches the one for most rows that a stream can follow.
    fn stream_plan(&self) -> Option<ChosenPlan> {
        let devices = self.devices();
        let here = |plan: &Plan| plan.devices().iter().all(|d| devices.contains(d));
        let fits = |chosen: &ChosenPlan| {
            let plan = &chosen.plan;
            plan.cut == Cut::Longest && here(plan) && self.check_plan(plan).is_ok()
        };
        let mut found: Option<ChosenPlan> = None;
        for chosen in self.defaults().filter(fits) {
            // A file comes before the artifact.
            let better =
                |old: &ChosenPlan| old.origin == chosen.origin && old.plan.total() < chosen.plan.total();
            if found.as_ref().is_none_or(better) {
                found = Some(chosen);
            }
        }
        found
    }
}

/// `most`, and the powers of two below it.
fn powers(most: usize) -> BTreeSet<usize> {
    let powers = std::iter::successors(Some(1usize), |n| n.checked_mul(2));
    powers.take_while(|n| *n < most).chain([most]).collect()
}
