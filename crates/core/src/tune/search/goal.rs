//! What a plan is for, and what it must keep.

use std::str::FromStr;

use serde::Serialize;

use crate::plan::{Plan, counted};

/// What is best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// Most rows per second.
    Throughput,
    /// Most rows per second with 99 of 100 batches answered within so many milliseconds of their call.
    Latency { p99_ms: f64 },
    /// Least energy per row.
    Energy(Power),
}

/// What a board takes, in watts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// All the time.
    pub idle: f64,
    /// More while the GPU computes.
    pub gpu: f64,
    /// More while one DLA core computes.
    pub dla: f64,
}

/// What no plan may exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes of engines and of rows on their way.
    pub memory: Option<u64>,
    /// Engines to build.
    pub engines: Option<usize>,
}

/// A goal that no plan reaches: which bound fails, and the nearest that could be kept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Infeasible {
    #[error("no plan for {} answers 99 of 100 batches within {asked:.3} ms: the fastest, {plan}, takes {nearest:.3} ms", counted(*rows, "row"))]
    Latency {
        rows: usize,
        asked: f64,
        nearest: f64,
        plan: Plan,
    },
    #[error("no plan for {} fits in {asked} bytes of memory: the smallest, {plan}, needs {nearest}", counted(*rows, "row"))]
    Memory {
        rows: usize,
        asked: u64,
        nearest: u64,
        plan: Plan,
    },
    #[error("no plan for {} needs {} or fewer: {plan} needs {nearest}", counted(*rows, "row"), counted(*asked, "engine"))]
    Engines {
        rows: usize,
        asked: usize,
        nearest: usize,
        plan: Plan,
    },
}

impl Infeasible {
    /// What to ask for instead.
    pub fn help(&self) -> String {
        match self {
            Infeasible::Latency { nearest, .. } => format!(
                "the nearest bound that can be kept is {:.3} ms; fewer rows take less",
                (nearest * 1e3).ceil() / 1e3
            ),
            Infeasible::Memory { nearest, .. } => {
                format!("allow {nearest} bytes, or use fewer rows")
            }
            Infeasible::Engines { nearest, .. } => format!("allow {}", counted(*nearest, "engine")),
        }
    }
}

/// A power that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no power: write watts like idle=3.5,gpu=6,dla=1.5")]
pub struct PowerError(String);

impl FromStr for Power {
    type Err = PowerError;

    fn from_str(text: &str) -> Result<Power, PowerError> {
        let wrong = || PowerError(text.to_string());
        let [mut idle, mut gpu, mut dla] = [None; 3];
        for part in text.split(',') {
            let (name, watts) = part.trim().split_once('=').ok_or_else(wrong)?;
            let place = match name {
                "idle" => &mut idle,
                "gpu" => &mut gpu,
                "dla" => &mut dla,
                _ => return Err(wrong()),
            };
            let watts = watts.parse::<f64>().ok();
            let watts = watts.filter(|w| w.is_finite() && *w >= 0.0);
            if place.replace(watts.ok_or_else(wrong)?).is_some() {
                return Err(wrong());
            }
        }
        match (idle, gpu, dla) {
            (Some(idle), Some(gpu), Some(dla)) => Ok(Power { idle, gpu, dla }),
            _ => Err(wrong()),
        }
    }
}

impl Serialize for Goal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Goal::Throughput => f.write_str("throughput"),
            Goal::Latency { p99_ms } => write!(f, "throughput with p99 within {p99_ms} ms"),
            Goal::Energy(Power { idle, gpu, dla }) => {
                write!(f, "energy at {idle} W idle, {gpu} W gpu, {dla} W per dla")
            }
        }
    }
}
