//! The options that say what to compute in, and what a network is computed in then.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::helped;
use super::output::counted;
use crate::bundle::Bundle;
use crate::engine::precision::{Format, SharedScale, Unification, assign, folded};
use crate::engine::{Numerics, Precision};
use crate::quantise::{NumericsError, numerics};

/// What to compute in.
#[derive(Args, Clone, Debug, Default)]
pub struct PrecisionOptions {
    /// What every device computes in: fp32, fp16 or int8
    #[arg(long)]
    pub precision: Option<Precision>,
    /// INT8 ranges: a file of `tvm-dla calibrate`, or a calibration cache of TensorRT
    #[arg(long)]
    pub calibration: Option<PathBuf>,
    /// Nodes that int8 keeps in fp16, e.g. conv2d_0,conv2d_7
    #[arg(long, value_delimiter = ',')]
    pub fp16_nodes: Vec<String>,
}

/// What a network is computed in, for the backend and for the report.
#[derive(Clone, Debug, Default)]
pub struct NumericsChoice {
    pub numerics: Numerics,
    pub report: Report,
}

/// The same in words.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub precision: String,
    /// Nodes of an int8 network that are not in int8.
    pub fp16: Vec<HalfNode>,
    /// Scales that the DLA's rules make equal.
    pub unified: Vec<SharedScale>,
}

#[derive(Clone, Debug, Serialize)]
pub struct HalfNode {
    pub node: String,
    pub reason: String,
}

impl PrecisionOptions {
    /// The same options, with the artifact's precision where none is named; a calibration names int8.
    pub fn or(&self, artifact: Precision) -> PrecisionOptions {
        let implied = self.calibration.as_ref().map(|_| Precision::Int8);
        PrecisionOptions {
            precision: self.precision.or(implied).or(Some(artifact)),
            ..self.clone()
        }
    }

    /// What `bundle` is computed in; float32 where nothing is named.
    pub fn computed(&self, bundle: &Bundle) -> Result<NumericsChoice, Box<dyn Error>> {
        let precision = self.or(Precision::F32).precision.unwrap_or_default();
        let text = self.calibration.as_deref().map(read).transpose()?;
        let found = numerics(bundle, precision, text.as_deref(), &self.fp16_nodes);
        let (numerics, changes) = found.map_err(|e| self.explained(e))?;
        if precision != Precision::Int8 && !self.fp16_nodes.is_empty() {
            return Err(format!("--fp16-nodes: in {precision} no node is in int8").into());
        }
        let report = Report::of(bundle, &numerics, changes)?;
        Ok(NumericsChoice { numerics, report })
    }

    fn explained(&self, error: NumericsError) -> Box<dyn Error> {
        match (&error, &self.calibration) {
            (NumericsError::NoCalibration, _) => helped(
                error.to_string(),
                "make one with `tvm-dla calibrate`, and give it with --calibration; or compute with --precision fp32",
            ),
            (NumericsError::File(inner), Some(path)) => {
                let text = format!("{}: {inner}", path.display());
                helped(text, "calibrate this artifact with `tvm-dla calibrate`")
            }
            _ => Box::new(error),
        }
    }
}

fn read(path: &Path) -> Result<String, Box<dyn Error>> {
    fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()).into())
}

impl Report {
    pub fn of(bundle: &Bundle, numerics: &Numerics, changes: Unification) -> Result<Report, Box<dyn Error>> {
        let graph = folded(&bundle.graph);
        let formats = assign(&graph, numerics)?;
        let reason = |node: &str, format: Format| match format {
            Format::F16(Some(reason)) => {
                let moved = changes.moved.iter().find(|moved| moved.node == node);
                Some(moved.map_or(reason, |moved| moved.reason).to_string())
            }
            Format::F16(None) | Format::F32 | Format::Int8 => None,
        };
        // A layer that took its shift in has two nodes of one name.
        let mut named = HashSet::new();
        let nodes = graph.nodes.iter().zip(formats);
        let nodes = nodes.filter(|(node, _)| named.insert(node.name.as_str()));
        let half = nodes.filter_map(|(node, format)| {
            Some(HalfNode {
                node: node.name.clone(),
                reason: reason(&node.name, format)?,
            })
        });
        Ok(Report {
            precision: numerics.precision.to_string(),
            fp16: half.collect(),
            unified: changes.unified,
        })
    }

    /// One line for people, where there is something to say.
    pub fn line(&self) -> Option<String> {
        let shown = self.fp16.iter().take(3);
        let shown: Vec<String> = shown
            .map(|half| format!("{} ({})", half.node, half.reason))
            .collect();
        let more = match self.fp16.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let scales: usize = self.unified.iter().map(|group| group.own.len()).sum();
        (self.precision == "int8").then(|| {
            let half = if shown.is_empty() {
                "every node".to_string()
            } else {
                format!("fp16 for {}{more}", shown.join(", "))
            };
            format!(
                "int8     {half}; {} made equal for the DLA",
                counted(scales, "scale")
            )
        })
    }
}
