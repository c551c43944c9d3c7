//! What the user said to the target `dla`, parsed once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Preprocess;
use crate::plan::Plan;
use crate::split::{DlaTarget, platform_limit};

/// Options of the target `dla`, frozen into the artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    pub target: DlaTarget,
    /// DLA cores to use, ascending.
    pub cores: Vec<u8>,
    /// Nodes or operators that stay on the GPU.
    pub gpu_only: Vec<String>,
    /// How pictures become input.
    pub preprocess: Option<Preprocess>,
    /// The board that plans were simulated for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board: Option<BoardOption>,
    /// What the file that the model was read from calls its outputs, in their order; empty where nobody knows, and in all
    /// but one of the model's networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
}

/// A board that is named at compile time, and the plans that its model gives the usual batches.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardOption {
    pub name: String,
    /// The power mode; the board's usual one where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<String>,
    /// What the plans are for, in words.
    #[serde(default)]
    pub title: String,
    /// The model's error, as a share.
    #[serde(default)]
    pub error: f64,
    #[serde(default)]
    pub plans: Vec<Plan>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            target: DlaTarget::default(),
            cores: vec![0, 1],
            gpu_only: Vec::new(),
            preprocess: None,
            board: None,
            outputs: Vec::new(),
        }
    }
}

/// An option that does not exist, or a value it cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    #[error("target dla has no option `{name}`; the nearest is `{nearest}` (all: {})", Options::NAMES.join(", "))]
    Unknown { name: String, nearest: &'static str },
    #[error("option `{name}` of target dla: {reason}")]
    Value { name: &'static str, reason: String },
    #[error("there is no such DLA: {0}")]
    Platform(String),
}

impl Options {
    /// Every option, in the order of the documentation.
    pub const NAMES: [&'static str; 8] = [
        "chip",
        "tensorrt",
        "precision",
        "cores",
        "gpu_only",
        "preprocess",
        "board",
        "power",
    ];

    /// Reads options as text; an empty value means the default.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<Options, OptionsError> {
        let mut options = Options::default();
        for (name, value) in given.iter().filter(|(_, value)| !value.is_empty()) {
            options.set(name, value)?;
        }
        if let Some(name) = given.keys().find(|n| !Options::NAMES.contains(&n.as_str())) {
            return Err(unknown(name));
        }
        if options.board.as_ref().is_some_and(|board| board.name.is_empty()) {
            return Err(OptionsError::Value {
                name: "power",
                reason: "a power mode is one of a board: name it with the option board".into(),
            });
        }
        match platform_limit(&options.target) {
            Some(reason) => Err(OptionsError::Platform(format!("{}: {reason}", options.target))),
            None => Ok(options),
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), OptionsError> {
        match name {
            "chip" => self.target.chip = read("chip", value)?,
            "tensorrt" => self.target.tensorrt = read("tensorrt", value)?,
            "precision" => self.target.precision = read("precision", value)?,
            "cores" => self.cores = cores(value)?,
            "gpu_only" => self.gpu_only = list(value),
            "board" => self.board.get_or_insert_default().name = value.trim().to_string(),
            "power" => {
                let mode = value.trim().to_string();
                self.board.get_or_insert_default().power = Some(mode);
            }
            "preprocess" => self.preprocess = Some(read("preprocess", value)?),
            other => return Err(unknown(other)),
        }
        Ok(())
    }
}

fn read<T: std::str::FromStr<Err = String>>(name: &'static str, value: &str) -> Result<T, OptionsError> {
    value
        .parse()
        .map_err(|reason| OptionsError::Value { name, reason })
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(|part| part.trim().to_string()).collect()
}

fn cores(value: &str) -> Result<Vec<u8>, OptionsError> {
    let wrong = || OptionsError::Value {
        name: "cores",
        reason: format!("`{value}` is not a list of DLA cores: use 0, 1 or 0,1"),
    };
    let mut cores = Vec::new();
    for part in list(value) {
        match part.parse::<u8>() {
            Ok(core @ (0 | 1)) if !cores.contains(&core) => cores.push(core),
            _ => return Err(wrong()),
        }
    }
    cores.sort_unstable();
    Ok(cores)
}

fn unknown(name: &str) -> OptionsError {
    let nearest = Options::NAMES
        .into_iter()
        .min_by_key(|known| strsim::levenshtein(known, name))
        .unwrap_or_default();
    OptionsError::Unknown {
        name: name.to_string(),
        nearest,
    }
}
