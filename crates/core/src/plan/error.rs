//! Ways in which a plan can be wrong.

use super::{Device, counted};

/// Says which part of the plan is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("the plan deals rows to no device: write for example gpu=16x4")]
    Empty,
    #[error("the plan gives {device} {} of {}: both must be at least 1 (leave {device} out to not use it)", counted(*rounds, "round"), counted(*batch, "row"))]
    Zero {
        device: Device,
        batch: usize,
        rounds: usize,
    },
    #[error("the plan's suffix batch is 0: it must be at least 1")]
    ZeroSuffix,
    #[error("the plan lists {device} with batch {batch} twice: add up the rounds in one share")]
    Repeated { device: Device, batch: usize },
    #[error(
        "the plan names {device}, which is not available here: use {}",
        names(available)
    )]
    Missing { device: Device, available: Vec<Device> },
    #[error("the plan deals {} but the batch has {batch}: change the rounds, or leave the plan out", counted(*plan, "row"))]
    Rows { plan: usize, batch: usize },
    #[error("the plan's suffix batch {suffix_batch} does not divide its {}", counted(*total, "row"))]
    Suffix { suffix_batch: usize, total: usize },
    #[error("the plan asks for {0} engines of a kind per device: use 1 or 2")]
    Engines(usize),
    #[error(
        "the plan names only the GPU, which then runs the network uncut, but also a {0}: leave that out, or add a DLA"
    )]
    Uncut(&'static str),
    #[error(
        "these plans are for another network (digest {theirs}, not {ours}): tune this one, or leave them out"
    )]
    OtherNetwork { theirs: String, ours: String },
    #[error(
        "these plans are for another board: `{theirs}`, not `{ours}`; tune on this one, or leave them out"
    )]
    OtherBoard { theirs: String, ours: String },
    #[error("the plan's rows do not fit in a machine word: use fewer rounds or smaller batches")]
    TooLarge,
    #[error("`{part}` in the plan: {reason} (a plan reads like gpu=16x12,dla0=16x10,dla1=16x10,suffix=512)")]
    Text { part: String, reason: String },
    #[error("the plan has format version {0}, this program reads version 1")]
    Version(u32),
}

fn names(devices: &[Device]) -> String {
    let names: Vec<String> = devices.iter().map(Device::to_string).collect();
    if names.is_empty() {
        "another backend".to_string()
    } else {
        names.join(", ")
    }
}
