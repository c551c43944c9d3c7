//! The engines of a session, as its planner names them, and those that grow in the background.

use std::collections::HashSet;

use super::Session;
use super::grow::Grower;
use crate::engine::StageKind;
use crate::pipeline::{EngineKey, Pipeline, WantedEngine};
use crate::plan::Device;
use crate::planner::Engine;

impl Session {
    /// Builds an engine in the background.
    pub(super) fn grow(&self, grower: &mut Grower, engine: Engine) {
        let way = match engine.stage {
            StageKind::Whole => &self.alone,
            StageKind::Prefix | StageKind::Suffix => match &self.shared {
                Ok(way) => way,
                Err(_) => return,
            },
        };
        let stage = match engine.stage {
            StageKind::Whole => way.route.first,
            other => other,
        };
        let key = EngineKey {
            route: way.route.id,
            ..EngineKey::new(stage, engine.rows)
        };
        if let Ok(graph) = self.stage(way, key) {
            let device = engine.device;
            grower.ask(WantedEngine { device, key, graph });
        }
    }

    /// Takes over what was built in the background.
    pub(super) fn take_over(&self, pipeline: &mut Pipeline, batch: usize) {
        let Some(learning) = &self.learning else {
            return;
        };
        let grown = learning.grower().grown();
        if grown.is_empty() {
            return;
        }
        for grown in grown {
            match grown.engine {
                Ok(engine) => {
                    pipeline.adopt(grown.device, grown.key, engine);
                    learning.planner().built(grown.took.as_secs_f64() * 1e6);
                }
                // The plans that are there go on; this one is not asked for again.
                Err(reason) => learning.planner().cannot(&reason),
            }
        }
        let engines = self.built(pipeline);
        learning.planner().turn(batch, &engines);
    }

    /// The engines that are there, as the planner names them.
    pub(super) fn built(&self, pipeline: &Pipeline) -> HashSet<Engine> {
        let mut engines = HashSet::new();
        for (device, key) in pipeline.built() {
            let engine = |stage| Engine {
                device,
                stage,
                rows: key.batch,
                way: key.route,
                copy: key.copy,
            };
            engines.insert(engine(key.stage));
            let whole = key.route == self.alone.route.id && key.stage == self.alone.route.first;
            if whole && device == Device::Gpu {
                engines.insert(engine(StageKind::Whole));
            }
        }
        engines
    }
}
