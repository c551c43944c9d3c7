//! Serves networks by the Open Inference Protocol v2 (KServe), over HTTP and gRPC.
//!
//! Every model is a stream: the rows of all requests in flight are batched together, and a request is answered when
//! its last row is. A client that goes away loses its answer and nothing else.

mod activity;
mod config;
mod connections;
mod datatype;
mod error;
mod grpc;
mod guard;
mod http;
mod infer;
mod metrics;
mod model;
mod pending;
mod server;
mod tls;

pub use config::{ServeConfig, TlsFiles};
pub use error::StartError;
pub use model::Model;
pub use server::{Addresses, Server};
