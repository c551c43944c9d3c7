//! Which device runs how many rows in which batches. The paper's notation: total = 2·N_D·r_D + N_G·r_G.

use std::fmt;

use serde::{Deserialize, Serialize};

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
            Device::Gpu => f.write_str("gpu"),
            Device::Dla(core) => write!(f, "dla{core}"),
        }
    }
}

/// One device's part of the prefix: `rounds` executions of an engine of `batch` rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    #[serde(with = "device_name")]
    pub device: Device,
    pub batch: usize,
    pub rounds: usize,
}

/// How one batch is dealt to the devices, and in which batch the merged suffix runs on the GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub prefix: Vec<Share>,
    pub suffix_batch: usize,
}

mod device_name {
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

impl std::str::FromStr for Device {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_reads_back_as_it_prints() {
        for device in [Device::Gpu, Device::Dla(0), Device::Dla(1)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        let error = "dla2".parse::<Device>().unwrap_err();
        assert!(error.contains("`dla2`"), "{error}");
    }
}
