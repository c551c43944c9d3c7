//! A server from its start to its end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::config::ServeConfig;
use super::connections::{Port, Protocol, serve};
use super::error::{RequestError, StartError};
use super::guard::FirstPanic;
use super::infer::Models;
use super::metrics::Metrics;
use super::model::Model;
use super::{grpc, http, tls};

/// What the handlers of both protocols share.
pub(super) struct App {
    pub models: Models,
    pub metrics: Metrics,
    pub config: ServeConfig,
    stopping: AtomicBool,
    panicked: FirstPanic,
}

impl App {
    /// Whether new requests are taken, and will be answered by every model.
    pub fn ready(&self) -> Result<(), RequestError> {
        let mut models = self.models.0.iter();
        models.try_for_each(|model| self.model_ready(model))
    }

    pub fn model_ready(&self, model: &Model) -> Result<(), RequestError> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(RequestError::Stopping);
        }
        let trouble = self.panicked.said().or_else(|| model.trouble());
        trouble.map_or(Ok(()), |trouble| Err(RequestError::NotReady(trouble)))
    }

    /// The answer of a handler, which may panic.
    pub async fn guarded<F: Future>(&self, answer: F) -> Result<F::Output, RequestError> {
        self.panicked.watch(answer).await
    }
}

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    pub http: Option<SocketAddr>,
    pub grpc: Option<SocketAddr>,
}

/// A server that listens and answers.
pub struct Server {
    runtime: Runtime,
    app: Arc<App>,
    addresses: Addresses,
    stop: watch::Sender<bool>,
    ports: JoinSet<()>,
}

impl Server {
    /// Listens, and answers from then on.
    ///
    /// # Errors
    /// [`StartError`]: a port in use, certificates that cannot be used, two models of one name, nothing to serve.
    pub fn start(models: Vec<Model>, config: ServeConfig) -> Result<Server, StartError> {
        let repeated = models
            .iter()
            .enumerate()
            .find(|(at, model)| models[..*at].iter().any(|other| other.name() == model.name()));
        if let Some((_, model)) = repeated {
            return Err(StartError::Repeated(model.name().to_string()));
        }
        if models.is_empty() || (config.http_port, config.grpc_port) == (None, None) {
            return Err(StartError::Nothing);
        }
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|e| StartError::Runtime(e.to_string()))?;
        let metrics = Metrics::new().map_err(|e| StartError::Runtime(e.to_string()))?;
        let (stop, stopped) = watch::channel(false);
        let app = Arc::new(App {
            models: Models(models),
            metrics,
            config,
            stopping: AtomicBool::new(false),
            panicked: FirstPanic::default(),
        });
        let mut server = Server {
            runtime,
            addresses: Addresses {
                http: None,
                grpc: None,
            },
            stop,
            ports: JoinSet::new(),
            app: app.clone(),
        };
        let mut ports = Vec::new();
        if let Some(number) = app.config.http_port {
            let port = server.port(Protocol::Http1, number, b"http/1.1", http::router(app.clone()))?;
            server.addresses.http = port.listener.local_addr().ok();
            ports.push(port);
        }
        if let Some(number) = app.config.grpc_port {
            let port = server.port(Protocol::Http2, number, b"h2", grpc::router(app.clone()))?;
            server.addresses.grpc = port.listener.local_addr().ok();
            ports.push(port);
        }
        for port in ports {
            let serving = serve(port, app.config.clone(), stopped.clone());
            server.ports.spawn_on(serving, server.runtime.handle());
        }
        Ok(server)
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Why the server is no longer ready, though it was not told to stop: at most one reason per model, and one more.
    pub fn troubles(&self) -> Vec<String> {
        let models = self.app.models.0.iter().filter_map(Model::trouble);
        self.app.panicked.said().into_iter().chain(models).collect()
    }

    /// Takes no more requests, lets those in flight end within the configured time, and closes the models.
    pub fn drain(mut self) {
        self.app.stopping.store(true, Ordering::Release);
        let _ = self.stop.send(true);
        self.runtime
            .block_on(async { while self.ports.join_next().await.is_some() {} });
        for model in &self.app.models.0 {
            model.close();
        }
        self.runtime.shutdown_background();
    }

    fn port(
        &self,
        protocol: Protocol,
        number: u16,
        alpn: &[u8],
        router: axum::Router,
    ) -> Result<Port, StartError> {
        let address = SocketAddr::new(self.app.config.host, number);
        let listener = self.runtime.block_on(TcpListener::bind(address));
        let listener = listener.map_err(|error| StartError::Listen {
            address,
            reason: error.to_string(),
        })?;
        let tls = self.app.config.tls.as_ref();
        Ok(Port {
            protocol,
            listener,
            router,
            tls: tls.map(|files| tls::acceptor(files, alpn)).transpose()?,
        })
    }
}
