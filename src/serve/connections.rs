//! Accepts connections, and ends those that waste them.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::activity::{Activity, Open, WatchedStream, receiving};
use super::config::ServeConfig;

/// What a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

pub(super) struct Port {
    pub protocol: Protocol,
    pub listener: TcpListener,
    pub router: Router,
    pub tls: Option<TlsAcceptor>,
}

/// A client that does not answer an HTTP/2 ping for so long is gone.
const PING: Duration = Duration::from_secs(20);
/// After an accept that failed (no file descriptors, for instance).
const RETRY: Duration = Duration::from_millis(100);

/// Serves until `stop` is true, then lets requests in flight end. A connection that waits for none is ended at once.
pub(super) async fn serve(port: Port, config: ServeConfig, mut stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(config.max_connections));
    let port = Arc::new(port);
    loop {
        let accepted = async {
            let permit = room.clone().acquire_owned().await;
            (permit, port.listener.accept().await)
        };
        let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
        let (permit, stream) = tokio::select! {
            (permit, accepted) = accepted => match accepted {
                Ok((stream, _)) => (permit, stream),
                Err(_) => {
                    sleep(RETRY).await;
                    continue;
                }
            },
            () = stopped => break,
        };
        let watcher = graceful.watcher();
        let (port, config, mut stop) = (port.clone(), config.clone(), stop.clone());
        tokio::spawn(async move {
            let activity = Activity::new();
            let over = async {
                drop(stop.wait_for(|stop| *stop).await);
                activity.over().await;
            };
            tokio::select! {
                () = connection(&port, &config, stream, watcher, &activity) => {}
                () = over => {}
            }
            drop(permit);
        });
    }
    let _ = timeout(config.drain_timeout, graceful.shutdown()).await;
}

type Watcher = hyper_util::server::graceful::Watcher;

async fn connection(
    port: &Port,
    config: &ServeConfig,
    stream: TcpStream,
    watcher: Watcher,
    activity: &Arc<Activity>,
) {
    // Answers are whole messages: waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    match &port.tls {
        None => speak(port, config, stream, watcher, activity).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(config.header_timeout, tls.accept(stream)).await {
                speak(port, config, stream, watcher, activity).await;
            }
        }
    }
}

async fn speak<S>(port: &Port, config: &ServeConfig, stream: S, watcher: Watcher, activity: &Arc<Activity>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = Arc::new(AtomicBool::new(false));
    let (router, seen, counts) = (port.router.clone(), asked.clone(), activity.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        seen.store(true, Ordering::Relaxed);
        let open = Open::new(&counts);
        let request = request.map(|body| receiving(&counts, body));
        let answer = router.clone().oneshot(request);
        async move {
            let answer = answer.await?;
            Ok::<_, Infallible>(answer.map(|body| open.answered(body)))
        }
    });
    let io = TokioIo::new(WatchedStream {
        stream,
        activity: activity.clone(),
    });
    match port.protocol {
        Protocol::Http1 => {
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new());
            server.header_read_timeout(config.header_timeout);
            let connection = watcher.watch(server.serve_connection(io, service));
            first_request(connection, &asked, config.header_timeout).await;
        }
        Protocol::Http2 => {
            let mut server = http2::Builder::new(TokioExecutor::new());
            server.timer(TokioTimer::new());
            server.keep_alive_interval(PING);
            server.keep_alive_timeout(PING);
            let connection = watcher.watch(server.serve_connection(io, service));
            first_request(connection, &asked, config.header_timeout).await;
        }
    }
}

/// Runs a connection to its end, which comes early when it does not ask for anything. How a client ends a connection
/// is its own affair.
async fn first_request<E>(
    connection: impl Future<Output = Result<(), E>>,
    asked: &AtomicBool,
    limit: Duration,
) {
    tokio::pin!(connection);
    tokio::select! {
        _ = &mut connection => {}
        () = sleep(limit) => {
            if asked.load(Ordering::Relaxed) {
                let _ = connection.await;
            }
        }
    }
}
