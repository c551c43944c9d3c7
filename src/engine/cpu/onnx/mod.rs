//! A network as an ONNX model: what the CPU engines run, and what `export --onnx` writes.

mod builder;
mod names;
mod precision;
mod proto;
mod slopes;
mod watched;

use prost::Message;

use super::super::precision::{Numerics, Precision};
use crate::graph::Graph;
use crate::lower::{LowerError, NetworkBuilder, lower};
use builder::OnnxBuilder;

pub use precision::ModelError;
pub use watched::{DOMAIN, OUTPUT, WATCH, watched_model};

/// The serialised `ModelProto` of a network in float32 (opset 17, IR version 8), in the forms that ONNX Runtime fuses.
///
/// # Errors
/// [`LowerError`] names the node that has no such form.
pub fn onnx_model(graph: &Graph) -> Result<Vec<u8>, LowerError> {
    onnx_layers(&graph.name, |builder| lower(graph, builder))
}

/// The same for whatever layers `add` adds.
///
/// # Errors
/// Those of `add`.
pub fn onnx_layers<E>(
    name: &str,
    add: impl FnOnce(&mut dyn NetworkBuilder) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let mut builder = OnnxBuilder::default();
    add(&mut builder)?;
    Ok(encoded(builder.finish(name).0))
}

fn encoded(mut model: proto::Model) -> Vec<u8> {
    model.graph.iter_mut().for_each(slopes::spelled);
    model.encode_to_vec()
}

/// The same in any precision: a session over it must be told to leave quantisation nodes alone.
///
/// # Errors
/// [`ModelError`] names the node that has no such form, or the tensor without a range.
pub fn onnx_model_as(graph: &Graph, numerics: &Numerics) -> Result<Vec<u8>, ModelError> {
    match numerics.precision {
        Precision::F32 => Ok(onnx_model(graph)?),
        Precision::F16 | Precision::Int8 => Ok(encoded(precision::model(graph, numerics)?)),
    }
}
