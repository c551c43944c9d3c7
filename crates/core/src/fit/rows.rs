//! The published measurements, one row each.

use serde::Deserialize;

const MEASUREMENTS: &str = include_str!("../../../../data/measurements.csv");

/// One row of `data/measurements.csv`; its columns in their order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub id: String,
    pub device: String,
    pub power_mode: String,
    pub gpu_mhz: Option<f64>,
    pub dla_mhz: Option<f64>,
    pub emc_mhz: Option<f64>,
    pub precision: String,
    pub batch: String,
    pub model: String,
    pub input: String,
    pub level: String,
    pub layer: String,
    pub processor: String,
    pub concurrent_with: String,
    pub metric: String,
    pub value: f64,
    pub unit: String,
    pub kind: String,
    pub tensorrt: String,
    pub software: String,
    pub source: String,
    pub source_path: String,
    pub note: String,
}

impl Row {
    /// The source without its commit.
    pub fn origin(&self) -> String {
        let text = self.source.split(" (").next().unwrap_or(&self.source);
        let text = text.split("/issues/").next().unwrap_or(text);
        text.trim_start_matches("https://github.com/").to_string()
    }

    /// Microseconds of one execution of `rows` rows.
    pub fn micros(&self, rows: f64) -> Option<f64> {
        match self.unit.as_str() {
            "ms" => Some(self.value * 1e3),
            "img/s" => Some(rows * 1e6 / self.value),
            "batches/s" => Some(1e6 / self.value),
            _ => None,
        }
    }
}

/// All of them.
///
/// # Errors
/// The line that is no row.
pub fn rows() -> Result<Vec<Row>, csv::Error> {
    csv::Reader::from_reader(MEASUREMENTS.as_bytes())
        .deserialize()
        .collect()
}
