//! How networks run inside TVM: from the environment, or from a session's configuration.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::ffi::own_folder;
use tvm_dla::artifact::GivenPlans;
use tvm_dla::bundle::Bundle;
use tvm_dla::engine::cache::EngineCache;
use tvm_dla::engine::cpu::{CpuBackend, CpuOptions, SearchPaths, find_library};
use tvm_dla::engine::trt::{
    BuildOptions, Keep, LibraryPaths, Recipe, Severity, TrtBackend, TrtOptions, listen,
};
use tvm_dla::engine::{Backend, Numerics, Precision};
use tvm_dla::machine::{Reading, TakenBackend, memory, taken};
use tvm_dla::plan::Device;
use tvm_dla::quantise::numerics;
use tvm_dla::relay::json::BackendKind;
use tvm_dla::session::{Adapt, ChosenPlan, Outcome, Place, PlanOrigin, Session, SessionConfig};
use tvm_dla::tvm::CallError;

/// What a network asks for where the user says nothing.
#[derive(Debug, Clone, Default)]
pub struct RequestDefaults {
    pub numerics: Option<Numerics>,
    /// Scratch memory of a TensorRT engine, in bytes.
    pub workspace: Option<u64>,
    /// Where TensorRT engines are kept.
    pub cache: Option<PathBuf>,
}

/// What a user can say; everything has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `auto`, `cpu` or `tensorrt`.
    pub backend: Option<String>,
    /// ONNX Runtime's library, or a folder to look in.
    pub onnxruntime: Option<PathBuf>,
    /// TensorRT's library, or a folder to look in.
    pub tensorrt: Option<PathBuf>,
    /// The CUDA runtime, or a folder to look in.
    pub cudart: Option<PathBuf>,
    /// Threads per emulated device.
    pub threads: Option<usize>,
    /// A plan as text, or a JSON file of one plan or of a tuning. Without it those of the file beside the artifact.
    pub plan: Option<String>,
    /// Devices as text: `gpu,dla0`.
    pub devices: Option<String>,
    /// Seconds after which an execution counts as hung.
    pub time_limit: Option<u64>,
    /// `fp32`, `fp16` or `int8`. By default emulated devices compute in float32, since programs of TVM compare with
    /// TVM's own results, and a board computes in the artifact's precision.
    pub precision: Option<String>,
    /// The board whose model makes first plans, as `BOARD` or `BOARD,MODE`. By default it is read from the system.
    pub board: Option<String>,
    /// Whether plans follow what batches take: by default all but one that was asked for.
    pub adapt: Option<bool>,
    /// A file with INT8 ranges; it names int8 where no precision is given.
    pub calibration: Option<PathBuf>,
}

impl Settings {
    /// The variables `TVM_DLA_BACKEND`, `TVM_DLA_ONNXRUNTIME`, `TVM_DLA_TENSORRT`, `TVM_DLA_CUDART`, `TVM_DLA_THREADS`,
    /// `TVM_DLA_PLAN`, `TVM_DLA_DEVICES`, `TVM_DLA_TIME_LIMIT`, `TVM_DLA_PRECISION`, `TVM_DLA_CALIBRATION`,
    /// `TVM_DLA_BOARD` and `TVM_DLA_NO_ADAPT`.
    pub fn from_environment() -> Result<Settings, CallError> {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        Ok(Settings {
            backend: text("TVM_DLA_BACKEND"),
            onnxruntime: text("TVM_DLA_ONNXRUNTIME").map(PathBuf::from),
            tensorrt: text("TVM_DLA_TENSORRT").map(PathBuf::from),
            cudart: text("TVM_DLA_CUDART").map(PathBuf::from),
            threads: number("TVM_DLA_THREADS", text("TVM_DLA_THREADS"))?,
            plan: text("TVM_DLA_PLAN"),
            devices: text("TVM_DLA_DEVICES"),
            time_limit: number("TVM_DLA_TIME_LIMIT", text("TVM_DLA_TIME_LIMIT"))?,
            precision: text("TVM_DLA_PRECISION"),
            calibration: text("TVM_DLA_CALIBRATION").map(PathBuf::from),
            board: text("TVM_DLA_BOARD"),
            adapt: text("TVM_DLA_NO_ADAPT")
                .filter(|value| !is_false(value))
                .map(|_| false),
        })
    }

    /// Settings as JSON, over those of the environment.
    pub fn from_json(text: &str) -> Result<Settings, CallError> {
        let given: Settings = serde_json::from_str(text)?;
        let base = Settings::from_environment()?;
        Ok(Settings {
            backend: given.backend.or(base.backend),
            onnxruntime: given.onnxruntime.or(base.onnxruntime),
            tensorrt: given.tensorrt.or(base.tensorrt),
            cudart: given.cudart.or(base.cudart),
            threads: given.threads.or(base.threads),
            plan: given.plan.or(base.plan),
            devices: given.devices.or(base.devices),
            time_limit: given.time_limit.or(base.time_limit),
            precision: given.precision.or(base.precision),
            calibration: given.calibration.or(base.calibration),
            board: given.board.or(base.board),
            adapt: given.adapt.or(base.adapt),
        })
    }

    /// Whether the user says what is computed in.
    pub fn names_precision(&self) -> bool {
        self.precision.is_some() || self.calibration.is_some()
    }

    /// A session for `bundle`; `artifact` is the file that it is from, if that is known.
    pub fn session(
        &self,
        bundle: Bundle,
        artifact: Option<&Path>,
        asked: RequestDefaults,
    ) -> Result<Session, CallError> {
        let mut config = SessionConfig {
            adapt: match (self.adapt, &self.plan) {
                (None, None) => Adapt::Unasked,
                (Some(true), _) => Adapt::Always,
                (Some(false), _) | (None, Some(_)) => Adapt::Never,
            },
            memory: memory(Path::new("/")),
            ..SessionConfig::default()
        };
        if let Some(seconds) = self.time_limit {
            config.time_limit = Duration::from_secs(seconds);
        }
        if let Some(text) = &self.devices {
            let devices: Result<Vec<Device>, String> = text.split(',').map(str::parse).collect();
            config.devices = Some(devices?);
        }
        let (backend, precision) = self.backend(&bundle, asked)?;
        if self.computed()? == BackendKind::ByTensorRt {
            let reading = match &self.board {
                Some(name) => Reading::named(name)?,
                None => Reading::of(Path::new("/")),
            };
            for text in &reading.remarks {
                say_once(text);
            }
            let target = &bundle.options.target;
            let place = |machine| Place::new(machine, precision, target);
            config.place = reading.machine.map(place);
            config.power = reading.power;
        }
        if self.plan.is_some() || artifact.is_some() {
            let named = self.plan.as_deref();
            let path = artifact.unwrap_or(Path::new(""));
            let given = GivenPlans::find(named, path, &bundle, backend.name())?;
            if let Some(reason) = &given.passed_over {
                eprintln!("tvm-dla: {reason}");
            }
            (config.plan, config.tuned) = (given.plan, given.tuned);
        }
        let session = Session::from_bundle(bundle, backend, config)?;
        for text in session.remarks() {
            say_once(&text);
        }
        say_plans(&session.plans());
        Ok(session)
    }

    /// Where neither a precision nor a calibration is given, what the network asks for, or else `usual`.
    fn numerics(
        &self,
        bundle: &Bundle,
        asked: Option<Numerics>,
        usual: Precision,
    ) -> Result<Numerics, CallError> {
        let named = self.precision.as_deref().map(str::parse).transpose()?;
        let implied = self.calibration.as_ref().map(|_| Precision::Int8);
        let precision = match (named.or(implied), asked) {
            (Some(precision), _) => precision,
            (None, Some(numerics)) => return Ok(numerics),
            (None, None) => usual,
        };
        let text = self.calibration.as_ref().map(|path| {
            let text = std::fs::read_to_string(path);
            text.map_err(|e| format!("cannot read {}: {e}", path.display()))
        });
        let text = text.transpose()?;
        Ok(numerics(bundle, precision, text.as_deref(), &[])?.0)
    }

    /// Who computes.
    pub fn computed(&self) -> Result<BackendKind, CallError> {
        match self.backend.as_deref() {
            None | Some("auto") => {
                let [tensorrt, cuda] = self.paths();
                match taken(&tensorrt, &cuda, Path::new("/"))? {
                    TakenBackend::TensorRt => Ok(BackendKind::ByTensorRt),
                    TakenBackend::Cpu => Ok(BackendKind::OnCpu),
                    TakenBackend::Emulated(reason) => {
                        say_once(&format!("warning: {reason}"));
                        Ok(BackendKind::OnCpu)
                    }
                }
            }
            Some("cpu") => Ok(BackendKind::OnCpu),
            Some("tensorrt") => Ok(BackendKind::ByTensorRt),
            Some(other) => Err(format!("there is no backend `{other}`: use auto, cpu or tensorrt").into()),
        }
    }

    /// TensorRT's and the CUDA runtime's.
    fn paths(&self) -> [LibraryPaths; 2] {
        let roots = site_packages();
        [
            LibraryPaths::system(self.tensorrt.clone(), roots.clone()),
            LibraryPaths::system(self.cudart.clone(), roots),
        ]
    }

    /// The backend, and what it computes in.
    fn backend(
        &self,
        bundle: &Bundle,
        asked: RequestDefaults,
    ) -> Result<(Arc<dyn Backend>, Precision), CallError> {
        match self.computed()? {
            BackendKind::OnCpu => {
                let numerics = self.numerics(bundle, asked.numerics, Precision::default())?;
                let precision = numerics.precision;
                let backend = self.emulated(numerics)?;
                say_once(&format!("GPU and DLA {}", backend.describe()));
                Ok((Arc::new(backend), precision))
            }
            BackendKind::ByTensorRt => self.board(bundle, asked),
        }
    }

    /// The CPU backend.
    pub fn emulated(&self, numerics: Numerics) -> Result<CpuBackend, CallError> {
        let paths = SearchPaths {
            environment: self.onnxruntime.clone(),
            roots: site_packages(),
            ..tvm_dla::session::default_search()
        };
        let backend = CpuBackend::new(CpuOptions {
            library: find_library(&paths)?,
            threads_per_device: self.threads.unwrap_or(1),
            devices: vec![Device::Gpu, Device::Dla(0), Device::Dla(1)],
        })?;
        Ok(backend.with_numerics(numerics))
    }

    fn board(
        &self,
        bundle: &Bundle,
        asked: RequestDefaults,
    ) -> Result<(Arc<dyn Backend>, Precision), CallError> {
        listen(Arc::new(|severity, text| {
            if severity <= Severity::Warning {
                eprintln!("tvm-dla: tensorrt: {severity}: {text}");
            }
        }));
        let target = bundle.options.target;
        let numerics = self.numerics(bundle, asked.numerics, target.precision.into())?;
        let precision = numerics.precision;
        let [tensorrt, cuda] = self.paths();
        let backend = TrtBackend::new(TrtOptions {
            tensorrt,
            cuda,
            recipe: Recipe {
                options: BuildOptions {
                    workspace: asked.workspace,
                    ..BuildOptions::default()
                },
                ..Recipe::new(numerics, target)
            },
        })?;
        say_once(&format!("GPU and DLA {}", backend.describe()));
        let backend = match kept(asked.cache) {
            Some(keep) => backend.keeping(keep),
            None => backend,
        };
        Ok((Arc::new(backend), precision))
    }
}

/// Beside this library, pip puts what it needs.
fn site_packages() -> Vec<PathBuf> {
    let folder = own_folder().and_then(|own| own.parent().map(PathBuf::from));
    folder.into_iter().collect()
}

/// The folder that the command uses too, so that engines built by one are found by the other. `TVM_DLA_CACHE` names one,
/// or else the network does.
fn kept(asked: Option<PathBuf>) -> Option<Keep> {
    let variable = |name: &str| env::var_os(name).filter(|path| !path.is_empty());
    let place = |name: &str| variable(name).map(PathBuf::from);
    let folder = EngineCache::usual(
        place("TVM_DLA_CACHE").or(asked),
        place("XDG_CACHE_HOME"),
        place("HOME"),
    );
    Some(Keep {
        cache: EngineCache::new(folder?),
        required: false,
    })
}

/// As the command reads a variable that says yes or no.
fn is_false(value: &str) -> bool {
    let value = value.to_lowercase();
    ["n", "no", "f", "false", "off", "0"].contains(&value.as_str())
}

fn number<T: std::str::FromStr>(name: &str, text: Option<String>) -> Result<Option<T>, CallError> {
    let parse = |text: String| {
        text.parse()
            .map_err(|_| format!("{name} is `{text}`, not a number").into())
    };
    text.map(parse).transpose()
}

/// Plans that are named.
const SAID: usize = 4;

/// Which plans a network got, if any.
fn say_plans(plans: &[ChosenPlan]) {
    for ChosenPlan { plan, origin } in plans.iter().take(SAID) {
        eprintln!("tvm-dla: plan {plan}, {origin}");
    }
    if plans.len() > SAID {
        eprintln!("tvm-dla: and {} more plans", plans.len() - SAID);
    }
}

/// Which plan a batch got, where nobody gave one. A process that runs batches of many sizes says the first few.
pub fn say_plan(outcome: &Outcome) {
    match &outcome.origin {
        PlanOrigin::Asked | PlanOrigin::File(_) | PlanOrigin::Artifact | PlanOrigin::Learned => {}
        PlanOrigin::Kept
        | PlanOrigin::Embedded { .. }
        | PlanOrigin::Simulated { .. }
        | PlanOrigin::GpuAlone
        | PlanOrigin::EqualDeal => {
            static PLANS: AtomicUsize = AtomicUsize::new(0);
            if PLANS.load(Ordering::Relaxed) < SAID {
                let text = format!("plan {}, {}", outcome.plan, outcome.origin);
                PLANS.fetch_add(usize::from(say_once(&text)), Ordering::Relaxed);
            }
        }
    }
}

/// To standard error: whoever runs a network through TVM should know what computes it and what is not heeded. The same
/// once per process is enough; whether this was the first time.
pub fn say_once(text: &str) -> bool {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let new = said.insert(text.to_string());
    if new {
        eprintln!("tvm-dla: {text}");
    }
    new
}
