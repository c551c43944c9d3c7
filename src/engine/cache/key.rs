//! What a plan file was built from: two engines share a file exactly when all of this is equal.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::StageKind;
use crate::plan::Device;

/// The kind of device. The core is no part of the key: a serialised DLA engine carries none, the runtime's
/// `setDLACore` decides where it runs (onnxruntime issue 26680 shows engines built for core 1 running on core 0
/// until the runtime was told), so one file serves both cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    Gpu,
    Dla,
}

impl From<Device> for DeviceKind {
    fn from(device: Device) -> DeviceKind {
        match device {
            Device::Gpu => DeviceKind::Gpu,
            Device::Dla(_) => DeviceKind::Dla,
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DeviceKind::Gpu => "gpu",
            DeviceKind::Dla => "dla",
        })
    }
}

/// Everything that decides what a serialised engine contains and where it can be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheKey {
    /// The network's name, for people.
    pub network: String,
    pub stage: StageKind,
    /// [`crate::bundle::digest`] of the stage at this batch: its nodes, shapes and weights.
    pub digest: String,
    pub device: DeviceKind,
    /// Rows per execution.
    pub batch: usize,
    /// `fp16`, `int8` ...
    pub precision: String,
    /// Every other build option, as one line of JSON.
    pub options: String,
    /// The library and its version, e.g. `TensorRT 8.5.2`.
    pub library: String,
    /// The GPU's name, and its compute capability.
    pub gpu: String,
    pub compute_capability: (u32, u32),
    /// The version of this program: another one may express the same network in other layers.
    pub program: String,
}

impl CacheKey {
    /// The key's file in a cache folder: `<SHA-256 of the key>.plan`.
    pub fn file_name(&self) -> String {
        let json = serde_json::to_vec(self).expect("a key is plain data");
        format!("{}.{}", hex(&Sha256::digest(json)), super::EXTENSION)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
