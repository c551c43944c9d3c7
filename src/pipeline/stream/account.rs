//! What the driver counts, and which devices it loses.

use std::sync::PoisonError;
use std::time::Duration;

use super::super::error::PipelineError;
use super::driver::Driver;
use super::stats::StreamStats;
use crate::plan::Device;
use crate::schedule::{Failure, Loss, Phase, StreamEvent, StreamTask};

impl<T> Driver<'_, T> {
    pub(super) fn hung(&mut self, device: Device) {
        let message = "did not finish a round within the time limit; this session does not use it again";
        self.stats(|stats| stats.device(device).hung = true);
        self.lose(device, Loss::TimedOut, message.to_string());
    }

    pub(super) fn lose(&mut self, device: Device, loss: Loss, message: String) {
        let lost = |task: &StreamTask| task.device == device;
        let items = self.running.values().filter(|t| lost(t));
        let redealt: usize = items.map(|t| t.items.len() * self.unit).sum();
        self.running.retain(|_, task| !lost(task));
        self.stats(|stats| {
            let stats = stats.device(device);
            stats.redealt += redealt;
            stats.failure.get_or_insert(message);
        });
        self.tell(StreamEvent::Lost(device, loss), None);
    }

    pub(super) fn count(&mut self, task: &StreamTask, busy: Duration) {
        let (rows, padding) = (task.items.len() * self.unit, task.padding() * self.unit);
        self.stats(|stats| {
            let stats = stats.device(task.device);
            stats.rounds += 1;
            stats.padding += padding;
            stats.busy += busy.as_secs_f64();
            match task.phase {
                Phase::Prefix => stats.rows += rows,
                Phase::Suffix => {
                    stats.suffix_rows += rows;
                    stats.suffix_rounds += 1;
                    stats.suffix_busy += busy.as_secs_f64();
                }
            }
        });
    }

    pub(super) fn stats<R>(&self, change: impl FnOnce(&mut StreamStats) -> R) -> R {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut stats)
    }

    pub(super) fn failure(&self, failure: Failure) -> PipelineError {
        let failures = self.stats(|stats| {
            let said = stats.devices.iter();
            let said = said.filter_map(|(name, d)| Some((name.clone(), d.failure.clone()?)));
            said.collect::<Vec<(String, String)>>()
        });
        let gpu = Device::Gpu.to_string();
        match failure {
            Failure::SuffixNeedsGpu(_) => PipelineError::GpuLost {
                reason: failures
                    .into_iter()
                    .find_map(|(name, message)| (name == gpu).then_some(message))
                    .unwrap_or_default(),
            },
            Failure::NoDeviceLeft { rows } => PipelineError::NoDeviceLeft {
                rows,
                reason: failures
                    .iter()
                    .map(|(name, message)| format!("{name}: {message}"))
                    .collect::<Vec<_>>()
                    .join("; "),
            },
        }
    }
}
