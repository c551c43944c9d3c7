//! What a stream did so far.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::super::stats::DeviceStats;
use crate::plan::Device;

/// Longest latency that is told apart from longer ones.
const LONGEST: Duration = Duration::from_secs(3600);

/// Counts, and latencies to three digits.
#[derive(Debug, Clone)]
pub struct StreamStats {
    pub arrived: u64,
    pub computed: u64,
    /// The stream was full, and was asked to drop.
    pub dropped: u64,
    pub failed: u64,
    /// Computed, but later than the bound.
    pub late: u64,
    /// Items in the stream now.
    pub open: u64,
    /// Why the stream does not go on as it should: something panicked, or no device is left that could compute a row.
    pub broken: Option<String>,
    /// By name of the device.
    pub devices: BTreeMap<String, DeviceStats>,
    /// Microseconds from arrival to answer of computed items.
    latencies: Histogram<u64>,
}

impl Default for StreamStats {
    fn default() -> StreamStats {
        let longest = LONGEST.as_micros() as u64;
        let mut latencies = Histogram::new_with_bounds(1, longest, 3);
        if latencies.is_err() {
            latencies = Histogram::new(3);
        }
        StreamStats {
            broken: None,
            arrived: 0,
            computed: 0,
            dropped: 0,
            failed: 0,
            late: 0,
            open: 0,
            devices: BTreeMap::new(),
            latencies: latencies.expect("three digits are allowed"),
        }
    }
}

impl StreamStats {
    /// The first reason stays.
    pub(crate) fn break_down(&mut self, reason: String) {
        self.broken.get_or_insert(reason);
    }

    /// The latency that `share` (0 to 1) of the computed items did not exceed; zero before the first.
    pub fn latency(&self, share: f64) -> Duration {
        Duration::from_micros(self.latencies.value_at_quantile(share))
    }

    pub fn mean_latency(&self) -> Duration {
        Duration::from_secs_f64(self.latencies.mean() / 1e6)
    }

    /// Computed items that took at most this long.
    pub fn within(&self, latency: Duration) -> u64 {
        let micros = latency.as_micros() as u64;
        self.latencies.count_between(0, micros)
    }

    pub(super) fn computed(&mut self, latency: Duration, bound: Option<Duration>) {
        self.computed += 1;
        self.late += u64::from(bound.is_some_and(|bound| latency > bound));
        self.latencies.saturating_record(latency.as_micros() as u64);
    }

    pub(super) fn device(&mut self, device: Device) -> &mut DeviceStats {
        self.devices.entry(device.to_string()).or_default()
    }
}
