//! A deserialised engine: computes one plan on one device, one execution at a time.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;
use serde_json::json;
use tvm_dla::engine::cpu::find_library;
use tvm_dla::session::default_search;

use crate::cuda::{self, Region};
use crate::faults::{self, Fate};
use crate::formats::Layout;
use crate::plan::Plan;
use crate::{journal, layers};

pub struct Engine {
    pub inputs: Vec<Layout>,
    pub outputs: Vec<Layout>,
    /// -1 is the GPU.
    core: i32,
    session: Mutex<Session>,
    running: AtomicUsize,
}

impl Engine {
    /// `core` is what the runtime was told; -1 when it was told nothing.
    ///
    /// # Errors
    /// Bytes that are no plan of this library, or a layer that the double does not compute.
    pub fn load(bytes: &[u8], library: i32, core: i32) -> Result<Engine, String> {
        let plan = Plan::read(bytes, library)?;
        if plan.dla == 1 && core < 0 {
            journal::violation(
                "a DLA engine is loaded before the runtime's setDLACore: it would run on core 0",
            );
        }
        let core = if plan.dla == 1 { core.max(0) } else { -1 };
        let ports = |ports: &[crate::plan::Port]| ports.iter().map(Layout::of).collect();
        let (inputs, outputs): (Result<_, _>, Result<_, _>) = (ports(&plan.inputs), ports(&plan.outputs));
        let name = faults::device_name(core);
        journal::event(&json!({"event": "load", "device": name, "network": plan.name}).to_string());
        Ok(Engine {
            inputs: inputs?,
            outputs: outputs?,
            core,
            session: Mutex::new(session(&layers::onnx(&plan)?)?),
            running: AtomicUsize::new(0),
        })
    }

    pub fn ports(&self) -> impl Iterator<Item = &Layout> {
        self.inputs.iter().chain(&self.outputs)
    }

    /// Starts one execution on `stream`; `addresses` are those of the inputs, then of the outputs.
    ///
    /// # Errors
    /// A port without memory of its own that is large enough, an unknown stream, or a fault.
    pub fn enqueue(self: &Arc<Engine>, addresses: &[*mut c_void], stream: *mut c_void) -> Result<(), String> {
        let mut regions = Vec::new();
        for (layout, address) in self.ports().zip(addresses) {
            let region = cuda::device_region(*address as usize, layout.bytes());
            let region = region.map_err(|reason| {
                let text = format!("enqueue: tensor `{}`: {reason}", layout.name);
                journal::violation(&text);
                text
            });
            regions.push(region?);
        }
        let outputs = regions.split_off(self.inputs.len());
        let engine = self.clone();
        if cuda::records(stream as usize) {
            let again = move || {
                engine.running.fetch_add(1, Ordering::AcqRel);
                engine.begun(faults::fate(engine.core), &regions, &outputs)
            };
            return cuda::record(stream as usize, Arc::new(again));
        }
        let fate = faults::fate(self.core);
        if fate == Fate::Refused {
            return Err("the double was told to refuse this enqueue".into());
        }
        // Whoever reads before the execution has ended reads this.
        outputs.iter().for_each(Region::spoil);
        self.running.fetch_add(1, Ordering::AcqRel);
        cuda::push(stream as usize, move || engine.begun(fate, &regions, &outputs))
    }

    fn begun(&self, fate: Fate, inputs: &[Region], outputs: &[Region]) -> Result<(), i32> {
        let done = self.execute(fate, inputs, outputs);
        self.running.fetch_sub(1, Ordering::AcqRel);
        done
    }

    /// Whether an execution has not ended yet.
    pub fn busy(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }

    fn execute(&self, fate: Fate, inputs: &[Region], outputs: &[Region]) -> Result<(), i32> {
        let _alone = Device::of(self.core).claim();
        meet(self.core);
        std::thread::sleep(faults::slow_run());
        match fate {
            Fate::Hangs => loop {
                std::thread::park();
            },
            Fate::Fails | Fate::Refused => return Err(cuda::LAUNCH_FAILURE),
            Fate::Runs => {}
        }
        let values: Vec<Vec<f32>> = self
            .inputs
            .iter()
            .zip(inputs)
            .map(|(l, r)| l.read(r.bytes()))
            .collect();
        let results = self.run(&values).map_err(|error| {
            journal::violation(&format!("ONNX Runtime: {error}"));
            cuda::LAUNCH_FAILURE
        })?;
        for ((layout, region), values) in self.outputs.iter().zip(outputs).zip(&results) {
            layout.write(values, region.bytes_mut());
        }
        let name = faults::device_name(self.core);
        journal::event(&json!({"event": "execute", "device": name}).to_string());
        Ok(())
    }

    fn run(&self, values: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, ort::Error> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut views: Vec<SessionInputValue<'_>> = Vec::new();
        for (layout, values) in self.inputs.iter().zip(values) {
            let shape: Vec<i64> = layout.shape.iter().map(|d| *d as i64).collect();
            views.push(TensorRef::from_array_view((shape, values.as_slice()))?.into());
        }
        let results = session.run(&views[..])?;
        let each = (0..self.outputs.len()).map(|i| results[i].try_extract_tensor::<f32>());
        each.map(|result| result.map(|(_, data)| data.to_vec())).collect()
    }
}

fn session(model: &[u8]) -> Result<Session, String> {
    static READY: OnceLock<Result<Environment, String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let mut paths = default_search();
        paths.environment = std::env::var_os("TVM_DLA_ONNXRUNTIME").map(Into::into);
        let library = find_library(&paths).map_err(|e| e.to_string())?;
        let environment = ort::init_from(library).map_err(|e| e.to_string())?;
        environment.build().map_err(|e| e.to_string())
    });
    let environment = ready.as_ref().map_err(Clone::clone)?;
    let built = Session::builder(environment)
        .and_then(|builder| Ok(builder.with_intra_threads(1)?))
        .and_then(|mut builder| builder.commit_from_memory(model));
    built.map_err(|e| format!("ONNX Runtime refuses the network: {e}"))
}

/// A device works on one execution at a time.
struct Device(Mutex<()>);

impl Device {
    fn of(core: i32) -> &'static Device {
        static DEVICES: [Device; 3] = [const { Device(Mutex::new(())) }; 3];
        &DEVICES[(core + 1) as usize]
    }

    fn claim(&self) -> std::sync::MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fault `meet`: proves that devices work at the same time, because nobody goes on before all have begun.
fn meet(core: i32) {
    static MET: (Mutex<Vec<i32>>, Condvar) = (Mutex::new(Vec::new()), Condvar::new());
    let Some(count) = faults::meeting() else {
        return;
    };
    let mut met = MET.0.lock().unwrap_or_else(PoisonError::into_inner);
    if !met.contains(&core) {
        met.push(core);
        MET.1.notify_all();
    }
    while met.len() < count {
        met = MET.1.wait(met).unwrap_or_else(PoisonError::into_inner);
    }
}
