//! Calibrations as JSON: ranges with where they come from.

use serde::{Deserialize, Serialize};

use super::Method;
use super::cache::{self, CacheError};
use crate::bundle::{Bundle, Options};
use crate::engine::precision::{RangeError, Ranges};
use crate::graph::Graph;

const VERSION: u32 = 1;

/// What a calibration found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    version: u32,
    /// Of the network, see [`digest`].
    pub network: String,
    pub method: Method,
    pub images: usize,
    /// Per tensor the magnitude that 127 stands for.
    ranges: std::collections::BTreeMap<String, f32>,
}

/// Why a file gives a network no ranges.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("it is no calibration: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it is no calibration cache of TensorRT: {0}")]
    Cache(#[from] CacheError),
    #[error("it is a calibration of version {0}, and this program reads {VERSION}")]
    Version(u32),
    #[error(transparent)]
    Range(#[from] RangeError),
    #[error("it belongs to another network: its digest is {found}, this network's {wanted}")]
    Network { found: String, wanted: String },
    #[error("it belongs to another network: tensor `{tensor}` does not exist here")]
    Tensor { tensor: String },
}

/// SHA-256 of the network alone, whatever options it was compiled with.
pub fn digest(graph: &Graph) -> String {
    let bundle = Bundle {
        graph: graph.clone(),
        options: Options::default(),
        plan: None,
        origin: None,
        kept: Vec::new(),
    };
    bundle.digest()
}

impl Calibration {
    pub fn new(graph: &Graph, method: Method, images: usize, ranges: &Ranges) -> Calibration {
        Calibration {
            version: VERSION,
            network: digest(graph),
            method,
            images,
            ranges: ranges.iter().map(|(t, max)| (t.to_string(), max)).collect(),
        }
    }
}

/// The ranges that a file holds for `graph`: our JSON, or TensorRT's calibration cache.
///
/// # Errors
/// [`FileError`] when the text is neither, or belongs to another network.
pub fn ranges(text: &str, graph: &Graph) -> Result<Ranges, FileError> {
    if text.trim_start().starts_with('{') {
        of_json(text, graph)
    } else {
        of_cache(text, graph)
    }
}

fn of_json(text: &str, graph: &Graph) -> Result<Ranges, FileError> {
    let calibration: Calibration = serde_json::from_str(text)?;
    if calibration.version != VERSION {
        return Err(FileError::Version(calibration.version));
    }
    let wanted = digest(graph);
    if calibration.network != wanted {
        let found = calibration.network;
        return Err(FileError::Network { found, wanted });
    }
    let mut ranges = Ranges::default();
    for (tensor, max) in calibration.ranges {
        ranges.insert(&tensor, max)?;
    }
    Ok(ranges)
}

/// A cache says nothing of its network but the names of tensors; those that TensorRT made up are inside layers.
fn of_cache(text: &str, graph: &Graph) -> Result<Ranges, FileError> {
    let ranges = cache::read(text)?;
    let known = |name: &str| {
        let inside = name.starts_with("(Unnamed Layer*");
        inside || graph.tensors.iter().any(|tensor| tensor.name == name)
    };
    let foreign = ranges.iter().map(|(name, _)| name);
    let foreign = foreign.filter(|name| !known(name)).map(str::to_string);
    match foreign.collect::<Vec<_>>().into_iter().next() {
        Some(tensor) => Err(FileError::Tensor { tensor }),
        None => Ok(ranges),
    }
}
