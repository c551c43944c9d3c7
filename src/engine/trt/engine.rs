//! One engine with its own stream, event, execution context and buffers, all made before the first execution.

use std::ffi::{CStr, CString};

use super::cuda::{Buffer, Cuda, Event, Stream};
use super::error::TrtError;
use super::handle::Owned;
use super::library::Library;
use super::ports::{Port, Ports};
use super::sys;
use crate::engine::check::{self, Want};
use crate::engine::{Engine, EngineError, EngineSpec, Rows};
use crate::plan::Device;

/// Fields are dropped in the order in which TensorRT and CUDA want it.
pub(super) struct TrtEngine {
    library: &'static Library,
    cuda: Cuda,
    spec: EngineSpec,
    ports: Ports,
    pending: bool,
    context: Owned<sys::Context>,
    _engine: Owned<sys::Engine>,
    _runtime: Owned<sys::Runtime>,
    inputs: Vec<Buffer>,
    outputs: Vec<Buffer>,
    event: Event,
    stream: Stream,
}

impl TrtEngine {
    /// Deserialises a plan for `spec.device`.
    ///
    /// # Errors
    /// What TensorRT says about the plan, or that its inputs and outputs are not this stage's.
    pub fn new(
        library: &'static Library,
        cuda: &Cuda,
        plan: &[u8],
        ports: Ports,
        spec: &EngineSpec,
    ) -> Result<TrtEngine, TrtError> {
        cuda.bind()?;
        let runtime = runtime(library, spec.device)?;
        let destroy = library.table.engine_destroy;
        // SAFETY: the runtime lives, and TensorRT copies what it needs of the plan.
        let engine = Owned::new(library, "deserializeCudaEngine", destroy, |table| unsafe {
            (table.runtime_engine)(runtime.as_ptr(), plan.as_ptr().cast(), plan.len() as u64)
        })?;
        let destroy = library.table.context_destroy;
        // SAFETY: the engine lives, and outlives the context.
        let context = Owned::new(library, "createExecutionContext", destroy, |table| unsafe {
            (table.context_create)(engine.as_ptr())
        })?;
        let buffers = |ports: &[Port]| -> Result<Vec<Buffer>, TrtError> {
            let sizes = ports.iter().map(|port| port.layout.bytes(&port.shape));
            sizes.map(|size| Buffer::new(cuda, size)).collect()
        };
        let (inputs, outputs) = (buffers(&ports.inputs)?, buffers(&ports.outputs)?);
        let made = TrtEngine {
            library,
            cuda: cuda.clone(),
            spec: spec.clone(),
            pending: false,
            context,
            _engine: engine,
            _runtime: runtime,
            inputs,
            outputs,
            event: Event::new(cuda)?,
            stream: Stream::new(cuda)?,
            ports,
        };
        made.bind()?;
        Ok(made)
    }

    /// Tells the context every address, once; a port that the plan has otherwise means that it is another stage's.
    fn bind(&self) -> Result<(), TrtError> {
        let engine = self._engine.as_ptr();
        // SAFETY: the engine lives.
        let count = unsafe { (self.library.table.engine_ports)(engine) };
        let ours = self
            .ports
            .inputs
            .iter()
            .zip(&self.inputs)
            .map(|pair| (true, pair));
        let ours = ours.chain(
            self.ports
                .outputs
                .iter()
                .zip(&self.outputs)
                .map(|pair| (false, pair)),
        );
        let mut ours: Vec<(bool, (&Port, &Buffer))> = ours.collect();
        for index in 0..count {
            let theirs = self.port(index)?;
            let at = ours
                .iter()
                .position(|(input, (port, _))| theirs.is(port, *input));
            let at = at.ok_or_else(|| TrtError::Call {
                call: "deserializeCudaEngine",
                reason: format!("the plan is another engine's: it has {theirs}"),
            })?;
            let (_, (_, buffer)) = ours.remove(at);
            let name = CString::new(theirs.name).unwrap_or_default();
            // SAFETY: the context lives, the buffer is as long as the port, and both are dropped with this engine.
            self.library.status("setTensorAddress", |table| unsafe {
                (table.context_bind)(self.context.as_ptr(), index, name.as_ptr(), buffer.device())
            })?;
        }
        match ours.first() {
            None => Ok(()),
            Some((_, (port, _))) => Err(TrtError::Call {
                call: "deserializeCudaEngine",
                reason: format!("the plan is another engine's: it has no `{}`", port.name),
            }),
        }
    }

    fn port(&self, index: i32) -> Result<Theirs, TrtError> {
        let mut port = sys::Port {
            name: std::ptr::null(),
            input: 0,
            kind: 0,
            format: 0,
            at: sys::Shape {
                rank: 0,
                at: [0; 8],
            },
        };
        // SAFETY: the engine lives, and `port` is written.
        self.library.status("getIOTensorName", |table| unsafe {
            (table.engine_port)(self._engine.as_ptr(), index, &mut port)
        })?;
        // SAFETY: the shim gives the engine's own string.
        let name = unsafe { CStr::from_ptr(port.name) };
        let used = usize::try_from(port.at.rank).unwrap_or(0).min(8);
        Ok(Theirs {
            name: name.to_string_lossy().into_owned(),
            input: port.input != 0,
            kind: port.kind,
            format: port.format,
            shape: port.at.at[..used].to_vec(),
        })
    }

    fn start(&mut self, inputs: &[Rows]) -> Result<(), TrtError> {
        self.cuda.bind()?;
        self.pending = true;
        for ((rows, port), buffer) in inputs.iter().zip(&self.ports.inputs).zip(&mut self.inputs) {
            port.layout
                .pack(&port.shape, rows.as_slice(), buffer.bytes_mut());
            buffer.to_device(&self.stream)?;
        }
        // SAFETY: context and stream live, and every port has its buffer.
        self.library.status("enqueue", |table| unsafe {
            (table.context_enqueue)(self.context.as_ptr(), self.stream.handle())
        })?;
        for buffer in &self.outputs {
            buffer.to_host(&self.stream)?;
        }
        self.event.record(&self.stream)
    }
}

/// One port as the plan has it.
struct Theirs {
    name: String,
    input: bool,
    kind: i32,
    format: i32,
    shape: Vec<i64>,
}

impl Theirs {
    fn is(&self, port: &Port, input: bool) -> bool {
        let shape = port.shape.iter().map(|length| *length as i64);
        self.name == port.name
            && self.input == input
            && self.kind == port.layout.kind()
            && self.format == port.layout.format()
            && self.shape.iter().copied().eq(shape)
    }
}

impl std::fmt::Display for Theirs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = if self.input { "input" } else { "output" };
        let Theirs {
            name,
            kind,
            format,
            shape,
            ..
        } = self;
        write!(
            f,
            "the {side} `{name}` of shape {shape:?}, type {kind} and format {format}"
        )
    }
}

/// A runtime of its own per engine: the core it puts engines on is a property of the runtime, and without it all would run
/// on core 0.
pub(super) fn runtime(
    library: &'static Library,
    device: Device,
) -> Result<Owned<sys::Runtime>, TrtError> {
    let destroy = library.table.runtime_destroy;
    // SAFETY: entry and logger are those of the library that the table is for.
    let runtime = Owned::new(library, "createInferRuntime", destroy, |table| unsafe {
        (table.runtime_create)(library.runtime_entry, library.logger.as_ptr())
    })?;
    if let Device::Dla(core) = device {
        // SAFETY: the runtime lives.
        library.status("IRuntime::setDLACore", |table| unsafe {
            (table.runtime_dla)(runtime.as_ptr(), core.into())
        })?;
    }
    Ok(runtime)
}

impl Engine for TrtEngine {
    fn batch(&self) -> usize {
        self.spec.batch
    }

    fn enqueue(&mut self, inputs: Vec<Rows>) -> Result<(), EngineError> {
        if self.pending {
            return Err(self
                .spec
                .error("an execution is still waiting for its result".into()));
        }
        let wanted: Vec<Want<'_>> = self
            .ports
            .inputs
            .iter()
            .map(|port| Want {
                name: &port.tensor,
                shape: &port.shape,
            })
            .collect();
        check::rows(&inputs, &wanted).map_err(|e| self.spec.error(e))?;
        self.start(&inputs)
            .map_err(|e| self.spec.error(e.to_string()))
    }

    fn wait(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        if !self.pending {
            return Err(self.spec.error("no execution was started".into()));
        }
        let waited = self.cuda.bind().and_then(|()| self.event.wait());
        waited.map_err(|e| self.spec.error(e.to_string()))?;
        self.pending = false;
        let outputs = self.ports.outputs.iter().zip(&self.outputs);
        Ok(outputs
            .map(|(port, buffer)| port.layout.unpack(&port.shape, buffer.bytes()))
            .collect())
    }
}

/// Buffers must not go while the device works on them.
impl Drop for TrtEngine {
    fn drop(&mut self) {
        let _ = self.cuda.bind();
        if self.pending {
            // After a failure there may be nothing left to wait for, and nothing to be done about it.
            let _ = self
                .event
                .record(&self.stream)
                .and_then(|()| self.event.wait());
        }
    }
}
