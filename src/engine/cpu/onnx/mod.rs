//! A network as an ONNX model: what the CPU engines run, and what `export --onnx` writes.

mod builder;
mod names;
mod proto;

use prost::Message;

use crate::graph::Graph;
use crate::lower::{lower, LowerError};
use builder::OnnxBuilder;

/// The serialised `ModelProto` of a network (opset 17, IR version 8), in the forms that ONNX Runtime fuses.
///
/// # Errors
/// [`LowerError`] names the node that has no such form.
pub fn onnx_model(graph: &Graph) -> Result<Vec<u8>, LowerError> {
    let mut builder = OnnxBuilder::default();
    lower(graph, &mut builder)?;
    Ok(builder.finish(&graph.name).encode_to_vec())
}
