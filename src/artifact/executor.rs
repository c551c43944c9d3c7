//! A model that TVM drives: its graph executor, with our networks inside it.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::error::ArtifactError;
use super::graph_json::{Declared, GraphJson};
use crate::bundle::Affine;
use crate::engine::Array;
use crate::tvm::{Device, Function, Module, NDArray, Value};

/// TVM's graph executor over one model, at the batch it was compiled for, on the host.
pub struct Executor {
    module: Module,
    inputs: Vec<Declared>,
    /// The library's file has to stay while TVM uses it.
    _unpacked: Option<TempDir>,
}

impl Executor {
    /// The parts of a tvmc package.
    pub(super) fn from_parts(
        runtime: &Path,
        library: &[u8],
        graph: &GraphJson,
        params: &[u8],
    ) -> Result<Executor, ArtifactError> {
        crate::tvm::open(runtime)?;
        let unpack = |error: std::io::Error| ArtifactError::Unpack(error.to_string());
        let folder = tempfile::tempdir().map_err(unpack)?;
        let file = folder.path().join("mod.so");
        fs::write(&file, library).map_err(unpack)?;
        let library = Module::load(&file)?;
        let module = Function::global("tvm.graph_executor.create")?
            .call(&[
                graph.text().into(),
                library.into(),
                i64::from(Device::CPU.kind).into(),
                i64::from(Device::CPU.id).into(),
            ])?
            .module()?;
        if !params.is_empty() {
            let params = Value::Bytes(params.to_vec());
            module.function("load_params")?.call(&[params])?;
        }
        Executor::new(module, graph, Some(folder))
    }

    /// A library that carries its own graph and parameters.
    pub(super) fn from_library(
        runtime: &Path,
        library: &Path,
        graph: &GraphJson,
    ) -> Result<Executor, ArtifactError> {
        crate::tvm::open(runtime)?;
        let path = fs::canonicalize(library).map_err(|e| ArtifactError::Unpack(e.to_string()))?;
        let factory = Module::load(&path)?.function("default")?;
        let module = factory.call(&[Value::Device(Device::CPU)])?.module()?;
        Executor::new(module, graph, None)
    }

    fn new(
        module: Module,
        graph: &GraphJson,
        unpacked: Option<TempDir>,
    ) -> Result<Executor, ArtifactError> {
        let inputs = graph.inputs();
        Ok(Executor {
            module,
            inputs,
            _unpacked: unpacked,
        })
    }

    /// The inputs, in the order [`Executor::run`] takes them.
    pub fn inputs(&self) -> &[Declared] {
        &self.inputs
    }

    /// Runs the model once; inputs have the shape it was compiled for. Where the model takes or gives integers, the
    /// numbers are these.
    pub fn run(&self, inputs: &[Array]) -> Result<Vec<Array>, ArtifactError> {
        if inputs.len() != self.inputs.len() {
            return Err(ArtifactError::Input {
                name: self
                    .inputs
                    .iter()
                    .map(|i| i.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
                reason: format!("{} arrays given for {}", inputs.len(), self.inputs.len()),
            });
        }
        let set = self.module.function("set_input")?;
        for (input, array) in self.inputs.iter().zip(inputs) {
            if input.shape != array.shape {
                let (got, want) = (&array.shape, &input.shape);
                return Err(ArtifactError::Input {
                    name: input.name.clone(),
                    reason: format!("shape {got:?}, but the model takes {want:?}"),
                });
            }
            let data = match input.integer {
                None => NDArray::from_f32(&array.shape, &array.data)?,
                Some(integer) => {
                    let bytes = Affine::plain(integer).bytes(&array.data);
                    NDArray::from_8_bits(&array.shape, integer.name(), &bytes)?
                }
            };
            set.call(&[input.name.as_str().into(), data.into()])?;
        }
        self.module.function("run")?.call(&[])?;
        let count = self.module.function("get_num_outputs")?.call(&[])?.int()?;
        let output = self.module.function("get_output")?;
        (0..count)
            .map(|index| {
                let array = output.call(&[index.into()])?.ndarray()?;
                Ok(Array {
                    shape: array.shape(),
                    data: array.to_numbers()?.into(),
                })
            })
            .collect()
    }
}
