//! A Relay function as a network.

use std::collections::HashMap;

use super::emit::Emitter;
use super::error::RelayError;
use super::expr::{Call, TensorType};
use super::names::rename;
use super::ops::{Meaning, read};
use super::qnn::{Place, Track};
use super::walk::{Sink, walk};
use crate::bundle::{Affine, Integer, Origin};
use crate::canon::canonicalise;
use crate::graph::{Graph, TensorId};
use crate::tvm::Object;

/// A network, and the Relay call that each tensor came from.
pub struct Conversion {
    pub graph: Graph,
    /// By object id of a call.
    pub calls: HashMap<usize, CallTensors>,
    /// What the function declares where that differs from the network.
    pub origin: Option<Origin>,
}

/// What became of one Relay call.
pub struct CallTensors {
    /// Those of the network in which its results are; none when they are part of a layer now.
    pub tensors: Vec<TensorId>,
    /// What it reads, as numbers that only [`CallTensors::results`] shares.
    pub operands: Vec<TensorId>,
    /// What it returns, likewise; a call that passes its operand on returns that.
    pub results: Vec<TensorId>,
}

/// Converts a type-checked function; its parameters become inputs, its body's tensors outputs.
pub fn convert(function: &Object, name: &str) -> Result<Conversion, RelayError> {
    let mut converter = Converter {
        emitter: Emitter::new(name),
        calls: Vec::new(),
        track: Track::default(),
    };
    let outputs = walk(function, &mut converter)?;
    for output in &outputs {
        converter.output(*output)?;
    }
    let outputs: Vec<TensorId> = outputs.iter().map(|value| value.tensor).collect();
    let graph = converter.emitter.finish(&outputs)?;
    let mut form = canonicalise(graph, &converter.track.ranged())?;
    rename(&mut form.graph);
    let now = |id: TensorId| form.tensors.get(&id).copied();
    let calls = converter.calls.into_iter();
    let calls = calls.map(|(call, operands, results)| {
        let tensors = results.iter().copied().filter_map(now).collect();
        let found = CallTensors {
            tensors,
            operands,
            results,
        };
        (call, found)
    });
    let calls = calls.collect();
    Ok(Conversion {
        origin: converter.track.finish(&form),
        graph: form.graph,
        calls,
    })
}

/// A tensor, and how its elements are quantised where Relay has integers.
#[derive(Clone, Copy)]
struct Value {
    tensor: TensorId,
    integer: Option<Affine>,
}

impl Value {
    fn real(tensor: TensorId) -> Value {
        Value {
            tensor,
            integer: None,
        }
    }
}

struct Converter {
    emitter: Emitter,
    /// Object id, operands, results.
    calls: Vec<(usize, Vec<TensorId>, Vec<TensorId>)>,
    track: Track,
}

impl Sink for Converter {
    type Value = Value;

    fn input(&mut self, parameter: &Object, name: &str) -> Result<Vec<Value>, RelayError> {
        let types = TensorType::all(parameter).map_err(|reason| RelayError::NotTaken {
            op: format!("input `{name}`"),
            reason,
        })?;
        let inputs = match &types[..] {
            [only] if Integer::named(&only.dtype).is_some() => {
                let input = self.emitter.integers(name, only);
                self.track.integer_input(input);
                vec![input]
            }
            _ => self.emitter.inputs(name, &types)?,
        };
        Ok(inputs.into_iter().map(Value::real).collect())
    }

    fn constant(&mut self, constant: &Object) -> Result<Value, RelayError> {
        let array = constant.field("data")?.ndarray()?;
        self.emitter.constant(&array).map(Value::real)
    }

    fn call(&mut self, call: &Object, operands: &[Value]) -> Result<Vec<Value>, RelayError> {
        let read = Call::of(call)?;
        let values = match Place::of(&read)? {
            Some(place) => vec![self.place(&read, place, operands[0])?],
            None => self.operator(&read, operands)?,
        };
        let tensors = |values: &[Value]| values.iter().map(|value| value.tensor).collect();
        let entry = (call.id(), tensors(operands), tensors(&values));
        self.calls.push(entry);
        Ok(values)
    }
}

impl Converter {
    fn operator(&mut self, call: &Call, operands: &[Value]) -> Result<Vec<Value>, RelayError> {
        let tensors: Vec<TensorId> = operands.iter().map(|value| value.tensor).collect();
        let integers = self.track.is_integer_input(&tensors);
        let results = match (integers, read(call)?) {
            (true, Meaning::Op { op, .. }) if call.op == "transpose" => {
                vec![self.emitter.apply(op, &tensors)?]
            }
            _ => self.emitter.call(call, &tensors)?,
        };
        Ok(results.into_iter().map(Value::real).collect())
    }

    /// A place where a quantised model says what it knows of a tensor; only a cut computes something.
    fn place(&mut self, call: &Call, place: Place, x: Value) -> Result<Value, RelayError> {
        match place {
            Place::Quantise(affine) => {
                let tensor = match Track::cut(self.emitter.graph(), x.tensor, affine) {
                    Some(op) => self.emitter.apply(op, &[x.tensor])?,
                    None => x.tensor,
                };
                self.track.note(tensor, affine);
                Ok(Value {
                    tensor,
                    integer: Some(affine),
                })
            }
            Place::Dequantise(affine) => {
                let graph = self.emitter.graph();
                let read = self.track.read(graph, x.tensor, x.integer, affine);
                read.map_err(|reason| call.attrs.refuse(reason))?;
                Ok(Value::real(x.tensor))
            }
        }
    }

    fn output(&mut self, output: Value) -> Result<(), RelayError> {
        let graph = self.emitter.graph();
        let tracked = self.track.output(graph, output.tensor, output.integer);
        tracked.map_err(|reason| RelayError::NotTaken {
            op: "a result".to_string(),
            reason,
        })
    }
}
