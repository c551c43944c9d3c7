//! A module that runs a JSON graph, with TVM's conventions for its constants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::runner::Runner;
use super::texts;
use crate::module::{ModuleKind, PluginModule};
use tvm_dla::bundle::{Bundle, Options};
use tvm_dla::relay::RelayError;
use tvm_dla::relay::json::Document;
use tvm_dla::tvm::{Arguments, CallError, NDArray, Value};

pub struct TensorRtModule {
    symbol: String,
    text: String,
    document: Document,
    names: Vec<String>,
    bytes: Vec<u8>,
    /// What TVM hands over before the first run.
    constants: OnceLock<HashMap<String, NDArray>>,
    /// By the rows that a dynamic graph was called with; 0 for a graph of fixed shapes.
    runners: Mutex<HashMap<usize, Arc<Runner>>>,
}

impl TensorRtModule {
    pub fn new(symbol: String, text: String, names: Vec<String>) -> Result<TensorRtModule, RelayError> {
        Ok(TensorRtModule {
            document: Document::parse(&text)?,
            bytes: saved(&symbol, &text, &names),
            symbol,
            text,
            names,
            constants: OnceLock::new(),
            runners: Mutex::new(HashMap::new()),
        })
    }

    fn initialise(&self, arguments: &Arguments<'_>) -> Result<Value, CallError> {
        let values = arguments.get(0)?.object()?.array()?;
        if values.len() != self.names.len() {
            let (got, want) = (values.len(), self.names.len());
            return Err(format!("{}: {got} constants instead of {want}", self.symbol).into());
        }
        let mut constants = HashMap::new();
        for (name, value) in self.names.iter().zip(values) {
            constants.insert(name.clone(), value.ndarray()?);
        }
        // A second call brings the same constants.
        let _ = self.constants.set(constants);
        Ok(Value::Int(0))
    }

    fn run(&self, arguments: &Arguments<'_>) -> Result<Value, CallError> {
        for index in 0..arguments.len() {
            // An empty batch has empty results.
            if arguments.tensor(index)?.shape().contains(&0) {
                return Ok(Value::Null);
            }
        }
        let rows = if self.document.is_dynamic() && !arguments.is_empty() {
            arguments.tensor(0)?.shape().first().copied().unwrap_or(1)
        } else {
            0
        };
        self.runner(rows)?.run(arguments)
    }

    fn runner(&self, rows: usize) -> Result<Arc<Runner>, CallError> {
        let mut runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runner) = runners.get(&rows) {
            return Ok(runner.clone());
        }
        let none = HashMap::new();
        let constants = match (self.constants.get(), self.names.is_empty()) {
            (Some(constants), _) => constants,
            (None, true) => &none,
            (None, false) => return Err(format!("{}: its constants were not given", self.symbol).into()),
        };
        let bundle = Bundle {
            graph: self.document.network(&self.symbol, constants, rows.max(1))?,
            options: Options::default(),
            plan: None,
            origin: None,
            kept: Vec::new(),
        };
        let runner = Arc::new(Runner::new(bundle, &self.document.options())?);
        runners.insert(rows, runner.clone());
        Ok(runner)
    }
}

impl PluginModule for TensorRtModule {
    fn kind(&self) -> ModuleKind {
        ModuleKind::TensorRt
    }

    fn source(&self) -> &str {
        &self.text
    }

    fn bytes(&self) -> Result<&[u8], CallError> {
        Ok(&self.bytes)
    }

    fn has_function(&self, name: &str) -> bool {
        let initialise = name.strip_prefix("__init_") == Some(&self.symbol);
        initialise || name == self.symbol || ["get_symbol", "get_const_vars"].contains(&name)
    }

    fn call(&self, name: &str, arguments: &Arguments<'_>) -> Result<Value, CallError> {
        match name {
            "get_symbol" => Ok(self.symbol.as_str().into()),
            "get_const_vars" => Ok(texts(&self.names)?),
            name if name == self.symbol => self.run(arguments),
            _ => self.initialise(arguments),
        }
    }
}

/// What TVM's own TensorRT modules are saved as: texts with their lengths in front, little-endian.
fn saved(symbol: &str, graph: &str, names: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut text = |text: &str| {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    text(symbol);
    text(graph);
    let mut bytes = [bytes, (names.len() as u64).to_le_bytes().to_vec()].concat();
    for name in names {
        bytes.extend((name.len() as u64).to_le_bytes());
        bytes.extend(name.as_bytes());
    }
    bytes
}
