//! The options that say where and how to run.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::environments::search;
use super::helped;
use super::output::{Output, counted};
use super::precision::PrecisionOptions;
use super::tensorrt::TensorRtArguments;
use crate::artifact::{GivenPlans, PlansError, is_file};
use crate::bundle::Bundle;
use crate::engine::cpu::{CpuBackend, CpuOptions, find_library};
use crate::engine::{Backend, Numerics};
use crate::machine::{Reading, TakenBackend, memory, taken};
use crate::plan::Device;
use crate::session::{Adapt, ChosenPlan, Place, PlanOrigin, Session, SessionConfig};

/// What realises the devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendName {
    /// TensorRT where its library and a GPU are, else the CPU
    Auto,
    /// Every device emulated on the CPU by ONNX Runtime
    Cpu,
    /// The GPU and the DLA cores of this board
    #[value(name = "tensorrt")]
    TensorRt,
}

impl BackendName {
    /// As options and the plugin's environment spell it.
    fn name(self) -> &'static str {
        match self {
            BackendName::Auto => "auto",
            BackendName::Cpu => "cpu",
            BackendName::TensorRt => "tensorrt",
        }
    }

    /// What is taken here, in place of `auto`; the reason where devices are emulated that could be real.
    ///
    /// # Errors
    /// A library that was named and cannot be used.
    pub fn taken(self, tensorrt: &TensorRtArguments) -> Result<(TakenName, Option<String>), Box<dyn Error>> {
        let [library, cuda] = tensorrt.paths();
        Ok(match self {
            BackendName::Cpu => (TakenName::Cpu, None),
            BackendName::TensorRt => (TakenName::TensorRt, None),
            BackendName::Auto => match taken(&library, &cuda, Path::new("/")) {
                Ok(TakenBackend::TensorRt) => (TakenName::TensorRt, None),
                Ok(TakenBackend::Cpu) => (TakenName::Cpu, None),
                Ok(TakenBackend::Emulated(reason)) => (TakenName::Cpu, Some(reason)),
                Err(error) => {
                    let help = "`tvm-dla doctor` shows what is missing, --backend cpu emulates";
                    return Err(helped(error.to_string(), help));
                }
            },
        })
    }
}

/// What computes, once it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenName {
    Cpu,
    TensorRt,
}

impl TakenName {
    /// What [`Backend::name`] says.
    pub fn name(self) -> &'static str {
        match self {
            TakenName::Cpu => "cpu",
            TakenName::TensorRt => "tensorrt",
        }
    }
}

/// Where and how to run.
#[derive(Args, Clone)]
pub struct Engines {
    /// What realises the devices
    #[arg(long, value_enum, default_value = "auto", env = "TVM_DLA_BACKEND")]
    pub backend: BackendName,
    /// What `auto` came to.
    #[arg(skip)]
    taken: OnceLock<TakenName>,
    /// The board whose model makes first plans, as BOARD or BOARD,MODE (default: read from the system)
    #[arg(long, env = "TVM_DLA_BOARD")]
    on_board: Option<String>,
    /// Devices to use, e.g. gpu,dla0 (default: all)
    #[arg(long, value_delimiter = ',', conflicts_with = "plan")]
    pub devices: Option<Vec<Device>>,
    /// Plan as text (gpu=16x11,dla0=16x10,dla1=16x11,suffix=512) or as a JSON file, of one plan or of a tuning
    #[arg(long)]
    pub plan: Option<String>,
    /// Let a plan that was asked for follow what batches take too; other plans do
    #[arg(long, conflicts_with = "no_adapt")]
    pub adapt: bool,
    /// Keep to the first plan, whatever batches take
    #[arg(long, env = "TVM_DLA_NO_ADAPT", value_parser = clap::builder::FalseyValueParser::new())]
    pub no_adapt: bool,
    /// Threads per emulated device
    #[arg(long, default_value_t = 1, env = "TVM_DLA_THREADS", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    /// Seconds after which one execution counts as hung and its rows go to other devices
    #[arg(long, default_value_t = 60, env = "TVM_DLA_TIME_LIMIT", value_parser = clap::value_parser!(u64).range(1..))]
    pub time_limit: u64,
    /// ONNX Runtime's library, or a folder to look in
    #[arg(long, env = "TVM_DLA_ONNXRUNTIME")]
    pub onnxruntime: Option<PathBuf>,
    #[command(flatten)]
    pub tensorrt: TensorRtArguments,
    #[command(flatten)]
    pub numbers: PrecisionOptions,
}

impl Engines {
    /// A backend with everything else as it is when nothing is said.
    pub fn of(backend: BackendName, tensorrt: TensorRtArguments) -> Engines {
        Engines {
            backend,
            taken: OnceLock::new(),
            on_board: None,
            devices: None,
            plan: None,
            adapt: false,
            no_adapt: false,
            threads: 1,
            time_limit: 60,
            onnxruntime: None,
            tensorrt,
            numbers: PrecisionOptions::default(),
        }
    }

    /// A session for `bundle`, which was read from the artifact at `path`: with the plan given, or the tuned plans of the
    /// file given, or those of the file beside the artifact. Unless the options say otherwise, emulated devices compute in
    /// float32 and a board in the artifact's precision.
    pub fn session(
        &self,
        bundle: Bundle,
        path: &Path,
        cancel: Arc<AtomicBool>,
        output: &Output,
    ) -> Result<Session, Box<dyn Error>> {
        let numerics = self.numerics(&bundle)?;
        self.session_in(bundle, numerics, path, cancel, output)
    }

    /// [`Engines::session`] that computes as `numerics` says.
    pub fn session_in(
        &self,
        bundle: Bundle,
        numerics: Numerics,
        path: &Path,
        cancel: Arc<AtomicBool>,
        output: &Output,
    ) -> Result<Session, Box<dyn Error>> {
        let place = self.place(&bundle, &numerics, output)?;
        let backend = self.backend(&bundle, numerics, cancel.clone())?;
        let asked = self.plan.as_deref();
        let given = GivenPlans::find(asked, path, &bundle, backend.name()).map_err(retune)?;
        if let Some(reason) = &given.passed_over {
            output.say(reason);
        }
        let config = SessionConfig {
            plan: given.plan,
            tuned: given.tuned,
            memory: memory(Path::new("/")),
            power: place.power,
            place: place.place,
            ..self.config(cancel)
        };
        // Plans that were named in a file were asked for as well.
        let config = match (asked, self.adapt) {
            (Some(_), false) => SessionConfig {
                adapt: Adapt::Never,
                ..config
            },
            (Some(_), true) | (None, _) => config,
        };
        let session = Session::from_bundle(bundle, backend, config)?;
        session.remarks().iter().for_each(|text| output.say(text));
        Ok(session)
    }

    /// That the tuning which was named has no plan for so many rows, where that is so.
    pub fn unplanned(&self, session: &Session, rows: usize) -> Option<String> {
        let file = self.plan.as_deref().filter(|text| is_file(text))?;
        let plans = session.plans();
        let (tuned, of_rows) = (
            |chosen: &&ChosenPlan| matches!(chosen.origin, PlanOrigin::File(_)),
            |chosen: &ChosenPlan| chosen.plan.total() == rows,
        );
        let asked = plans
            .iter()
            .any(|chosen| matches!(chosen.origin, PlanOrigin::Asked));
        if asked || plans.iter().filter(tuned).any(of_rows) {
            return None;
        }
        let batches: Vec<String> = plans
            .iter()
            .filter(tuned)
            .map(|c| c.plan.total().to_string())
            .collect();
        let known = if batches.is_empty() {
            "none that is possible here".to_string()
        } else {
            format!("plans for {}", batches.join(", "))
        };
        let asked_for = counted(rows, "row");
        Some(format!(
            "{file} has no plan for {asked_for}, but {known}: `tvm-dla tune --batch {rows}` finds one"
        ))
    }

    /// [`Engines::session`] without the plans of any file.
    pub fn untuned(&self, bundle: Bundle, cancel: Arc<AtomicBool>) -> Result<Session, Box<dyn Error>> {
        let numerics = self.numerics(&bundle)?;
        let backend = self.backend(&bundle, numerics, cancel.clone())?;
        Ok(Session::from_bundle(bundle, backend, self.config(cancel))?)
    }

    /// The same for the plugin, as variables of its environment, which computes in float32 on emulated devices where
    /// nothing is said.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        let numbers = &self.numbers;
        let text = |text: String| Some(OsString::from(text));
        let path = |path: &Option<PathBuf>| path.clone().map(OsString::from);
        let devices = self.devices.as_ref().map(|devices| {
            let names: Vec<String> = devices.iter().map(Device::to_string).collect();
            OsString::from(names.join(","))
        });
        let variables = [
            ("TVM_DLA_BACKEND", text(self.backend.name().to_string())),
            ("TVM_DLA_THREADS", text(self.threads.to_string())),
            ("TVM_DLA_TIME_LIMIT", text(self.time_limit.to_string())),
            ("TVM_DLA_ONNXRUNTIME", path(&self.onnxruntime)),
            ("TVM_DLA_DEVICES", devices),
            ("TVM_DLA_BOARD", self.on_board.clone().map(OsString::from)),
            ("TVM_DLA_NO_ADAPT", self.no_adapt.then(|| "1".into())),
            ("TVM_DLA_PLAN", self.plan.clone().map(OsString::from)),
            (
                "TVM_DLA_PRECISION",
                numbers.precision.map(|p| p.to_string().into()),
            ),
            ("TVM_DLA_CALIBRATION", path(&numbers.calibration)),
        ];
        let given = variables.into_iter();
        given.filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// What computes.
    ///
    /// # Errors
    /// As [`BackendName::taken`].
    pub fn taken(&self) -> Result<TakenName, Box<dyn Error>> {
        if let Some(taken) = self.taken.get() {
            return Ok(*taken);
        }
        let (taken, reason) = self.backend.taken(&self.tensorrt)?;
        reason.iter().for_each(|reason| eprintln!("warning: {reason}"));
        Ok(*self.taken.get_or_init(|| taken))
    }

    /// The board of this machine, where real devices compute, or the one that was named.
    fn place(
        &self,
        bundle: &Bundle,
        numerics: &Numerics,
        output: &Output,
    ) -> Result<Placement, Box<dyn Error>> {
        let real = self.taken()? == TakenName::TensorRt;
        let reading = match (&self.on_board, real) {
            (Some(name), _) => Reading::named(name)?,
            (None, true) => Reading::of(Path::new("/")),
            (None, false) => Reading::default(),
        };
        reading.remarks.iter().for_each(|text| output.say(text));
        if self.on_board.is_some() && !real {
            output.say("emulated devices are alike: what a board's model says means nothing to them");
        }
        let place = |machine| Place::new(machine, numerics.precision, &bundle.options.target);
        Ok(Placement {
            power: reading.power,
            place: reading.machine.filter(|_| real).map(place),
        })
    }

    fn numerics(&self, bundle: &Bundle) -> Result<Numerics, Box<dyn Error>> {
        let numbers = match self.taken()? {
            TakenName::Cpu => self.numbers.clone(),
            TakenName::TensorRt => self.numbers.or(bundle.options.target.precision.into()),
        };
        Ok(numbers.computed(bundle)?.numerics)
    }

    fn config(&self, cancel: Arc<AtomicBool>) -> SessionConfig {
        SessionConfig {
            devices: self.devices.clone(),
            adapt: match (self.adapt, self.no_adapt) {
                (_, true) => Adapt::Never,
                (true, false) => Adapt::Always,
                (false, false) => Adapt::Unasked,
            },
            time_limit: Duration::from_secs(self.time_limit),
            cancel,
            ..SessionConfig::default()
        }
    }

    fn backend(
        &self,
        bundle: &Bundle,
        numerics: Numerics,
        cancel: Arc<AtomicBool>,
    ) -> Result<Arc<dyn Backend>, Box<dyn Error>> {
        match self.taken()? {
            TakenName::TensorRt => self.tensorrt.backend(bundle, numerics, cancel),
            TakenName::Cpu => {
                let library = self.onnxruntime.as_deref();
                Ok(emulated(library, self.threads, numerics)?)
            }
        }
    }
}

/// The model of this machine for a network, and the power mode.
struct Placement {
    place: Option<Place>,
    power: String,
}

fn retune(error: PlansError) -> Box<dyn Error> {
    match &error {
        PlansError::Other { .. } => helped(
            error.to_string(),
            "`tvm-dla tune` writes plans for this network and board",
        ),
        PlansError::Unreadable { .. } | PlansError::NoPlan { .. } | PlansError::Text(_) => error.into(),
    }
}

/// The CPU backend; `named` is ONNX Runtime's library.
pub fn emulated(
    named: Option<&Path>,
    threads: u16,
    numerics: Numerics,
) -> Result<Arc<CpuBackend>, Box<dyn Error>> {
    let library = find_library(&search(named))
        .map_err(|e| helped(e.to_string(), "`tvm-dla doctor` shows what is missing"))?;
    let backend = CpuBackend::new(CpuOptions {
        library,
        threads_per_device: threads.into(),
        devices: vec![Device::Gpu, Device::Dla(0), Device::Dla(1)],
    })?;
    Ok(Arc::new(backend.with_numerics(numerics)))
}
