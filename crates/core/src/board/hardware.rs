//! What a board file says: arithmetic per clock, clocks per power mode, memory.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::split::{Chip, Precision};

/// One board.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// As `--board` spells it.
    pub name: Name,
    /// As its maker spells it.
    pub title: Name,
    pub chip: Chip,
    /// The mode used when none is named.
    pub default_mode: Name,
    pub gpu: GpuHardware,
    pub dla: DlaHardware,
    pub memory: Memory,
    pub modes: Vec<Mode>,
    /// Where the figures come from.
    pub sources: Vec<Name>,
    #[serde(default)]
    pub notes: Vec<String>,
}

/// The generation of a GPU; constants are fitted per generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    Volta,
    Ampere,
}

/// A GPU: multiply-accumulates per streaming multiprocessor (SM) and clock, without sparsity.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuHardware {
    pub architecture: Architecture,
    pub sms: Count,
    /// Second-level cache.
    pub cache_kib: Positive,
    /// CUDA cores.
    pub fp32_fma_per_sm: Positive,
    /// Tensor cores that take float32 rounded to TF32; TensorRT uses them for float32 networks where they exist.
    #[serde(default)]
    pub tf32_fma_per_sm: Option<Positive>,
    pub fp16_fma_per_sm: Positive,
    pub int8_mac_per_sm: Positive,
}

/// All DLA cores are alike.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DlaHardware {
    pub cores: Cores,
    pub int8_mac_per_cycle: Positive,
    pub fp16_mac_per_cycle: Positive,
    /// Convolution buffer of one core.
    pub buffer_kib: Positive,
    /// On-chip memory beside it.
    pub sram_kib: Positive,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Width of the DRAM interface.
    pub bits: Positive,
}

/// Clocks in one power mode.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mode {
    pub name: Name,
    pub gpu_mhz: Megahertz,
    pub dla_mhz: Megahertz,
    /// Memory clock; two transfers per cycle.
    pub emc_mhz: Megahertz,
    /// SMs that this mode leaves on, where it switches some off.
    #[serde(default)]
    pub gpu_sms: Option<Count>,
    /// The mode's name in its source.
    #[serde(default)]
    pub published_as: Option<Name>,
}

/// What an engine computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arithmetic {
    Fp32,
    Fp16,
    Int8,
}

impl Arithmetic {
    /// Bytes of one element.
    pub const fn bytes(self) -> f64 {
        match self {
            Arithmetic::Fp32 => 4.0,
            Arithmetic::Fp16 => 2.0,
            Arithmetic::Int8 => 1.0,
        }
    }
}

impl From<Precision> for Arithmetic {
    fn from(precision: Precision) -> Arithmetic {
        match precision {
            Precision::Fp16 => Arithmetic::Fp16,
            Precision::Int8 => Arithmetic::Int8,
        }
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Arithmetic::Fp32 => "fp32",
            Arithmetic::Fp16 => "fp16",
            Arithmetic::Int8 => "int8",
        })
    }
}

/// A board in one power mode.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    pub board: Board,
    pub mode: Mode,
}

impl Machine {
    /// Streaming multiprocessors at work.
    pub fn sms(&self) -> f64 {
        f64::from(self.mode.gpu_sms.unwrap_or(self.board.gpu.sms).0)
    }

    /// Most multiply-accumulates of one SM, in 10^6 per second.
    pub fn sm_peak(&self, arithmetic: Arithmetic) -> f64 {
        let gpu = &self.board.gpu;
        let per_clock = match arithmetic {
            Arithmetic::Fp32 => gpu.tf32_fma_per_sm.unwrap_or(gpu.fp32_fma_per_sm),
            Arithmetic::Fp16 => gpu.fp16_fma_per_sm,
            Arithmetic::Int8 => gpu.int8_mac_per_sm,
        };
        per_clock.0 * self.mode.gpu_mhz.0
    }

    /// The same on the CUDA cores, which run what tensor cores cannot: FP16 goes two by two, INT8 four by four.
    pub fn sm_core_peak(&self, arithmetic: Arithmetic) -> f64 {
        let lanes = 4.0 / arithmetic.bytes();
        self.board.gpu.fp32_fma_per_sm.0 * lanes * self.mode.gpu_mhz.0
    }

    /// Most multiply-accumulates of one DLA core, in 10^6 per second; `None` for float32, which it has not.
    pub fn dla_peak(&self, arithmetic: Arithmetic) -> Option<f64> {
        let per_clock = match arithmetic {
            Arithmetic::Fp32 => None,
            Arithmetic::Fp16 => Some(self.board.dla.fp16_mac_per_cycle.0),
            Arithmetic::Int8 => Some(self.board.dla.int8_mac_per_cycle.0),
        };
        per_clock.map(|macs| macs * self.mode.dla_mhz.0)
    }

    /// Peak DRAM bandwidth in bytes per microsecond (10^6 bytes/s): width times two transfers per memory clock.
    pub fn dram(&self) -> f64 {
        self.board.memory.bits.0 / 8.0 * 2.0 * self.mode.emc_mhz.0
    }

    /// `Jetson Xavier NX, 15W`.
    pub fn title(&self) -> String {
        format!("{}, {}", self.board.title.0, self.mode.name.0)
    }
}

/// A figure of a board: finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Positive(pub f64);

impl TryFrom<f64> for Positive {
    type Error = String;

    fn try_from(value: f64) -> Result<Positive, String> {
        if value.is_finite() && value > 0.0 && value < 1e7 {
            Ok(Positive(value))
        } else {
            Err(format!("{value} is not between 0 and 10^7"))
        }
    }
}

/// A clock in MHz: 1 to 100 000.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Megahertz(pub f64);

impl TryFrom<f64> for Megahertz {
    type Error = String;

    fn try_from(value: f64) -> Result<Megahertz, String> {
        if (1.0..=1e5).contains(&value) {
            Ok(Megahertz(value))
        } else {
            Err(format!("{value} MHz is not between 1 and 100000"))
        }
    }
}

/// Units on a chip: 1 to 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Count(pub u32);

impl TryFrom<u32> for Count {
    type Error = String;

    fn try_from(value: u32) -> Result<Count, String> {
        match value {
            1..=1024 => Ok(Count(value)),
            _ => Err(format!("{value} is not between 1 and 1024")),
        }
    }
}

/// DLA cores that this program can drive: 0, 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub struct Cores(pub u8);

impl TryFrom<u8> for Cores {
    type Error = String;

    fn try_from(value: u8) -> Result<Cores, String> {
        match value {
            0..=2 => Ok(Cores(value)),
            _ => Err(format!("{value} cores; there are 0, 1 or 2")),
        }
    }
}

/// A text that is not empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(pub String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Name, String> {
        if text.trim().is_empty() {
            Err("is empty".into())
        } else {
            Ok(Name(text))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
