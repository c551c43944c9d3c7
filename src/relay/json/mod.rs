//! TVM's JSON form of a function for its TensorRT backend: nodes with texts as attributes, constants by name.

mod document;
mod read;
mod write;

pub use document::Document;
pub use write::{texts_of, write, Written};
