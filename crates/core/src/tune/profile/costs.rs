//! A table's times as costs of the stages of a network.

use std::collections::HashMap;

use super::{Profile, Unit};
use crate::plan::{Device, StageKind};
use crate::sim::{Costs, ExecutionCost};

/// Times by stage and device. A table says nothing of what devices side by side cost each other.
#[derive(Debug, Clone)]
pub struct TableCosts(HashMap<(StageKind, Device), Unit>);

/// A name in the column `device` that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no device of a plan")]
pub struct NoDevice(String);

impl TableCosts {
    /// `gpu`, `dla0`, `dla1` are what is dealt to devices, the prefix; `gpu:suffix` is the suffix, `gpu:whole` the network
    /// uncut.
    ///
    /// # Errors
    /// [`NoDevice`] for any other name.
    pub fn new(profile: &Profile) -> Result<TableCosts, NoDevice> {
        let mut costs = HashMap::new();
        for unit in &profile.units {
            let unknown = || NoDevice(unit.name.clone());
            let key = match unit.name.as_str() {
                "gpu:suffix" => (StageKind::Suffix, Device::Gpu),
                "gpu:whole" => (StageKind::Whole, Device::Gpu),
                name => (StageKind::Prefix, name.parse().map_err(|_| unknown())?),
            };
            costs.insert(key, unit.clone());
        }
        Ok(TableCosts(costs))
    }

    pub fn has(&self, stage: StageKind, device: Device) -> bool {
        self.0.contains_key(&(stage, device))
    }

    /// What a search needs that the table lacks, for a network with a `suffix` or without, on the GPU alone or `shared`.
    pub fn missing(&self, suffix: bool, shared: bool) -> Option<&'static str> {
        let gpu = |stage| self.has(stage, Device::Gpu);
        match (suffix, shared) {
            (_, true) if !gpu(StageKind::Prefix) => Some("gpu"),
            (true, true) if !gpu(StageKind::Suffix) => Some("gpu:suffix"),
            (true, _) if !gpu(StageKind::Whole) => Some("gpu:whole"),
            (false, _) if !gpu(StageKind::Prefix) && !gpu(StageKind::Whole) => Some("gpu"),
            _ => None,
        }
    }

    /// Without a suffix the prefix is the network.
    fn unit(&self, stage: StageKind, device: Device) -> Option<&Unit> {
        let whole = stage == StageKind::Whole && !self.has(StageKind::Suffix, Device::Gpu);
        let prefix = whole.then_some((StageKind::Prefix, device));
        let unit = self.0.get(&(stage, device));
        unit.or_else(|| self.0.get(&prefix?))
    }
}

impl Costs for TableCosts {
    fn execution(&self, stage: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String> {
        let unit = self.unit(stage, device).ok_or("the table has no times of it")?;
        Ok(ExecutionCost::time(unit.ms(batch) * 1e3))
    }
}
