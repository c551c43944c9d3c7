//! `tvm-dla serve`.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::around::TvmRuntime;
use super::engines::Engines;
use super::output::Output;
use super::stream::time;
use super::{Answer, Outcome};
use crate::artifact::Artifact;
use crate::serve::{Model, ServeConfig, Server, TlsFiles};
use crate::session::{BatchOrigin, StreamConfig};

#[derive(Args)]
pub struct Arguments {
    /// Artifacts, each as FILE or NAME=FILE; a model is called like its file otherwise
    #[arg(required = true)]
    artifacts: Vec<String>,
    /// Address to listen on; by default only this machine can connect
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port for HTTP; 0 takes any that is free
    #[arg(long, default_value_t = 8000)]
    http_port: u16,
    /// Port for gRPC; 0 takes any that is free
    #[arg(long, default_value_t = 8001)]
    grpc_port: u16,
    /// Encrypt both protocols with this certificate chain and private key (PEM)
    #[arg(long, num_args = 2, value_names = ["CERTIFICATES", "KEY"])]
    tls: Option<Vec<PathBuf>>,
    /// Hold rows back for company while they can still be answered within this time, e.g. 30ms
    #[arg(long, value_parser = time)]
    max_latency: Option<Duration>,
    /// Most rows of an execution, where --plan does not say
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    max_batch: u32,
    /// Rows of all requests in flight, per model; more are refused
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    queue: u32,
    /// Largest request in MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..4096))]
    max_request: u32,
    /// Longest time from a request's first byte to its answer
    #[arg(long, default_value = "30s", value_parser = time)]
    request_timeout: Duration,
    /// Longest time until a connection has sent a request's head
    #[arg(long, default_value = "10s", value_parser = time)]
    header_timeout: Duration,
    /// Connections of each protocol at a time
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,
    /// How long requests in flight may take to end after SIGTERM or Ctrl-C
    #[arg(long, default_value = "30s", value_parser = time)]
    drain_timeout: Duration,
    #[command(flatten)]
    tvm: TvmRuntime,
    #[command(flatten)]
    engines: Engines,
}

/// What is printed when the server answers.
#[derive(Serialize)]
struct ServeReport {
    http: Option<SocketAddr>,
    grpc: Option<SocketAddr>,
    tls: bool,
    models: Vec<String>,
    /// Of every model, in the same order.
    batches_from: Vec<BatchOrigin>,
    devices: String,
}

pub fn run(arguments: &Arguments, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    let mut models = Vec::new();
    let mut devices = String::new();
    for (name, path) in named(&arguments.artifacts)? {
        output.say(&format!("building the engines of {name}"));
        let artifact = Artifact::read(&path)?;
        let bundle = artifact.network()?.clone();
        let around = arguments.tvm.around(&path, &artifact, output)?;
        let engines = &arguments.engines;
        let session = engines.session(bundle, &path, cancel.clone(), output)?;
        let session = Arc::new(session.within(around));
        let names: Vec<String> = session.devices().iter().map(|d| d.to_string()).collect();
        devices = format!("{} {}", names.join(" + "), session.backend().describe());
        models.push(Model::start(&name, session, &arguments.stream())?);
    }
    let names: Vec<String> = models.iter().map(|m| m.name().to_string()).collect();
    let origins = models.iter().map(|m| m.origin().clone()).collect();
    let server = Server::start(models, arguments.config())?;
    let serving = ServeReport {
        http: server.addresses().http,
        grpc: server.addresses().grpc,
        tls: arguments.tls.is_some(),
        models: names,
        batches_from: origins,
        devices,
    };
    output.answer(&serving, || human(&serving), Answer::Yes)?;
    let mut told: Vec<String> = Vec::new();
    while !cancel.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(20));
        for trouble in server.troubles() {
            if !told.contains(&trouble) {
                output.say(&format!("{trouble}; the server is no longer ready"));
                told.push(trouble);
            }
        }
    }
    output.say("stopping: requests in flight are answered first; once more ends at once");
    server.drain();
    output.say("stopped");
    Ok(Answer::Yes)
}

impl Arguments {
    fn stream(&self) -> StreamConfig {
        StreamConfig {
            max_latency: self.max_latency,
            max_batch: self.max_batch as usize,
            capacity: self.queue as usize,
            ..StreamConfig::default()
        }
    }

    fn config(&self) -> ServeConfig {
        let tls = self.tls.as_deref().and_then(|files| match files {
            [certificates, key] => Some(TlsFiles {
                certificates: certificates.clone(),
                key: key.clone(),
            }),
            _ => None,
        });
        ServeConfig {
            host: self.host,
            http_port: Some(self.http_port),
            grpc_port: Some(self.grpc_port),
            tls,
            max_request: self.max_request as usize * 1024 * 1024,
            request_timeout: self.request_timeout,
            header_timeout: self.header_timeout,
            max_connections: self.max_connections as usize,
            drain_timeout: self.drain_timeout,
        }
    }
}

/// Name and file of every model.
fn named(artifacts: &[String]) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let named = artifacts.iter().map(|text| match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !name.contains('/') => {
            Ok((name.to_string(), PathBuf::from(path)))
        }
        _ => {
            let name = Path::new(text).file_stem();
            let name = name.ok_or_else(|| format!("`{text}` names no file"))?;
            Ok((name.to_string_lossy().into_owned(), PathBuf::from(text)))
        }
    });
    named.collect()
}

fn human(serving: &ServeReport) -> String {
    let scheme = if serving.tls { "https" } else { "http" };
    let models = serving.models.iter().zip(&serving.batches_from);
    let mut lines: Vec<String> = models
        .map(|(model, origin)| format!("model    {model}, batches: {origin}"))
        .collect();
    lines.push(format!("devices  {}", serving.devices));
    if let Some(address) = serving.http {
        lines.push(format!(
            "HTTP     {scheme}://{address}/v2, metrics at {scheme}://{address}/metrics"
        ));
    }
    if let Some(address) = serving.grpc {
        lines.push(format!("gRPC     {address}"));
    }
    lines.join("\n")
}
