//! TVM's JSON form of a function for its TensorRT backend: nodes with texts as attributes, constants by name.

mod document;
mod read;
mod request;
mod write;

pub use document::Document;
pub use request::{Arithmetic, BackendKind, Request, RequestError};
pub use write::{WrittenDocument, texts_of, write};
