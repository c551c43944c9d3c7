//! A Relay function as a network.

use std::collections::HashMap;

use super::emit::Emitter;
use super::error::RelayError;
use super::expr::{Call, TensorType};
use super::walk::{walk, Sink};
use crate::graph::{Graph, TensorId};
use crate::tvm::Object;

/// A network, and the Relay call that each tensor came from.
pub struct Converted {
    pub graph: Graph,
    /// Object id of a call -> the tensors it returns. Calls that pass their operand on share its tensor.
    pub tensors: HashMap<usize, Vec<TensorId>>,
}

/// Converts a type-checked function; its parameters become inputs, its body's tensors outputs.
pub fn convert(function: &Object, name: &str) -> Result<Converted, RelayError> {
    let mut converter = Converter {
        emitter: Emitter::new(name),
        tensors: HashMap::new(),
    };
    let outputs = walk(function, &mut converter)?;
    Ok(Converted {
        graph: converter.emitter.finish(&outputs)?,
        tensors: converter.tensors,
    })
}

struct Converter {
    emitter: Emitter,
    tensors: HashMap<usize, Vec<TensorId>>,
}

impl Sink for Converter {
    type Value = TensorId;

    fn input(&mut self, parameter: &Object, name: &str) -> Result<Vec<TensorId>, RelayError> {
        let types = TensorType::all(parameter).map_err(|reason| RelayError::NotTaken {
            op: format!("input `{name}`"),
            reason,
        })?;
        self.emitter.inputs(name, &types)
    }

    fn constant(&mut self, constant: &Object) -> Result<TensorId, RelayError> {
        let array = constant.field("data")?.ndarray()?;
        self.emitter.constant(&array)
    }

    fn call(&mut self, call: &Object, operands: &[TensorId]) -> Result<Vec<TensorId>, RelayError> {
        let tensors = self.emitter.call(&Call::of(call)?, operands)?;
        self.tensors.insert(call.id(), tensors.clone());
        Ok(tensors)
    }
}
