//! A backend that computes small integer networks exactly, and misbehaves when asked to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::engine::{Backend, Engine, EngineError, EngineSpec, Rows, StageKind};
use crate::graph::{Activation, BinaryKind, Graph, Op, PoolKind, TensorId};
use crate::plan::Device;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    Error,
    Panic,
    /// Answers, but only after this time.
    Late(Duration),
    /// One output too few.
    Short,
}

/// `fault` happens on `device` in execution number `round` of `stage`, counted from 0 over all its engines.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    pub device: Device,
    pub stage: StageKind,
    pub round: usize,
    pub fault: Fault,
}

#[derive(Default)]
pub struct Fake {
    pub devices: Vec<Device>,
    pub trouble: Vec<Trouble>,
    pub refuse: Option<(Device, StageKind)>,
    /// What every execution takes, per device in order.
    pub delays: Vec<(Device, Duration)>,
    /// Executions of the GPU take so many times as long; it can change at any time.
    pub gpu_slow: Arc<AtomicUsize>,
    pub builds: AtomicUsize,
    /// Executions that an engine takes before the first is waited for; 0 is 1.
    pub depth: usize,
    /// Executions started and not waited for, and the most there ever were.
    pub pending: Arc<AtomicUsize>,
    pub most_pending: Arc<AtomicUsize>,
    pub log: Arc<Mutex<Vec<(Device, StageKind)>>>,
}

impl Backend for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn describe(&self) -> String {
        "integers by hand".into()
    }

    fn alike(&self) -> bool {
        true
    }

    fn devices(&self) -> Vec<Device> {
        self.devices.clone()
    }

    fn build(&self, graph: &Graph, spec: &EngineSpec) -> Result<Box<dyn Engine>, EngineError> {
        assert_eq!(graph.batch(), spec.batch, "the graph has the engine's batch");
        self.builds.fetch_add(1, Ordering::Relaxed);
        if self.refuse == Some((spec.device, spec.stage)) {
            return Err(spec.error("refused".into()));
        }
        let mine = |t: &&Trouble| t.device == spec.device && t.stage == spec.stage;
        let delay = self.delays.iter().find(|(d, _)| *d == spec.device);
        Ok(Box::new(FakeEngine {
            graph: graph.clone(),
            spec: spec.clone(),
            trouble: self.trouble.iter().filter(mine).copied().collect(),
            delay: delay.map_or(Duration::ZERO, |(_, d)| *d),
            gpu_slow: self.gpu_slow.clone(),
            log: self.log.clone(),
            pending: VecDeque::new(),
            depth: self.depth.max(1),
            counts: [self.pending.clone(), self.most_pending.clone()],
        }))
    }
}

struct FakeEngine {
    graph: Graph,
    spec: EngineSpec,
    trouble: Vec<Trouble>,
    delay: Duration,
    gpu_slow: Arc<AtomicUsize>,
    log: Arc<Mutex<Vec<(Device, StageKind)>>>,
    pending: VecDeque<Vec<Rows>>,
    depth: usize,
    counts: [Arc<AtomicUsize>; 2],
}

impl Engine for FakeEngine {
    fn batch(&self) -> usize {
        self.spec.batch
    }

    fn enqueue(&mut self, inputs: Vec<Rows>) -> Result<(), EngineError> {
        assert!(self.pending.len() < self.depth, "more than it takes");
        self.pending.push_back(inputs);
        // Only one device: several would count each other's.
        if self.spec.device != Device::Gpu {
            let [now, most] = &self.counts;
            most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn depth(&self) -> usize {
        self.depth
    }

    fn is_done(&self) -> bool {
        self.depth == 1
    }

    fn wait(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        let inputs = self.pending.pop_front().expect("enqueued");
        let me = (self.spec.device, self.spec.stage);
        if self.spec.device != Device::Gpu {
            self.counts[0].fetch_sub(1, Ordering::Relaxed);
        }
        let round = {
            let mut log = self.log.lock().unwrap();
            log.push(me);
            log.iter().filter(|entry| **entry == me).count() - 1
        };
        let slow = match self.spec.device {
            Device::Gpu => self.gpu_slow.load(Ordering::Relaxed).max(1),
            Device::Dla(_) => 1,
        };
        std::thread::sleep(self.delay * slow as u32);
        let fault = self.trouble.iter().find(|t| t.round == round);
        let mut outputs = evaluate(&self.graph, &inputs);
        match fault.map(|t| t.fault) {
            None => {}
            Some(Fault::Error) => return Err(self.spec.error("injected error".into())),
            Some(Fault::Panic) => panic!("injected panic"),
            Some(Fault::Late(time)) => std::thread::sleep(time),
            Some(Fault::Short) => drop(outputs.pop()),
        }
        Ok(outputs)
    }
}

pub fn evaluate(graph: &Graph, inputs: &[Rows]) -> Vec<Vec<f32>> {
    let mut values: Vec<Vec<f32>> = vec![Vec::new(); graph.tensors.len()];
    for (value, tensor) in values.iter_mut().zip(&graph.tensors) {
        if let Some(bytes) = &tensor.weight {
            let words = bytes.chunks_exact(4);
            *value = words
                .map(|w| f32::from_le_bytes([w[0], w[1], w[2], w[3]]))
                .collect();
        }
    }
    for (id, rows) in graph.inputs.iter().zip(inputs) {
        let want: usize = graph.tensor(*id).shape.iter().product();
        assert_eq!(rows.len, want, "exactly the engine's batch");
        values[id.0 as usize] = rows.as_slice().to_vec();
    }
    for node in &graph.nodes {
        let operand = |at: usize| &values[node.inputs[at].0 as usize];
        let last = |id: TensorId| *graph.tensor(id).shape.last().unwrap();
        values[node.output.0 as usize] = match &node.op {
            Op::GlobalPool(PoolKind::Max) => {
                let shape = &graph.tensor(node.inputs[0]).shape;
                let maps = operand(0).chunks_exact(shape[2] * shape[3]);
                maps.map(|map| map.iter().copied().fold(f32::MIN, f32::max))
                    .collect()
            }
            Op::Activation(Activation::Relu) => operand(0).iter().map(|x| x.max(0.0)).collect(),
            Op::Flatten => operand(0).clone(),
            Op::Softmax { .. } => operand(0).clone(),
            Op::Dense => {
                let rows = operand(0).chunks_exact(last(node.inputs[0]));
                let weights = operand(1).chunks_exact(last(node.inputs[1]));
                let dot = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(x, w)| x * w).sum();
                rows.flat_map(|x| weights.clone().map(move |w| dot(x, w)))
                    .collect()
            }
            Op::Binary(BinaryKind::Add) => {
                let pairs = operand(0).iter().zip(operand(1));
                pairs.map(|(a, b)| a + b).collect()
            }
            other => panic!("the fake has no {}", other.name()),
        };
    }
    let outputs = graph.outputs.iter();
    outputs.map(|id| values[id.0 as usize].clone()).collect()
}
