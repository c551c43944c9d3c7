//! What a run did and how long it took.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::{Device, counted};
use crate::trace::Span;

/// Times and counts of one run, in seconds of wall-clock time. Building engines is not part of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Rows of the batch.
    pub rows: usize,
    /// The GPU ran the network in one piece: there was no cut, no merge and no suffix, and `prefix_seconds` is the
    /// time of everything.
    pub uncut: bool,
    /// From the first command to the last result in its place.
    pub seconds: f64,
    /// Until the last prefix row was merged.
    pub prefix_seconds: f64,
    /// After that.
    pub suffix_seconds: f64,
    /// Copying results to their places; most of it overlaps the devices' work.
    pub merge_seconds: f64,
    /// By name of the device.
    pub devices: BTreeMap<String, DeviceStats>,
    /// Every execution that gave a result, in the order of the results.
    #[serde(skip)]
    pub spans: Vec<Span>,
}

/// One device's part of a run. Everything but the `suffix_` fields covers both stages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceStats {
    /// Prefix rows whose results counted.
    pub rows: usize,
    /// Suffix rows whose results counted.
    pub suffix_rows: usize,
    /// Executions that gave a result, suffix included.
    pub rounds: usize,
    pub suffix_rounds: usize,
    /// Seconds inside its engines.
    pub busy: f64,
    pub suffix_busy: f64,
    /// Rows computed only to fill an engine's batch.
    pub padding: usize,
    /// Prefix rows that other devices took over.
    pub redealt: usize,
    /// Why the device was lost in this run or before it.
    pub failure: Option<String>,
    /// It exceeded the time limit: this session never uses it again. A device that only failed is tried again.
    pub hung: bool,
}

impl DeviceStats {
    /// What it computed, in words.
    pub fn describe(&self) -> String {
        let first = format!(
            "{} in {}",
            counted(self.rows, "row"),
            counted(self.rounds - self.suffix_rounds, "round")
        );
        match self.suffix_rounds {
            0 => first,
            rounds => format!(
                "{first}, the suffix of {} in {rounds}",
                counted(self.suffix_rows, "row")
            ),
        }
    }
}

impl Stats {
    /// Rows per second of the whole run.
    pub fn rate(&self) -> f64 {
        self.rows as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// Seconds inside engines per prefix row, of the devices that ran some.
    pub fn row_seconds(&self) -> BTreeMap<Device, f64> {
        let devices = self.devices.iter().filter(|(_, d)| d.rows > 0);
        let devices = devices.filter_map(|(name, d)| {
            let seconds = (d.busy - d.suffix_busy) / d.rows as f64;
            Some((name.parse::<Device>().ok()?, seconds))
        });
        devices.collect()
    }

    /// Rows that a lost device left to others.
    pub fn redealt(&self) -> usize {
        self.devices.values().map(|d| d.redealt).sum()
    }

    /// Seconds in which neither the device with the most prefix work had any, nor the GPU the suffix: what the run
    /// costs beyond its engines.
    pub fn overhead_seconds(&self) -> f64 {
        let devices = self.devices.values();
        let prefix = devices.clone().map(|d| d.busy - d.suffix_busy);
        let suffix: f64 = devices.map(|d| d.suffix_busy).sum();
        self.seconds - prefix.fold(0.0, f64::max) - suffix
    }

    pub(super) fn device(&mut self, device: Device) -> &mut DeviceStats {
        self.devices.entry(device.to_string()).or_default()
    }
}
