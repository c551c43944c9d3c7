//! The options that say where and how to run.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::helped;
use super::output::Output;
use super::precision::Numbers;
use super::tensorrt::TensorRtArguments;
use crate::artifact::Artifact;
use crate::bundle::Bundle;
use crate::engine::cpu::{find_library, CpuBackend, CpuOptions, SearchPaths};
use crate::engine::{Backend, Numerics};
use crate::plan::{Device, Plan, PlanFile};
use crate::session::{default_search, Session, SessionConfig};

/// What realises the devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendName {
    /// Every device emulated on the CPU by ONNX Runtime
    Cpu,
    /// The GPU and the DLA cores of this board
    #[value(name = "tensorrt")]
    TensorRt,
}

/// Where and how to run.
#[derive(Args, Clone)]
pub struct Engines {
    /// What realises the devices
    #[arg(long, value_enum, default_value = "cpu", env = "TVM_DLA_BACKEND")]
    pub backend: BackendName,
    /// Devices to use, e.g. gpu,dla0 (default: all)
    #[arg(long, value_delimiter = ',', conflicts_with = "plan")]
    pub devices: Option<Vec<Device>>,
    /// Plan as text (gpu=16x11,dla0=16x10,dla1=16x11,suffix=512) or as a JSON file, of one plan or of a tuning
    #[arg(long)]
    pub plan: Option<String>,
    /// Re-balance rows between devices from run to run, by what each run took
    #[arg(long)]
    pub adapt: bool,
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
    pub numbers: Numbers,
}

impl Engines {
    /// A backend with everything else as it is when nothing is said.
    pub fn of(backend: BackendName, tensorrt: TensorRtArguments) -> Engines {
        Engines {
            backend,
            devices: None,
            plan: None,
            adapt: false,
            threads: 1,
            time_limit: 60,
            onnxruntime: None,
            tensorrt,
            numbers: Numbers::default(),
        }
    }

    /// The plan given, read from its text or file; a file of a tuning has several, see [`Engines::tuned`].
    pub fn plan(&self) -> Result<Option<Plan>, Box<dyn Error>> {
        match &self.plan {
            None => Ok(None),
            Some(text) if !is_file(text) => Ok(Some(text.parse()?)),
            Some(text) => match read_plans(Path::new(text))? {
                Plans::One(plan) => Ok(Some(plan)),
                Plans::Tuned(_) => Ok(None),
            },
        }
    }

    /// A session for the network of `artifact`, which was read from `path`: with the plan given, or the tuned plans of
    /// the file given, or those of the file beside the artifact. It computes as [`Engines::session`] says.
    pub fn tuned_session(
        &self,
        artifact: &Artifact,
        path: &Path,
        cancel: Arc<AtomicBool>,
        output: &Output,
    ) -> Result<Session, Box<dyn Error>> {
        let bundle = artifact.whole()?.clone();
        let numerics = self.numerics(&bundle)?;
        self.tuned_session_in(bundle, numerics, path, cancel, output)
    }

    /// [`Engines::tuned_session`] that computes as `numerics` says.
    pub fn tuned_session_in(
        &self,
        bundle: Bundle,
        numerics: Numerics,
        path: &Path,
        cancel: Arc<AtomicBool>,
        output: &Output,
    ) -> Result<Session, Box<dyn Error>> {
        let backend = self.backend(&bundle, numerics, cancel.clone())?;
        let config = SessionConfig {
            tuned: self.tuned(&bundle, path, backend.name(), output)?,
            ..self.config(cancel)?
        };
        Ok(Session::from_bundle(bundle, backend, config)?)
    }

    /// A session for `bundle`, without tuned plans: unless the options say otherwise, emulated devices compute in float32
    /// and a board in the artifact's precision.
    pub fn session(
        &self,
        bundle: Bundle,
        cancel: Arc<AtomicBool>,
    ) -> Result<Session, Box<dyn Error>> {
        let numerics = self.numerics(&bundle)?;
        self.session_in(bundle, numerics, cancel)
    }

    /// A session for `bundle` that computes as `numerics` says, without tuned plans.
    pub fn session_in(
        &self,
        bundle: Bundle,
        numerics: Numerics,
        cancel: Arc<AtomicBool>,
    ) -> Result<Session, Box<dyn Error>> {
        let backend = self.backend(&bundle, numerics, cancel.clone())?;
        Ok(Session::from_bundle(bundle, backend, self.config(cancel)?)?)
    }

    fn numerics(&self, bundle: &Bundle) -> Result<Numerics, Box<dyn Error>> {
        let numbers = match self.backend {
            BackendName::Cpu => self.numbers.clone(),
            BackendName::TensorRt => self.numbers.or(bundle.options.target.precision.into()),
        };
        Ok(numbers.computed(bundle)?.numerics)
    }

    fn config(&self, cancel: Arc<AtomicBool>) -> Result<SessionConfig, Box<dyn Error>> {
        Ok(SessionConfig {
            devices: self.devices.clone(),
            plan: self.plan()?,
            adapt: self.adapt,
            time_limit: Duration::from_secs(self.time_limit),
            cancel,
            ..SessionConfig::default()
        })
    }

    /// Tuned plans. Those of a file that was named must be for this network and board; a file beside the artifact that
    /// is for another is passed over, with a remark.
    fn tuned(
        &self,
        bundle: &Bundle,
        path: &Path,
        board: &str,
        output: &Output,
    ) -> Result<Vec<Plan>, Box<dyn Error>> {
        let digest = crate::bundle::digest(&bundle.graph);
        if let Some(text) = &self.plan {
            return match is_file(text)
                .then(|| read_plans(Path::new(text)))
                .transpose()?
            {
                Some(Plans::Tuned(file)) => {
                    let wrong = |error| {
                        helped(
                            format!("{text}: {error}"),
                            "`tvm-dla tune` writes plans for this network and board",
                        )
                    };
                    file.check(&digest, board).map_err(wrong)?;
                    Ok(file.plans)
                }
                Some(Plans::One(_)) | None => Ok(Vec::new()),
            };
        }
        let beside = path.with_extension("plan.json");
        if !beside.is_file() {
            return Ok(Vec::new());
        }
        let file = match read_plans(&beside)? {
            Plans::One(plan) => return Ok(vec![plan]),
            Plans::Tuned(file) => file,
        };
        match file.check(&digest, board) {
            Ok(()) => Ok(file.plans),
            Err(error) => {
                output.say(&format!("{} is not used: {error}", beside.display()));
                Ok(Vec::new())
            }
        }
    }

    fn backend(
        &self,
        bundle: &Bundle,
        numerics: Numerics,
        cancel: Arc<AtomicBool>,
    ) -> Result<Arc<dyn Backend>, Box<dyn Error>> {
        match self.backend {
            BackendName::TensorRt => self.tensorrt.backend(bundle, numerics, cancel),
            BackendName::Cpu => emulated(self.onnxruntime.as_deref(), self.threads, numerics),
        }
    }
}

/// The CPU backend; `named` is ONNX Runtime's library.
pub fn emulated(
    named: Option<&Path>,
    threads: u16,
    numerics: Numerics,
) -> Result<Arc<dyn Backend>, Box<dyn Error>> {
    let library = find_library(&search(named))
        .map_err(|e| helped(e.to_string(), "`tvm-dla doctor` shows what is missing"))?;
    let backend = CpuBackend::new(CpuOptions {
        library,
        threads_per_device: threads.into(),
        devices: vec![Device::Gpu, Device::Dla(0), Device::Dla(1)],
    })?;
    Ok(Arc::new(backend.with_numerics(numerics)))
}

/// What a JSON file of plans holds.
enum Plans {
    One(Plan),
    Tuned(PlanFile),
}

/// The plans of a text, or of a JSON file.
pub fn plans(text: &str) -> Result<Vec<Plan>, Box<dyn Error>> {
    if !is_file(text) {
        return Ok(vec![text.parse()?]);
    }
    match read_plans(Path::new(text))? {
        Plans::One(plan) => Ok(vec![plan]),
        Plans::Tuned(file) => Ok(file.plans),
    }
}

fn is_file(text: &str) -> bool {
    Path::new(text).extension().is_some_and(|e| e == "json")
}

fn read_plans(path: &Path) -> Result<Plans, Box<dyn Error>> {
    let text = path.display();
    let json = fs::read_to_string(path).map_err(|e| format!("cannot read {text}: {e}"))?;
    let wrong = |e: serde_json::Error| format!("{text} is not a plan: {e}");
    let mut value: serde_json::Value = serde_json::from_str(&json).map_err(wrong)?;
    if value.get("plans").is_some() {
        return Ok(Plans::Tuned(serde_json::from_value(value).map_err(wrong)?));
    }
    // What `tvm-dla plan --json` prints has the plan inside.
    let inner = value.get_mut("plan").map(serde_json::Value::take);
    let plan = serde_json::from_value(inner.unwrap_or(value)).map_err(wrong)?;
    Ok(Plans::One(plan))
}

/// The TVM runtime beside the plugin that the artifact was linked to, else that of the first environment. Another
/// version's runtime cannot load it.
pub fn tvm_runtime(artifact: &Path) -> Option<PathBuf> {
    let found = in_packages(&search(None), "tvm/libtvm_runtime.so");
    let bytes = fs::read(artifact).unwrap_or_default();
    let linked = found.iter().find(|runtime| names_plugin(&bytes, runtime));
    linked.or(found.first()).cloned()
}

/// Whether `artifact` names the folder of the plugin in the environment of `runtime`.
fn names_plugin(artifact: &[u8], runtime: &Path) -> bool {
    let runtime = fs::canonicalize(runtime).unwrap_or_default();
    let packages = runtime.ancestors().nth(2);
    let folder = packages.map(|packages| packages.join("tvm_dla"));
    let folder = folder.unwrap_or_default().into_os_string().into_vec();
    let mut windows = artifact.windows(folder.len().max(1));
    !folder.is_empty() && windows.any(|window| window == folder)
}

/// The Python of the first environment that has TVM and the plugin.
pub fn python() -> Option<PathBuf> {
    let roots = search(None).roots.into_iter();
    let mut with_plugin = roots.filter(|root| {
        let packages = site_packages(root);
        packages
            .iter()
            .any(|folder| folder.join("tvm_dla/libtvm_dla.so").is_file())
    });
    with_plugin.next().map(|root| root.join("bin/python"))
}

/// `file` in the site-packages of every environment that is searched, in that order.
pub fn in_packages(paths: &SearchPaths, file: &str) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let folders = paths.roots.iter().flat_map(|root| site_packages(root));
    folders
        .map(|folder| folder.join(file))
        .filter(|path| path.is_file() && seen.insert(path.clone()))
        .collect()
}

fn site_packages(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join("lib")).into_iter().flatten();
    let folders = entries.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join("site-packages")).collect()
}

/// Where ONNX Runtime is looked for.
pub fn search(named: Option<&Path>) -> SearchPaths {
    let mut paths = default_search();
    paths.explicit = named.map(Path::to_path_buf);
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    paths.roots.splice(0..0, active);
    paths
}
