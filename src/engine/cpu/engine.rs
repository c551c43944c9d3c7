//! One stage in one ONNX Runtime session.

use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;

use crate::engine::check::{self, WantedInput};
use crate::engine::{Engine, EngineError, EngineSpec, Rows};
use crate::graph::{Graph, TensorId};

/// `enqueue` takes the inputs, `wait` computes on the calling thread: the pipeline gives each engine a thread of
/// its own, so a second one would only add a hand-over per execution.
pub(super) struct CpuEngine {
    session: Session,
    spec: EngineSpec,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    pending: Option<Vec<Rows>>,
}

/// An input or output with its fixed shape.
struct Port {
    name: String,
    shape: Vec<i64>,
    dims: Vec<usize>,
    len: usize,
}

impl Port {
    fn of(graph: &Graph, id: &TensorId) -> Port {
        let tensor = graph.tensor(*id);
        Port {
            name: tensor.name.clone(),
            shape: tensor.shape.iter().map(|d| *d as i64).collect(),
            dims: tensor.shape.clone(),
            len: tensor.shape.iter().product(),
        }
    }
}

impl CpuEngine {
    pub fn new(session: Session, graph: &Graph, spec: EngineSpec) -> CpuEngine {
        let ports = |ids: &[TensorId]| ids.iter().map(|id| Port::of(graph, id)).collect();
        CpuEngine {
            session,
            spec,
            inputs: ports(&graph.inputs),
            outputs: ports(&graph.outputs),
            pending: None,
        }
    }

    fn check(&self, inputs: &[Rows]) -> Result<(), String> {
        if self.pending.is_some() {
            return Err("an execution is still waiting for its result".into());
        }
        let wanted = self.inputs.iter().map(|port| WantedInput {
            name: &port.name,
            shape: &port.dims,
        });
        check::rows(inputs, wanted)
    }
}

/// Runs over the callers' rows in place; each output is copied once, out of the session's own memory.
fn run(
    session: &mut Session,
    ports: (&[Port], &[Port]),
    inputs: &[Rows],
) -> Result<Vec<Vec<f32>>, ort::Error> {
    let mut views: Vec<SessionInputValue<'_>> = Vec::with_capacity(inputs.len());
    for (rows, port) in inputs.iter().zip(ports.0) {
        let view = TensorRef::from_array_view((port.shape.as_slice(), rows.as_slice()))?;
        views.push(view.into());
    }
    let results = session.run(&views[..])?;
    let mut outputs = Vec::with_capacity(ports.1.len());
    for (index, port) in ports.1.iter().enumerate() {
        let (shape, data) = results[index].try_extract_tensor::<f32>()?;
        if data.len() != port.len {
            let Port { name, len, .. } = port;
            return Err(ort::Error::new(format!(
                "output `{name}` has the shape {shape:?} instead of {len} elements"
            )));
        }
        outputs.push(data.to_vec());
    }
    Ok(outputs)
}

impl Engine for CpuEngine {
    fn batch(&self) -> usize {
        self.spec.batch
    }

    fn enqueue(&mut self, inputs: Vec<Rows>) -> Result<(), EngineError> {
        self.check(&inputs).map_err(|e| self.spec.error(e))?;
        self.pending = Some(inputs);
        Ok(())
    }

    fn wait(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        let inputs = self
            .pending
            .take()
            .ok_or_else(|| self.spec.error("no execution was started".into()))?;
        run(&mut self.session, (&self.inputs, &self.outputs), &inputs)
            .map_err(|e| self.spec.error(format!("ONNX Runtime failed: {e}")))
    }
}
