//! What a run did, for reports.

use std::collections::BTreeMap;

use serde::Serialize;

/// One device's part of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DeviceStats {
    /// Prefix rows whose results counted.
    pub rows: usize,
    /// Executions, suffix included.
    pub rounds: usize,
    /// Seconds inside its engines.
    pub busy: f64,
    /// Rows computed only to fill an engine's batch.
    pub padding: usize,
    /// Prefix rows that other devices took over.
    pub redealt: usize,
    /// Why the device is no longer used.
    pub failure: Option<String>,
}

/// Times and counts of one run. Building engines is not part of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Rows of the batch.
    pub rows: usize,
    /// Seconds from the first command to the last result.
    pub seconds: f64,
    /// Seconds until all prefix rows were merged.
    pub prefix_seconds: f64,
    pub devices: BTreeMap<String, DeviceStats>,
}

impl Stats {
    /// Rows per second of the whole run.
    pub fn rate(&self) -> f64 {
        self.rows as f64 / self.seconds
    }

    /// Rows that a lost device left to others.
    pub fn redealt(&self) -> usize {
        self.devices.values().map(|d| d.redealt).sum()
    }
}
