//! Which layers a DLA takes: TensorRT's answer beside our own rule table's.

use std::collections::HashMap;
use std::fmt;

use super::build::{Recipe, TensorRt};
use super::construction::Construction;
use super::engine::runtime;
use super::error::TrtError;
use super::handle::Owned;
use super::library::Library;
use super::log::{self, Severity};
use super::network::{Added, LoweredNetwork, Typing};
use super::sys;
use crate::engine::{EngineSpec, Precision};
use crate::graph::Graph;
use crate::plan::Device;
use crate::split::{DlaTarget, Verdict, verdict};

/// A node about whose place TensorRT and the rule table do not agree. On a board this is how the table learns.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement {
    pub node: String,
    /// Whether TensorRT would run all of the node's layers on a DLA.
    pub tensorrt: bool,
    /// What TensorRT logged when it was asked; empty when it said nothing.
    pub reason: String,
    pub ours: Verdict,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = if self.tensorrt { "can" } else { "cannot" };
        let reason = if self.reason.is_empty() {
            "it gives no reason"
        } else {
            &self.reason
        };
        write!(
            f,
            "node `{}`: TensorRT says it {answer} run on a DLA ({reason}); the rule table says {}",
            self.node, self.ours
        )
    }
}

/// TensorRT's answer about one node: all its layers, and the log's reasons.
pub(super) struct Answer {
    pub node: String,
    pub runs: bool,
    pub reason: String,
    /// The layers that it refuses.
    pub refused: Vec<*mut sys::Layer>,
}

/// Asks about every layer that computes; constants become part of the layers that read them.
pub(super) fn ask(library: &Library, config: &Owned<sys::Config>, layers: &[Added]) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    for added in layers.iter().filter(|added| !added.constant) {
        let mark = log::mark();
        // SAFETY: config and layer live.
        let runs = unsafe { (library.table.config_can_run_on_dla)(config.as_ptr(), added.layer) } != 0;
        let at = answers.iter().position(|answer| answer.node == added.node);
        let at = at.unwrap_or_else(|| {
            answers.push(Answer {
                node: added.node.clone(),
                runs: true,
                reason: String::new(),
                refused: Vec::new(),
            });
            answers.len() - 1
        });
        if !runs {
            let answer = &mut answers[at];
            answer.runs = false;
            answer.refused.push(added.layer);
            if answer.reason.is_empty() {
                answer.reason = mark.warnings();
            }
        }
    }
    answers
}

/// The answers that differ from the rule table's verdicts on the nodes of `graph`.
pub(super) fn compare(graph: &Graph, target: &DlaTarget, answers: &[Answer]) -> Vec<Disagreement> {
    let nodes: HashMap<&str, Verdict> = graph
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), verdict(graph, node, target)))
        .collect();
    let differing = answers.iter().filter_map(|answer| {
        let ours = nodes.get(answer.node.as_str())?;
        (answer.runs != (*ours == Verdict::Dla)).then(|| Disagreement {
            node: answer.node.clone(),
            tensorrt: answer.runs,
            reason: answer.reason.clone(),
            ours: ours.clone(),
        })
    });
    differing.collect()
}

impl TensorRt {
    /// DLA cores that TensorRT sees: none on anything but a Jetson Xavier or Orin (but for Orin Nano).
    pub fn dla_cores(&self) -> Result<u8, TrtError> {
        let cores = match runtime(self.0, Device::Gpu) {
            // SAFETY: the runtime lives.
            Ok(runtime) => unsafe { (self.0.table.runtime_dla_cores)(runtime.as_ptr()) },
            // A builder can do without a GPU where a runtime cannot, but takes seconds.
            Err(_) => {
                let builder = self.builder()?;
                // SAFETY: the builder lives.
                unsafe { (self.0.table.builder_dla_cores)(builder.as_ptr()) }
            }
        };
        Ok(u8::try_from(cores).unwrap_or(0))
    }

    /// Whether `recipe` can run where `spec` says.
    pub(super) fn check(
        &self,
        spec: &EngineSpec,
        recipe: &Recipe,
        builder: &Owned<sys::Builder>,
    ) -> Result<(), String> {
        let Device::Dla(core) = spec.device else {
            return Ok(());
        };
        // SAFETY: the builder lives.
        let cores = unsafe { (self.0.table.builder_dla_cores)(builder.as_ptr()) };
        if i32::from(core) >= cores {
            return Err(format!("{} sees {cores} DLA cores here", self.0.version));
        }
        match (recipe.numerics.precision, self.typing()) {
            (Precision::F32, _) => Err("a DLA computes in fp16 or int8, not in fp32".into()),
            (Precision::Int8, Typing::Strong) => Err(format!(
                "a DLA takes int8 from ranges, which {} no longer has\nhelp: compile the network for fp16",
                self.0.version
            )),
            (Precision::F16, _) | (Precision::Int8, Typing::Weak) => Ok(()),
        }
    }

    /// Makes sure of every layer's place before a long build: on the DLA, or on the GPU where that was asked for.
    pub(super) fn place(
        &self,
        graph: &Graph,
        recipe: &Recipe,
        parts: &Construction,
        lowered: &LoweredNetwork,
    ) -> Result<Vec<Disagreement>, String> {
        let answers = ask(self.0, &parts.config, &lowered.layers);
        let refused: Vec<&Answer> = answers.iter().filter(|answer| !answer.runs).collect();
        let disagreements = compare(graph, &recipe.target, &answers);
        let refused_by_both = refused.len() - disagreements.iter().filter(|d| !d.tensorrt).count();
        debug_assert_eq!(
            refused_by_both, 0,
            "split leaves nothing in a prefix that the table refuses"
        );
        if let Some(first) = disagreements.iter().find(|d| !d.tensorrt)
            && !recipe.options.gpu_fallback
        {
            return Err(format!(
                "{first}\nhelp: keep it off the DLA with the compiler's option gpu_only={}, or let it run on the GPU within this engine with --gpu-fallback",
                first.node
            ));
        }
        for layer in refused.iter().flat_map(|answer| &answer.refused) {
            self.0
                // SAFETY: config and layer live.
                .status("setDeviceType", |table| unsafe {
                    (table.config_layer_on_gpu)(parts.config.as_ptr(), *layer)
                })
                .map_err(|e| e.to_string())?;
        }
        for disagreement in &disagreements {
            log::take(Severity::Warning, &disagreement.to_string());
        }
        Ok(disagreements)
    }
}
