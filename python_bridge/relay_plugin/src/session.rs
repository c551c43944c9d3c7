//! A session as a TVM module: what Python's `tvm_dla.Session` calls.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::ends;
use super::ffi::make_module;
use super::module::PluginModule;
use super::run::array;
use super::settings::{RequestDefaults, Settings, say_plan};
use tvm_dla::artifact::{Artifact, Element};
use tvm_dla::engine::Array;
use tvm_dla::plan::Plan;
use tvm_dla::session::{End, Outcome, PlanOrigin, Session};
use tvm_dla::tvm::{Arguments, CallError, NDArray, Value, register as global};

const FUNCTIONS: [&str; 6] = ["set_input", "run", "num_outputs", "output", "report", "describe"];

pub fn register() -> Result<(), CallError> {
    global("tvm_dla.session_create", |arguments| {
        let path = arguments.text(0)?;
        let path = Path::new(&path);
        let artifact = Artifact::read(path)?;
        let settings = Settings::from_json(&arguments.text(1)?)?;
        let bundle = artifact.network()?.clone();
        let session = settings.session(bundle, Some(path), RequestDefaults::default())?;
        let session = session.within(artifact.around(None)?);
        let count = session.inputs().len();
        let module = SessionModule {
            session,
            state: Mutex::new(State {
                inputs: vec![None; count],
                outcome: None,
            }),
        };
        Ok(make_module(Box::new(module))?.into())
    })?;
    Ok(())
}

struct SessionModule {
    session: Session,
    state: Mutex<State>,
}

struct State {
    inputs: Vec<Option<Array>>,
    outcome: Option<Outcome>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    /// In the model's own order of axes. The first dimension is the batch it was compiled for; any other is accepted.
    shape: Vec<usize>,
    /// As NumPy calls it.
    dtype: &'static str,
}

#[derive(Serialize)]
struct Description {
    inputs: Vec<Entry>,
    outputs: Vec<Entry>,
    devices: Vec<String>,
    backend: String,
}

#[derive(Serialize)]
struct RunReport<'a> {
    plan: String,
    plan_from: &'a PlanOrigin,
    schedule: &'a Plan,
    stats: &'a tvm_dla::pipeline::Stats,
}

impl State {
    /// Integers are as the model declares its input; real numbers are what they stand for.
    fn set_input(&mut self, session: &Session, arguments: &Arguments<'_>) -> Result<Value, CallError> {
        let index = usize::try_from(arguments.get(0)?.int()?)?;
        let tensor = arguments.tensor(1)?;
        let count = self.inputs.len();
        let slot = self.inputs.get_mut(index);
        let slot = slot.ok_or_else(|| format!("there is no input {index} of {count}"))?;
        let End { port, dtype, .. } = &session.inputs()[index];
        *slot = Some(match port.integer {
            Some(affine) if affine.dtype.name() == tensor.dtype() => ends::read(&tensor, port)?,
            None if Element::named(&tensor.dtype()) == Some(*dtype) => Array {
                shape: tensor.shape(),
                data: Arc::new(tensor.to_numbers()?),
            },
            Some(_) | None => array(tensor)?,
        });
        Ok(Value::Null)
    }

    fn run(&mut self, session: &Session) -> Result<Value, CallError> {
        let inputs: Option<Vec<Array>> = self.inputs.iter().cloned().collect();
        let inputs = inputs.ok_or("not every input has been set")?;
        let outcome = session.run(&inputs)?;
        say_plan(&outcome);
        self.outcome = Some(outcome);
        Ok(Value::Null)
    }

    fn output(&self, arguments: &Arguments<'_>) -> Result<Value, CallError> {
        let index = usize::try_from(arguments.get(0)?.int()?)?;
        let outputs = &self.outcome()?.outputs;
        let array = outputs.get(index);
        let array = array.ok_or_else(|| format!("there is no output {index} of {}", outputs.len()))?;
        Ok(NDArray::from_f32(&array.shape, &array.data)?.into())
    }

    fn report(&self) -> Result<Value, CallError> {
        let outcome = self.outcome()?;
        let report = RunReport {
            plan: outcome.plan.to_string(),
            plan_from: &outcome.origin,
            schedule: &outcome.plan,
            stats: &outcome.stats,
        };
        Ok(serde_json::to_string(&report)?.into())
    }

    fn outcome(&self) -> Result<&Outcome, CallError> {
        Ok(self.outcome.as_ref().ok_or("nothing has been run")?)
    }
}

impl PluginModule for SessionModule {
    fn bytes(&self) -> Result<&[u8], CallError> {
        Err("a session cannot be saved: save the artifact".into())
    }

    fn has_function(&self, name: &str) -> bool {
        FUNCTIONS.contains(&name)
    }

    fn call(&self, name: &str, arguments: &Arguments<'_>) -> Result<Value, CallError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match name {
            "set_input" => state.set_input(&self.session, arguments),
            "run" => state.run(&self.session),
            "num_outputs" => Ok((self.session.outputs().len() as i64).into()),
            "output" => state.output(arguments),
            "report" => state.report(),
            "describe" => describe(&self.session),
            other => Err(format!("a session has no function `{other}`").into()),
        }
    }
}

fn describe(session: &Session) -> Result<Value, CallError> {
    let description = Description {
        inputs: entries(session.inputs()),
        outputs: entries(session.outputs()),
        devices: session.devices().iter().map(|d| d.to_string()).collect(),
        backend: session.backend().describe(),
    };
    Ok(serde_json::to_string(&description)?.into())
}

fn entries(ends: Vec<End>) -> Vec<Entry> {
    ends.into_iter()
        .map(|end| Entry {
            name: end.name,
            shape: end.shape,
            dtype: end.dtype.name(),
        })
        .collect()
}
