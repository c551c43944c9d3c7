//! Which DLA a network is cut for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::expr::{Facts, Value};

/// The chip's DLA generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chip {
    Xavier,
    Orin,
}

/// What the DLA computes in; it has no float32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    Fp16,
    Int8,
}

impl Precision {
    /// Bytes of one element.
    pub const fn bytes(self) -> usize {
        match self {
            Precision::Fp16 => 2,
            Precision::Int8 => 1,
        }
    }
}

/// A TensorRT version: major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The last TensorRT before 11 that has this chip's DLA.
    pub fn last_with_dla(chip: Chip) -> Version {
        match chip {
            Chip::Xavier => Version(8, 5, 2),
            Chip::Orin => Version(10, 7, 0),
        }
    }
}

/// Everything the DLA rules depend on beside the layer itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DlaTarget {
    pub chip: Chip,
    pub tensorrt: Version,
    pub precision: Precision,
}

/// The paper's board: a Jetson Xavier NX with the last TensorRT that has its DLA, in FP16.
impl Default for DlaTarget {
    fn default() -> DlaTarget {
        DlaTarget {
            chip: Chip::Xavier,
            tensorrt: Version(8, 5, 2),
            precision: Precision::Fp16,
        }
    }
}

impl DlaTarget {
    pub(super) fn facts(&self) -> Facts {
        let Version(major, minor, patch) = self.tensorrt;
        let version = [major, minor, patch].map(|part| Value::from(part as usize));
        Facts::from([
            ("chip", self.chip.rule_name().into()),
            ("precision", self.precision.rule_name().into()),
            ("trt", Value::Tuple(version.to_vec())),
            ("e", self.precision.bytes().into()),
        ])
    }
}

impl Chip {
    pub(super) fn rule_name(self) -> &'static str {
        match self {
            Chip::Xavier => "Xavier",
            Chip::Orin => "Orin",
        }
    }
}

impl Precision {
    pub(super) fn rule_name(self) -> &'static str {
        match self {
            Precision::Fp16 => "FP16",
            Precision::Int8 => "INT8",
        }
    }
}

/// As options spell it.
impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Chip::Xavier => "xavier",
            Chip::Orin => "orin",
        })
    }
}

impl FromStr for Chip {
    type Err = String;

    fn from_str(text: &str) -> Result<Chip, String> {
        match text {
            "xavier" => Ok(Chip::Xavier),
            "orin" => Ok(Chip::Orin),
            other => Err(format!("`{other}` is not a chip: use xavier or orin")),
        }
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Precision, String> {
        match text {
            "fp16" => Ok(Precision::Fp16),
            "int8" => Ok(Precision::Int8),
            other => Err(format!("`{other}` is not a DLA precision: use fp16 or int8")),
        }
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Version, String> {
        let wrong = || format!("`{text}` is not a TensorRT version: write it like 8.5.2");
        let parts: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        match parts.map_err(|_| wrong())?.as_slice() {
            [major, minor] => Ok(Version(*major, *minor, 0)),
            [major, minor, patch] => Ok(Version(*major, *minor, *patch)),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Version, String> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl fmt::Display for DlaTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} DLA, TensorRT {}, {}",
            self.chip.rule_name(),
            self.tensorrt,
            self.precision.rule_name()
        )
    }
}
