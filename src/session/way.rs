//! The stages that rows go through: one way per place where the network is cut.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use super::{Session, SessionError};
use crate::engine::StageKind;
use crate::graph::Graph;
use crate::pipeline::{EngineKey, Route};
use crate::plan::{Cut, Plan};
use crate::split::{cut_after, Stages};

/// One way through the network.
pub(super) struct Way {
    pub route: Route,
    /// What is dealt to the devices: the prefix, or the network uncut.
    pub first: Arc<Graph>,
    pub suffix: Option<Arc<Graph>>,
}

/// The ways of plans that name their cut, by the cut's last node.
pub(super) type Cuts = HashMap<String, Arc<Way>>;

impl Way {
    pub fn whole(graph: &Arc<Graph>) -> Way {
        Way {
            route: Route::whole(graph),
            first: graph.clone(),
            suffix: None,
        }
    }

    /// `None` when there is no prefix.
    pub fn shared(graph: &Graph, stages: &Stages, id: u32) -> Option<Way> {
        let route = Route::shared(graph, stages)?;
        Some(Way {
            route: Route { id, ..route },
            first: Arc::new(stages.prefix.clone()?),
            suffix: stages.suffix.clone().map(Arc::new),
        })
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
        match graph.batch() == key.batch {
            true => Ok(graph.clone()),
            false => Ok(Arc::new(graph.with_batch(key.batch)?)),
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
