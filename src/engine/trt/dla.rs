//! Which layers a DLA takes: TensorRT's answer beside our own rule table's.

use std::collections::HashMap;
use std::fmt;

use super::log;
use super::network::Added;
use super::sys;
use super::{handle::Owned, library::Library};
use crate::graph::Graph;
use crate::split::{verdict, DlaTarget, Verdict};

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
        let reason = match self.reason.is_empty() {
            true => "it gives no reason",
            false => &self.reason,
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
        let runs =
            unsafe { (library.table.config_can_run_on_dla)(config.as_ptr(), added.layer) } != 0;
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
