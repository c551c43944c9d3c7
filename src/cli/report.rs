//! What the devices did, as every command reports it.

use serde::Serialize;

use super::table::Table;
use super::units;
use crate::pipeline::Stats;

/// One device's part of a run.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceReport {
    pub device: String,
    /// Prefix rows whose results counted.
    pub rows: usize,
    /// Executions, suffix included.
    pub rounds: usize,
    pub busy_seconds: f64,
    /// Share of the run's time that it spent in its engines.
    pub busy_share: f64,
    /// Rows computed only to fill an engine's batch.
    pub padding: usize,
    /// Prefix rows that other devices took over.
    pub redealt: usize,
    pub failure: Option<String>,
}

pub fn devices(stats: &Stats) -> Vec<DeviceReport> {
    let report = |(device, s): (&String, &crate::pipeline::DeviceStats)| DeviceReport {
        device: device.clone(),
        rows: s.rows,
        rounds: s.rounds,
        busy_seconds: s.busy,
        busy_share: s.busy / stats.seconds,
        padding: s.padding,
        redealt: s.redealt,
        failure: s.failure.clone(),
    };
    let mut devices: Vec<DeviceReport> = stats.devices.iter().map(report).collect();
    devices.sort_by_key(|d| (d.device != "gpu", d.device.clone()));
    devices
}

/// A table of the devices, then a line per failure.
pub fn text(devices: &[DeviceReport]) -> String {
    let mut table = Table::new(&["device", "prefix rows", "rounds", "busy"]);
    for device in devices {
        let share = 100.0 * device.busy_share;
        let busy = units::seconds(device.busy_seconds);
        table.row(vec![
            device.device.clone(),
            device.rows.to_string(),
            device.rounds.to_string(),
            format!("{busy} ({share:.0} %)"),
        ]);
    }
    let mut text = table.text(2);
    for device in devices {
        if let Some(failure) = &device.failure {
            let (name, rows) = (&device.device, device.redealt);
            text += &format!("  {name} was lost: {failure}; others computed {rows} of its rows\n");
        }
        if device.padding > 0 {
            let (name, rows) = (&device.device, device.padding);
            text += &format!("  {name} computed {rows} rows only to fill its batch\n");
        }
    }
    text
}
