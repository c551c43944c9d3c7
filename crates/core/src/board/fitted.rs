//! The constants file: what `scripts/fit_boards` wrote.

use serde::{Deserialize, Serialize};

use super::constants::Key;
use super::hardware::Arithmetic;

const STORED: &str = include_str!("../../../../data/board_constants.json");

/// Constants, and how far predictions made with them are from the measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedModel {
    pub constants: Vec<StoredConstant>,
    pub accuracy: Vec<Accuracy>,
}

/// One constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredConstant {
    pub name: Key,
    pub value: f64,
    pub unit: String,
    pub what: String,
    /// How it was found, with the value expected before.
    pub origin: String,
}

/// Median errors of times without their sign, as shares: 0.1 is 10 %.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    pub processor: Processor,
    pub level: Level,
    /// Of all precisions together where none is given.
    pub precision: Option<Arithmetic>,
    pub rows: usize,
    pub in_sample: f64,
    /// Each source predicted with constants fitted without it.
    pub out_of_sample: f64,
}

/// What was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Processor {
    Gpu,
    Dla,
    /// The GPU and both DLAs.
    Combined,
}

/// Whether a whole network or a part of one was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Network,
    Layer,
}

impl FittedModel {
    /// The one that comes with the program.
    pub fn stored() -> FittedModel {
        serde_json::from_str(STORED).expect("a test reads the constants file")
    }
}
