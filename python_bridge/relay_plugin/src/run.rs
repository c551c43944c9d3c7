//! A compiled network inside TVM: its external function runs on GPU and DLAs like everything else here.

use std::sync::{Arc, OnceLock};

use super::ends;
use super::module::PluginModule;
use super::origin;
use super::settings::{RequestDefaults, Settings, say_plan};
use tvm_dla::bundle::{AxesOrder, Bundle, BundleError, Origin, Port};
use tvm_dla::engine::Array;
use tvm_dla::graph::Graph;
use tvm_dla::session::Session;
use tvm_dla::tvm::{Arguments, CallError, Tensor, TvmError, Value};

/// The module that an artifact carries for one external function.
pub struct DlaModule {
    bundle: Bundle,
    bytes: Vec<u8>,
    /// Made at the first call, so that a model can be loaded where nothing could run it.
    session: OnceLock<Session>,
}

impl DlaModule {
    pub fn new(bundle: Bundle) -> DlaModule {
        DlaModule {
            bytes: bundle.to_bytes(),
            bundle,
            session: OnceLock::new(),
        }
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<DlaModule, BundleError> {
        Ok(DlaModule {
            bundle: Bundle::from_bytes(bytes)?,
            bytes: bytes.to_vec(),
            session: OnceLock::new(),
        })
    }

    fn session(&self) -> Result<&Session, CallError> {
        if let Some(session) = self.session.get() {
            return Ok(session);
        }
        let (bundle, library) = match origin::library_of(&self.bytes) {
            Some((bundle, library)) => (bundle, Some(library)),
            None => (self.bundle.clone(), None),
        };
        let settings = Settings::from_environment()?;
        let session = settings.session(bundle, library.as_deref(), RequestDefaults::default())?;
        Ok(self.session.get_or_init(|| session))
    }
}

impl PluginModule for DlaModule {
    fn bytes(&self) -> Result<&[u8], CallError> {
        Ok(&self.bytes)
    }

    fn has_function(&self, name: &str) -> bool {
        name == self.bundle.graph.name
    }

    fn call(&self, _: &str, arguments: &Arguments<'_>) -> Result<Value, CallError> {
        run(self.session()?, arguments)
    }
}

/// Runs a network in TVM's convention: the inputs, then the outputs to write, all as the model declares them.
pub fn run(session: &Session, arguments: &Arguments<'_>) -> Result<Value, CallError> {
    let arrays = inputs(session, arguments)?;
    run_over(session, &arrays, arguments)
}

/// The inputs among the arguments, of which there must be the right number.
pub fn inputs(session: &Session, arguments: &Arguments<'_>) -> Result<Vec<Array>, CallError> {
    let (graph, origin) = (session.graph(), session.origin());
    let (inputs, outputs) = (graph.inputs.len(), graph.outputs.len());
    if arguments.len() != inputs + outputs {
        return Err(format!(
            "{} takes {inputs} inputs and {outputs} outputs, not {} tensors",
            graph.name,
            arguments.len()
        )
        .into());
    }
    (0..inputs)
        .map(|i| own(graph, Origin::input(origin, i), i, &arguments.tensor(i)?))
        .collect()
}

/// Input number `index`; TVM has it in the model's own order of axes and in no other.
fn own(graph: &Graph, port: &Port, index: usize, tensor: &Tensor<'_>) -> Result<Array, CallError> {
    let network = graph.tensor(graph.inputs[index]);
    let (got, order) = (tensor.shape(), port.order_of(&tensor.shape(), &network.shape));
    if port.axes.is_some() && order != Some(AxesOrder::Model) {
        let want = port.declared(&network.shape);
        let name = &network.name;
        return Err(format!("input `{name}` has the shape {got:?} and not {want:?}").into());
    }
    ends::read(tensor, port)
}

/// Runs a network over `arrays`, and writes the outputs among the arguments.
pub fn run_over(session: &Session, arrays: &[Array], arguments: &Arguments<'_>) -> Result<Value, CallError> {
    let outcome = session.run(arrays)?;
    say_plan(&outcome);
    for (index, array) in outcome.outputs.iter().enumerate() {
        let integer = Origin::output(session.origin(), index).integer;
        let mut output = arguments.output(arrays.len() + index)?;
        ends::write(&mut output, integer, &array.data)?;
    }
    Ok(Value::Null)
}

/// A float32 or float16 tensor as engines take it.
pub fn array(tensor: Tensor<'_>) -> Result<Array, TvmError> {
    Ok(Array {
        shape: tensor.shape(),
        data: Arc::new(tensor.to_f32()?),
    })
}
