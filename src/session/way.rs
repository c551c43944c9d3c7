//! The stages that rows go through: one way per place where the network is cut.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use super::{Session, SessionError};
use crate::engine::StageKind;
use crate::graph::{Graph, TensorId};
use crate::pipeline::{EngineKey, Route};
use crate::plan::{Cut, Plan};
use crate::split::{Stages, cut_after};

/// One way through the network.
pub(super) struct Way {
    pub route: Route,
    /// What is dealt to the devices: the prefix, or the network uncut.
    pub first: Arc<Graph>,
    pub suffix: Option<Arc<Graph>>,
    /// Rows of one execution as compiled.
    pub unit: usize,
    /// Why the first stage runs only in executions of `unit` rows.
    pub first_fixed: Option<String>,
    /// Why the suffix does.
    pub suffix_fixed: Option<String>,
}

/// The ways of plans that name their cut, by the cut's last node.
pub(super) type Cuts = HashMap<String, Arc<Way>>;

impl Way {
    pub fn whole(graph: &Arc<Graph>) -> Way {
        Way::new(graph.batch(), Route::whole(graph), graph.clone(), None)
    }

    /// `None` when there is no prefix.
    pub fn shared(graph: &Graph, stages: &Stages, id: u32) -> Option<Way> {
        let route = Route::shared(graph, stages)?;
        let first = Arc::new(stages.prefix.clone()?);
        let parts = |id: &TensorId| first.tensor(*id).shape.iter().product::<usize>();
        if !first
            .outputs
            .iter()
            .map(parts)
            .all(|n| n.is_multiple_of(graph.batch()))
        {
            // What crosses the cut cannot be dealt by rows.
            return None;
        }
        let suffix = stages.suffix.clone().map(Arc::new);
        Some(Way::new(graph.batch(), Route { id, ..route }, first, suffix))
    }

    fn new(unit: usize, route: Route, first: Arc<Graph>, suffix: Option<Arc<Graph>>) -> Way {
        Way {
            first_fixed: fixed(&first, unit),
            suffix_fixed: suffix.as_ref().and_then(|suffix| fixed(suffix, unit)),
            unit,
            route,
            first,
            suffix,
        }
    }

    /// Whether a stage runs only as compiled.
    pub fn fixed(&self) -> bool {
        self.first_fixed.is_some() || self.suffix_fixed.is_some()
    }

    /// Whether stages that run only as compiled do so in `plan`.
    pub fn check(&self, plan: &Plan) -> Result<(), SessionError> {
        let prefix = plan.prefix.iter().find(|share| share.batch != self.unit);
        let suffix = Some(plan.suffix_batch).filter(|rows| *rows != self.unit);
        let (what, reason) = match (&self.first_fixed, prefix, &self.suffix_fixed, suffix) {
            (Some(reason), Some(_), ..) => ("network", reason),
            (_, _, Some(reason), Some(_)) => ("network's suffix", reason),
            _ => return Ok(()),
        };
        Err(self.refusal(what, plan, reason))
    }

    /// Whether a stream can follow `plan`: it passes rows on in the batches in which they were computed.
    pub fn check_stream(&self, plan: &Plan) -> Result<(), SessionError> {
        let mut others = plan.prefix.iter().filter(|share| share.batch != self.unit);
        let reason = self.first_fixed.as_ref().or(self.suffix_fixed.as_ref());
        match (reason, others.next()) {
            (Some(reason), Some(_)) => Err(self.refusal("network", plan, reason)),
            _ => Ok(()),
        }
    }

    fn refusal(&self, what: &'static str, plan: &Plan, reason: &str) -> SessionError {
        SessionError::FixedBatch {
            what,
            batch: self.unit,
            asked: plan.clone(),
            reason: reason.to_string(),
        }
    }
}

/// Why a stage runs only as compiled, in a network that has `unit` rows.
fn fixed(stage: &Graph, unit: usize) -> Option<String> {
    match stage.apart() {
        Ok(()) if stage.batch() == unit => None,
        Ok(()) => Some(format!(
            "{} starts where rows have no axis of their own",
            stage.name
        )),
        Err(error) => Some(error.to_string()),
    }
}

impl Session {
    /// What an engine on `way` computes, at its batch.
    pub(super) fn stage(&self, way: &Way, key: EngineKey) -> Result<Arc<Graph>, SessionError> {
        let graph = match (key.stage, &way.suffix) {
            (StageKind::Whole, _) => &self.graph,
            (StageKind::Suffix, Some(suffix)) => suffix,
            (StageKind::Prefix | StageKind::Suffix, _) => &way.first,
        };
        if key.batch == way.unit {
            Ok(graph.clone())
        } else {
            Ok(Arc::new(graph.with_batch(key.batch)?))
        }
    }

    /// The way with the longest prefix, or uncut where there is none.
    pub(super) fn longest(&self) -> &Way {
        self.shared.as_ref().unwrap_or(&self.alone)
    }

    /// The way of a plan whose devices and rows are possible here.
    ///
    /// # Errors
    /// A cut that the network does not have.
    pub(super) fn way(&self, plan: &Plan) -> Result<Arc<Way>, SessionError> {
        match (&self.shared, &plan.cut) {
            (Ok(way), Cut::Longest) if !plan.gpu_alone() => Ok(way.clone()),
            (Ok(_), Cut::After(node)) if !plan.gpu_alone() => self.way_cut_after(node),
            _ => Ok(self.alone.clone()),
        }
    }

    fn way_cut_after(&self, node: &str) -> Result<Arc<Way>, SessionError> {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = cuts.get(node) {
            return Ok(way.clone());
        }
        let (target, gpu_only) = (&self.options.target, &self.options.gpu_only);
        let stages = cut_after(&self.graph, target, gpu_only, node)?;
        // Route 0 is the longest prefix, or the network uncut.
        let way = Way::shared(&self.graph, &stages, cuts.len() as u32 + 1);
        let way = Arc::new(way.ok_or(SessionError::NoDevice)?);
        cuts.insert(node.to_string(), way.clone());
        Ok(way)
    }
}
