//! Engines that compute nothing and take a known time per row.

use std::sync::Arc;
use std::time::Duration;

use tvm_dla::bundle::{Bundle, Options};
use tvm_dla::engine::{Backend, Engine, EngineError, EngineSpec, Rows};
use tvm_dla::graph::Graph;
use tvm_dla::plan::Device;
use tvm_dla::session::{Session, SessionConfig};

/// Three devices, each of which spends `time` per row by `spend`.
pub struct Timed {
    pub time: Duration,
    pub spend: fn(Duration),
}

struct TimedEngine {
    batch: usize,
    outputs: Vec<usize>,
    time: Duration,
    spend: fn(Duration),
}

impl Backend for Timed {
    fn name(&self) -> &'static str {
        "timed"
    }

    fn describe(&self) -> String {
        format!("engines that take {:?} per row", self.time)
    }

    fn devices(&self) -> Vec<Device> {
        vec![Device::Gpu, Device::Dla(0), Device::Dla(1)]
    }

    fn build(&self, graph: &Graph, spec: &EngineSpec) -> Result<Box<dyn Engine>, EngineError> {
        let size = |id| graph.tensor(id).shape.iter().product();
        Ok(Box::new(TimedEngine {
            batch: spec.batch,
            outputs: graph.outputs.iter().map(|id| size(*id)).collect(),
            time: self.time * spec.batch as u32,
            spend: self.spend,
        }))
    }
}

impl Engine for TimedEngine {
    fn batch(&self) -> usize {
        self.batch
    }

    fn enqueue(&mut self, _: Vec<Rows>) -> Result<(), EngineError> {
        Ok(())
    }

    fn wait(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        (self.spend)(self.time);
        Ok(self.outputs.iter().map(|size| vec![0.0; *size]).collect())
    }
}

/// A session of `graph` on these devices.
pub fn session(graph: Graph, backend: Timed) -> Session {
    let bundle = Bundle {
        graph,
        options: Options::default(),
        plan: None,
        origin: None,
        kept: Vec::new(),
    };
    Session::from_bundle(bundle, Arc::new(backend), SessionConfig::default()).unwrap()
}
