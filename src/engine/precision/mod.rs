//! What devices compute in: a precision, and for INT8 the largest magnitude of every tensor.

mod assign;
mod fold;
mod quantised;
mod ranges;
mod stored;
#[cfg(test)]
mod tests;
mod unify;

pub use assign::{Format, HalfReason, PrecisionError, assign};
pub use fold::folded;
pub use quantised::quantised;
pub use ranges::{RangeError, Ranges};
pub use stored::{has_kernel, head, stored};
pub use unify::{MovedNode, SharedScale, Unification};

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::split;

/// What a device computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
pub enum Precision {
    #[default]
    F32,
    F16,
    Int8,
}

/// How a backend computes a network. The default is float32 throughout.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Numerics {
    pub precision: Precision,
    /// Needed by [`Precision::Int8`] only.
    pub ranges: Ranges,
    /// Nodes that INT8 networks compute in FP16, by name.
    pub half: BTreeSet<String>,
}

impl Numerics {
    /// Float32 or FP16, which need no ranges.
    pub fn of(precision: Precision) -> Numerics {
        Numerics {
            precision,
            ..Numerics::default()
        }
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Precision, String> {
        match text {
            "fp32" => Ok(Precision::F32),
            "fp16" => Ok(Precision::F16),
            "int8" => Ok(Precision::Int8),
            other => Err(format!("`{other}` is not a precision: use fp32, fp16 or int8")),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "fp32",
            Precision::F16 => "fp16",
            Precision::Int8 => "int8",
        })
    }
}

/// What the artifact was compiled for.
impl From<split::Precision> for Precision {
    fn from(precision: split::Precision) -> Precision {
        match precision {
            split::Precision::Fp16 => Precision::F16,
            split::Precision::Int8 => Precision::Int8,
        }
    }
}
