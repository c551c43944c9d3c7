//! Options that say how a network runs, and the session they open.

use std::path::Path;
use std::time::Duration;

use super::args::BackendArgs;
use super::error::{CliError, Failure};
use super::inputs::Port;
use super::interrupt::Interrupt;
use crate::bundle::Bundle;
use crate::plan::{Device, Plan};
use crate::session::{Session, SessionConfig};

/// Which devices run which rows.
#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// How to deal the rows: gpu=16x12,dla0=16x10,dla1=16x10,suffix=512, or a .json file
    #[arg(long, value_name = "PLAN|FILE", conflicts_with = "devices")]
    pub plan: Option<String>,
    /// Devices to use (default: all that the artifact and the backend have)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub devices: Option<Vec<Device>>,
    /// An execution that takes longer counts as hung, and other devices take over its rows
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub time_limit: Duration,
}

impl PlanArgs {
    /// The plan that was given, checked against nothing yet.
    pub fn plan(&self) -> Result<Option<Plan>, Failure> {
        match self.plan.as_deref() {
            None => Ok(None),
            Some(text) if text.ends_with(".json") => plan_file(Path::new(text)).map(Some),
            Some(text) => Ok(Some(text.parse()?)),
        }
    }

    /// A session over the emulated GPU and DLA cores, as far as the artifact uses them.
    pub fn open(
        &self,
        bundle: Bundle,
        backend: &BackendArgs,
        interrupt: &Interrupt,
    ) -> Result<Session, Failure> {
        let backend = backend.open(&[Device::Gpu, Device::Dla(0), Device::Dla(1)])?;
        let config = SessionConfig {
            devices: self.devices.clone(),
            plan: None,
            time_limit: self.time_limit,
            cancel: interrupt.flag(),
        };
        Ok(Session::from_bundle(bundle, backend, config)?)
    }

    /// The plan to run `batch` rows by.
    pub fn choose(&self, session: &Session, batch: usize) -> Result<Plan, Failure> {
        match self.plan()? {
            Some(plan) => Ok(plan),
            None => Ok(session.plan_for(batch)?),
        }
    }
}

/// A plan alone, or what `tvm-dla plan --json` printed.
fn plan_file(path: &Path) -> Result<Plan, Failure> {
    let wrong = |reason: String| CliError::Unreadable {
        path: path.to_path_buf(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    let mut value: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| wrong(format!("it is not JSON: {e}")))?;
    if let Some(inner) = value.get_mut("plan") {
        value = inner.take();
    }
    let plan = serde_json::from_value(value);
    Ok(plan.map_err(|e| wrong(format!("it is not a plan: {e}")))?)
}

/// The network's inputs as compiled.
pub fn ports(session: &Session) -> Vec<Port> {
    let graph = session.graph();
    let port = |id: &crate::graph::TensorId| Port {
        name: graph.tensor(*id).name.clone(),
        shape: graph.tensor(*id).shape.clone(),
    };
    graph.inputs.iter().map(port).collect()
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "it is not a number of seconds")?;
    match number > 0.0 {
        true => Duration::try_from_secs_f64(number).map_err(|e| e.to_string()),
        false => Err("it must be more than 0 seconds".into()),
    }
}
