//! Names of devices.

use std::fmt;
use std::str::FromStr;

/// Where an engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Device {
    Gpu,
    /// DLA core number.
    Dla(u8),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Gpu => f.pad("gpu"),
            Device::Dla(core) => f.pad(&format!("dla{core}")),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Device, String> {
        match text {
            "gpu" => Ok(Device::Gpu),
            "dla0" => Ok(Device::Dla(0)),
            "dla1" => Ok(Device::Dla(1)),
            other => Err(format!("unknown device `{other}`: use gpu, dla0 or dla1")),
        }
    }
}

/// A device as its name, for `#[serde(with = "...")]`.
pub mod name {
    use super::Device;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(device: &Device, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(device)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Device, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
