//! TVM's graph executor: over a model, with our networks inside it, or over a part of one.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::error::ArtifactError;
use super::graph_json::{DeclaredTensor, GraphJson};
use super::part::Part;
use crate::engine::Array;
use crate::plan::counted;
use crate::tvm::{Device, Function, Module, NDArray, Value};

/// A model's compiled functions, loaded into TVM.
#[derive(Clone)]
pub(super) struct Library {
    module: Module,
    /// The file has to stay while TVM uses it.
    _unpacked: Option<std::sync::Arc<TempDir>>,
}

impl Library {
    /// The library of a tvmc package. TVM has been loaded.
    pub fn unpacked(library: &[u8]) -> Result<Library, ArtifactError> {
        let unpack = |error: std::io::Error| ArtifactError::Unpack(error.to_string());
        let folder = tempfile::tempdir().map_err(unpack)?;
        let file = folder.path().join("mod.so");
        fs::write(&file, library).map_err(unpack)?;
        Ok(Library {
            module: Module::load(&file)?,
            _unpacked: Some(folder.into()),
        })
    }

    /// A library as it lies on disk. TVM has been loaded.
    pub fn at(path: &Path) -> Result<Library, ArtifactError> {
        let path = fs::canonicalize(path).map_err(|e| ArtifactError::Unpack(e.to_string()))?;
        Ok(Library {
            module: Module::load(&path)?,
            _unpacked: None,
        })
    }
}

/// TVM's graph executor over one graph, at the batch it was compiled for, on the host.
pub struct Executor {
    module: Module,
    inputs: Vec<DeclaredTensor>,
    outputs: Vec<DeclaredTensor>,
    _library: Library,
}

impl Executor {
    /// Over a whole model.
    pub(super) fn new(library: &Library, graph: &GraphJson) -> Result<Executor, ArtifactError> {
        let params = &graph.params().bytes;
        let ends = [graph.inputs(), graph.outputs()];
        Executor::over(library, graph.text(), ends, params)
    }

    /// Over a part of a model, whose parameters may be more than it needs.
    pub(super) fn of_part(library: &Library, part: &Part, params: &[u8]) -> Result<Executor, ArtifactError> {
        let ends = [part.inputs.clone(), part.outputs.clone()];
        Executor::over(library, &part.text, ends, params)
    }

    fn over(
        library: &Library,
        text: &str,
        [inputs, outputs]: [Vec<DeclaredTensor>; 2],
        params: &[u8],
    ) -> Result<Executor, ArtifactError> {
        let module = Function::global("tvm.graph_executor.create")?
            .call(&[
                text.into(),
                library.module.clone().into(),
                i64::from(Device::CPU.kind).into(),
                i64::from(Device::CPU.id).into(),
            ])?
            .module()?;
        if !params.is_empty() {
            let params = Value::Bytes(params.to_vec());
            module.function("load_params")?.call(&[params])?;
        }
        Ok(Executor {
            module,
            inputs,
            outputs,
            _library: library.clone(),
        })
    }

    /// The inputs, in the order [`Executor::run`] takes them.
    pub fn inputs(&self) -> &[DeclaredTensor] {
        &self.inputs
    }

    /// The outputs, in their order.
    pub fn outputs(&self) -> &[DeclaredTensor] {
        &self.outputs
    }

    /// Runs once; inputs have the shape they were compiled for. Where integers are taken or given, the numbers are these.
    pub fn run(&self, inputs: &[Array]) -> Result<Vec<Array>, ArtifactError> {
        if inputs.len() != self.inputs.len() {
            return Err(ArtifactError::Input {
                name: self
                    .inputs
                    .iter()
                    .map(|i| i.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
                reason: format!(
                    "{} given for {}",
                    counted(inputs.len(), "array"),
                    self.inputs.len()
                ),
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
            let data = NDArray::from_numbers(&array.shape, &input.dtype, &array.data)?;
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
