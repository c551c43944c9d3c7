//! A board that is not quite as its model says.

use super::{Costs, ExecutionCost, HostCosts, Load};
use crate::plan::{Device, StageKind};

/// Costs whose GPU and DLAs take these times as long as `costs` says.
pub struct Off<'a, C> {
    pub costs: &'a C,
    pub gpu: f64,
    pub dla: f64,
}

impl<C: Costs> Costs for Off<'_, C> {
    fn execution(&self, stage: StageKind, device: Device, batch: usize) -> Result<ExecutionCost, String> {
        let mut cost = self.costs.execution(stage, device, batch)?;
        let factor = match device {
            Device::Gpu => self.gpu,
            Device::Dla(_) => self.dla,
        };
        cost.alone_us *= factor;
        cost.submit_us *= factor;
        Ok(cost)
    }

    fn slow_down(&self, loads: &[Load]) -> Vec<f64> {
        self.costs.slow_down(loads)
    }

    fn bandwidth(&self) -> Option<f64> {
        self.costs.bandwidth()
    }

    fn host(&self, shared: bool) -> HostCosts {
        self.costs.host(shared)
    }
}
