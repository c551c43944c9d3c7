//! One engine with its execution context and the slots of two executions, all made before the first one: while the device
//! computes one, the rows of the next are packed and copied.

use std::ffi::{CStr, CString};

use super::cuda::{Buffer, Cuda, Recording};
use super::error::TrtError;
use super::handle::Owned;
use super::library::Library;
use super::log::{self, Severity};
use super::ports::{Port, Ports};
use super::slot::Slot;
use super::sys;
use crate::engine::check::{self, WantedInput};
use crate::engine::{Engine, EngineError, EngineSpec, Rows};
use crate::plan::Device;

/// Executions in flight at most.
const SLOTS: usize = 2;

/// Fields are dropped in the order in which TensorRT and CUDA want it.
pub(super) struct TrtEngine {
    library: &'static Library,
    cuda: Cuda,
    spec: EngineSpec,
    ports: Ports,
    /// Which buffer each of the plan's tensors has.
    places: Vec<Place>,
    slots: [Slot; SLOTS],
    /// The slot of the oldest execution in flight, and how many there are: the others have the slots that follow.
    oldest: usize,
    running: usize,
    /// The slot whose addresses the context has.
    bound: Option<usize>,
    recording: Record,
    context: Owned<sys::Context>,
    _engine: Owned<sys::Engine>,
    _runtime: Owned<sys::Runtime>,
}

/// When the engine's work is recorded, to be started by one call.
#[derive(Clone, Copy, PartialEq)]
enum Record {
    /// After an execution: the first sets up what cannot be recorded.
    AfterFirst,
    Now,
    /// The device, or the CUDA runtime, cannot.
    Never,
}

/// A tensor of the plan and the buffer that it has in every slot.
struct Place {
    name: CString,
    input: bool,
    at: usize,
}

impl Place {
    fn buffer<'a>(&self, slot: &'a Slot) -> &'a Buffer {
        if self.input {
            &slot.inputs[self.at]
        } else {
            &slot.outputs[self.at]
        }
    }
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
        let slots = [Slot::new(cuda, &ports)?, Slot::new(cuda, &ports)?];
        let places = places(library, engine.as_ptr(), &ports)?;
        Ok(TrtEngine {
            library,
            cuda: cuda.clone(),
            spec: spec.clone(),
            ports,
            places,
            slots,
            oldest: 0,
            running: 0,
            bound: None,
            recording: match spec.device {
                Device::Gpu => Record::AfterFirst,
                Device::Dla(_) => Record::Never,
            },
            context,
            _engine: engine,
            _runtime: runtime,
        })
    }

    /// Tells the context the addresses of a slot.
    fn bind(&mut self, slot: usize) -> Result<(), TrtError> {
        if self.bound == Some(slot) {
            return Ok(());
        }
        for (index, place) in (0..).zip(&self.places) {
            let address = place.buffer(&self.slots[slot]).device();
            // SAFETY: the context lives, the buffer is as long as the port, and both are dropped with this engine.
            self.library.status("setTensorAddress", |table| unsafe {
                (table.context_bind)(self.context.as_ptr(), index, place.name.as_ptr(), address)
            })?;
        }
        self.bound = Some(slot);
        Ok(())
    }

    fn start(&mut self, inputs: Vec<Rows>) -> Result<(), TrtError> {
        self.cuda.bind()?;
        let at = (self.oldest + self.running) % SLOTS;
        let before = (at + SLOTS - 1) % SLOTS;
        self.running += 1;
        self.slots[at].upload(&self.cuda, &self.ports.inputs, inputs)?;
        // A context does one execution after the other.
        self.slots[at].after(&self.slots[before])?;
        self.compute(at)?;
        self.slots[at].download()
    }

    fn compute(&mut self, at: usize) -> Result<(), TrtError> {
        if self.slots[at].recording.is_none() {
            self.bind(at)?;
            match self.recording {
                Record::AfterFirst => self.recording = Record::Now,
                Record::Now => self.record(at),
                Record::Never => {}
            }
        }
        let slot = &self.slots[at];
        match &slot.recording {
            Some(recording) => recording.start(&slot.stream),
            None => self.launch(slot),
        }
    }

    fn launch(&self, slot: &Slot) -> Result<(), TrtError> {
        // SAFETY: context and stream live, and every port has its buffer.
        self.library.status("enqueue", |table| unsafe {
            (table.context_enqueue)(self.context.as_ptr(), slot.stream.handle())
        })
    }

    /// Records the engine's work with the addresses that the context has. Where that cannot be, each kernel goes on being
    /// started by itself, which computes the same.
    fn record(&mut self, at: usize) {
        let slot = &self.slots[at];
        match Recording::of(&self.cuda, &slot.stream, || self.launch(slot)) {
            Ok(recording) => self.slots[at].recording = Some(recording),
            Err(error) => {
                self.recording = Record::Never;
                let EngineSpec { stage, device, .. } = self.spec;
                let text = format!("the {stage} engine on {device} runs without a CUDA graph: {error}");
                log::take(Severity::Info, &text);
            }
        }
    }
}

/// Which of our ports each of the plan's tensors is; one that is none of ours means that the plan is another stage's.
fn places(library: &Library, engine: *mut sys::Engine, ports: &Ports) -> Result<Vec<Place>, TrtError> {
    // SAFETY: the engine lives.
    let count = unsafe { (library.table.engine_ports)(engine) };
    let inputs = ports.inputs.iter().enumerate();
    let inputs = inputs.map(|(at, port)| (true, at, port));
    let outputs = ports.outputs.iter().enumerate();
    let outputs = outputs.map(|(at, port)| (false, at, port));
    let mut ours: Vec<(bool, usize, &Port)> = inputs.chain(outputs).collect();
    let foreign = |what: String| TrtError::Call {
        call: "deserializeCudaEngine",
        reason: format!("the plan is another engine's: it has {what}"),
    };
    let mut places = Vec::new();
    for index in 0..count {
        let theirs = port(library, engine, index)?;
        let found = ours.iter().position(|(input, _, port)| theirs.is(port, *input));
        let found = found.ok_or_else(|| foreign(theirs.to_string()))?;
        let (input, at, _) = ours.remove(found);
        let name = CString::new(theirs.name).unwrap_or_default();
        places.push(Place { name, input, at });
    }
    match ours.first() {
        None => Ok(places),
        Some((_, _, port)) => Err(foreign(format!("no `{}`", port.name))),
    }
}

fn port(library: &Library, engine: *mut sys::Engine, index: i32) -> Result<Theirs, TrtError> {
    let mut port = sys::Port {
        name: std::ptr::null(),
        input: 0,
        kind: 0,
        format: 0,
        at: sys::Shape { rank: 0, at: [0; 8] },
    };
    // SAFETY: the engine lives, and `port` is written.
    library.status("getIOTensorName", |table| unsafe {
        (table.engine_port)(engine, index, &mut port)
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
pub(super) fn runtime(library: &'static Library, device: Device) -> Result<Owned<sys::Runtime>, TrtError> {
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

    fn depth(&self) -> usize {
        SLOTS
    }

    fn enqueue(&mut self, inputs: Vec<Rows>) -> Result<(), EngineError> {
        if self.running == SLOTS {
            let waiting = format!("{SLOTS} executions are still waiting for their results");
            return Err(self.spec.error(waiting));
        }
        let ports = self.ports.inputs.iter();
        let wanted = ports.map(|port| WantedInput {
            name: &port.tensor,
            shape: &port.shape,
        });
        check::rows(&inputs, wanted).map_err(|e| self.spec.error(e))?;
        self.start(inputs).map_err(|e| self.spec.error(e.to_string()))
    }

    fn is_done(&self) -> bool {
        self.running == 0 || self.slots[self.oldest].is_done()
    }

    fn wait(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        if self.running == 0 {
            return Err(self.spec.error("no execution was started".into()));
        }
        let slot = &mut self.slots[self.oldest];
        let waited = self.cuda.bind().and_then(|()| slot.wait());
        waited.map_err(|e| self.spec.error(e.to_string()))?;
        let results = slot.results(&self.ports.outputs);
        self.oldest = (self.oldest + 1) % SLOTS;
        self.running -= 1;
        Ok(results)
    }
}

/// Buffers must not go while the device works on them.
impl Drop for TrtEngine {
    fn drop(&mut self) {
        let _ = self.cuda.bind();
        for at in 0..self.running {
            self.slots[(self.oldest + at) % SLOTS].settle();
        }
    }
}
