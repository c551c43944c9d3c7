//! Ways in which a server cannot start, or a request cannot be answered.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::StatusCode;
use tonic::Code;

use crate::pipeline::StreamError;
use crate::plan::counted;
use crate::session::SessionError;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "cannot listen on {address}: {reason}; another program may use the port: choose another, or 0 for any that is free"
    )]
    Listen { address: SocketAddr, reason: String },
    #[error("cannot use {path} for TLS: {reason}")]
    Tls { path: PathBuf, reason: String },
    #[error("cannot start the server's threads: {0}")]
    Runtime(String),
    #[error("two models are called `{0}`: name them as NAME=ARTIFACT")]
    Repeated(String),
    #[error("there is nothing to serve: name at least one model and one protocol")]
    Nothing,
}

/// Why a request is not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RequestError {
    #[error("there is no model `{name}`, only {}", known.join(", "))]
    UnknownModel { name: String, known: Vec<String> },
    #[error("model `{model}` has no version `{version}`, only 1")]
    UnknownVersion { model: String, version: String },
    #[error("{0}")]
    Malformed(String),
    #[error("input `{name}` has the datatype {got}: this model takes {want}")]
    Datatype {
        name: String,
        got: String,
        want: &'static str,
    },
    #[error(
        "input `{name}` has the shape {shape:?} but must be {want:?}: not every input and output of this model has a batch dimension, so a request is one execution"
    )]
    Whole {
        name: String,
        shape: Vec<usize>,
        want: Vec<usize>,
    },
    #[error("the model has no input `{name}`, only {}", known.join(", "))]
    UnknownInput { name: String, known: Vec<String> },
    #[error("the model has no output `{name}`, only {}", known.join(", "))]
    UnknownOutput { name: String, known: Vec<String> },
    #[error("input `{0}` is missing")]
    MissingInput(String),
    #[error("input `{0}` is given twice")]
    RepeatedInput(String),
    #[error(
        "input `{name}` has the shape {shape:?}, which is {}, but {got} were sent",
        counted(*want, "element")
    )]
    Elements {
        name: String,
        shape: Vec<i64>,
        want: usize,
        got: usize,
    },
    #[error("output `{0}` holds values that JSON cannot (NaN or infinity): ask for binary data")]
    NotJson(String),
    #[error("{what} is not supported by this server{}", if *help { ": ask for binary tensor data" } else { "" })]
    Unsupported { what: String, help: bool },
    #[error("{0}")]
    Input(SessionError),
    /// Behind the network.
    #[error("{0}")]
    Behind(SessionError),
    #[error("a request of {} is larger than the queue of {queue}: send fewer at once", counted(*rows, "row"))]
    TooManyRows { rows: usize, queue: usize },
    #[error("the request is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the queue of {} is full: try again later", counted(*.0, "row"))]
    QueueFull(usize),
    #[error("the server is stopping")]
    Stopping,
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("the request did not arrive within {0:?}")]
    TooSlow(Duration),
    #[error("{0}")]
    Failed(StreamError),
    #[error("no answer: {0}")]
    Broken(String),
    #[error("{0}; restart the server")]
    NotReady(String),
}

impl RequestError {
    pub fn status(&self) -> StatusCode {
        match self {
            RequestError::UnknownModel { .. } | RequestError::UnknownVersion { .. } => StatusCode::NOT_FOUND,
            RequestError::Malformed(_)
            | RequestError::Datatype { .. }
            | RequestError::Whole { .. }
            | RequestError::UnknownInput { .. }
            | RequestError::UnknownOutput { .. }
            | RequestError::MissingInput(_)
            | RequestError::RepeatedInput(_)
            | RequestError::Elements { .. }
            | RequestError::NotJson(_)
            | RequestError::Unsupported { .. }
            | RequestError::Input(_)
            | RequestError::TooManyRows { .. } => StatusCode::BAD_REQUEST,
            RequestError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            RequestError::QueueFull(_) | RequestError::Stopping | RequestError::NotReady(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            RequestError::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            RequestError::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            RequestError::Failed(_) | RequestError::Behind(_) | RequestError::Broken(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    pub fn code(&self) -> Code {
        match self {
            RequestError::UnknownModel { .. } | RequestError::UnknownVersion { .. } => Code::NotFound,
            RequestError::Malformed(_)
            | RequestError::Datatype { .. }
            | RequestError::Whole { .. }
            | RequestError::UnknownInput { .. }
            | RequestError::UnknownOutput { .. }
            | RequestError::MissingInput(_)
            | RequestError::RepeatedInput(_)
            | RequestError::Elements { .. }
            | RequestError::NotJson(_)
            | RequestError::Input(_)
            | RequestError::TooManyRows { .. } => Code::InvalidArgument,
            RequestError::Unsupported { .. } => Code::Unimplemented,
            RequestError::TooLarge(_) => Code::OutOfRange,
            RequestError::QueueFull(_) => Code::ResourceExhausted,
            RequestError::Stopping | RequestError::NotReady(_) => Code::Unavailable,
            RequestError::TimedOut(_) | RequestError::TooSlow(_) => Code::DeadlineExceeded,
            RequestError::Failed(_) | RequestError::Behind(_) | RequestError::Broken(_) => Code::Internal,
        }
    }
}

impl From<RequestError> for tonic::Status {
    fn from(error: RequestError) -> tonic::Status {
        tonic::Status::new(error.code(), error.to_string())
    }
}
