//! What a board takes: given, or measured by its own sensors.

mod meter;
mod sensor;

use std::error::Error;
use std::path::PathBuf;

use clap::Args;

pub use meter::Meter;
use sensor::Sensor;
pub use sensor::SensorError;

use crate::cli::helped;
use crate::tune::search::Power;

/// Where the goal energy knows power from.
#[derive(Args, Clone)]
pub struct PowerOptions {
    /// What the board takes, in watts: idle=3.5,gpu=6,dla=1.5 (default: measured by the board's sensors)
    #[arg(long)]
    power: Option<Power>,
    /// Rails of the board's power monitors (INA3221) whose sum counts
    #[arg(long, value_delimiter = ',', default_value = "VDD_IN")]
    rails: Vec<String>,
    /// Where sysfs is, with the power monitors
    #[arg(long, default_value = "/sys")]
    sysfs: PathBuf,
}

impl PowerOptions {
    pub fn given(&self) -> Option<Power> {
        self.power
    }

    /// Measures the rails.
    pub fn meter(&self) -> Result<Meter, Box<dyn Error>> {
        let sensor = Sensor::find(&self.sysfs, &self.rails).map_err(|error| {
            let help = match &error {
                SensorError::None { .. } => {
                    "give --power idle=W,gpu=W,dla=W; a Jetson's monitors are under /sys (--sysfs)"
                }
                SensorError::Rail { .. } => "name the rails that count with --rails",
                SensorError::Unreadable { .. } => "it may need root; or give --power idle=W,gpu=W,dla=W",
            };
            helped(format!("the goal energy: {error}"), help)
        })?;
        Ok(Meter::new(sensor))
    }
}
