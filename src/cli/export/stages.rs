//! The stages of a network at one batch.

use std::error::Error;

use super::StageName;
use crate::bundle::{Bundle, Options};
use crate::cli::helped;
use crate::engine::StageKind;
use crate::engine::cpu::onnx_model;
use crate::graph::Graph;
use crate::split::cut;

/// One stage of one network.
pub struct Stage<'a> {
    pub network: &'a str,
    pub kind: StageKind,
    pub options: &'a Options,
    pub graph: Graph,
}

/// What readers of ONNX's format take: its messages end at 2 GiB.
const LARGEST: usize = i32::MAX as usize;

/// The stages of `bundle` that `wanted` names, or all it has.
pub fn of<'a>(
    bundle: &'a Bundle,
    wanted: &[StageName],
    batch: Option<u32>,
) -> Result<Vec<Stage<'a>>, Box<dyn Error>> {
    let graph = &bundle.graph;
    let parts = cut(graph, &bundle.options.target, &bundle.options.gpu_only)?;
    let all = [
        (StageName::Whole, Some(graph.clone())),
        (StageName::Prefix, parts.prefix),
        (StageName::Suffix, parts.suffix),
    ];
    let mut stages = Vec::new();
    for (name, part) in all {
        let asked = wanted.contains(&name);
        match part {
            None if asked => return Err(missing(&graph.name, name)),
            Some(part) if asked || wanted.is_empty() => stages.push(Stage {
                network: &graph.name,
                kind: name.kind(),
                options: &bundle.options,
                graph: at_batch(part, batch)?,
            }),
            _ => {}
        }
    }
    Ok(stages)
}

fn missing(network: &str, name: StageName) -> Box<dyn Error> {
    let what = match name {
        StageName::Whole | StageName::Prefix => {
            format!("network `{network}` has no prefix: no part of it can run on a DLA")
        }
        StageName::Suffix => {
            format!("network `{network}` has no suffix: all of it can run on a DLA")
        }
    };
    helped(what, "`tvm-dla inspect` shows every node with its reason")
}

fn at_batch(graph: Graph, batch: Option<u32>) -> Result<Graph, Box<dyn Error>> {
    match batch.map(|batch| batch as usize) {
        Some(batch) if batch != graph.batch() => graph.with_batch(batch).map_err(|error| {
            helped(
                error.to_string(),
                format!(
                    "leave --batch out: the network runs in batches of {} only",
                    graph.batch()
                ),
            )
        }),
        _ => Ok(graph),
    }
}

impl Stage<'_> {
    pub fn name(&self) -> &'static str {
        match self.kind {
            StageKind::Whole => "whole",
            StageKind::Prefix => "prefix",
            StageKind::Suffix => "suffix",
        }
    }

    /// `network-prefix-b16.onnx`.
    pub fn file_name(&self) -> String {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        };
        let network: String = self.network.chars().map(plain).collect();
        format!("{network}-{}-b{}.onnx", self.name(), self.graph.batch())
    }

    /// The file's content.
    pub fn onnx(&self) -> Result<Vec<u8>, Box<dyn Error>> {
        let model = onnx_model(&self.graph)?;
        if model.len() > LARGEST {
            Err(format!(
                "the {} of `{}` has {} bytes, more than the 2 GiB that an ONNX file can hold",
                self.name(),
                self.network,
                model.len()
            )
            .into())
        } else {
            Ok(model)
        }
    }
}
