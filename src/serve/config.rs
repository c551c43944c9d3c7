//! How to serve.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Frozen when a server starts.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The address to listen on.
    pub host: IpAddr,
    /// 0 takes any free port; `None` does not serve this protocol.
    pub http_port: Option<u16>,
    pub grpc_port: Option<u16>,
    pub tls: Option<TlsFiles>,
    /// Bytes of the largest request.
    pub max_request: usize,
    /// Longest time from the first byte of a request to its answer.
    pub request_timeout: Duration,
    /// Longest time to the end of a request's head, and to the first request of a connection.
    pub header_timeout: Duration,
    /// Connections of each protocol at a time; others wait to be accepted.
    pub max_connections: usize,
    /// How long requests in flight may take to end when the server stops.
    pub drain_timeout: Duration,
}

/// Certificate chain and private key, both PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub certificates: PathBuf,
    pub key: PathBuf,
}
