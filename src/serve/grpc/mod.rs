//! The protocol over gRPC.

mod infer;
pub mod messages;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::post;
use prost::Message;
use tokio::time::timeout;
use tonic::Status;
use tonic::codec::ProstCodec;
use tonic::server::Grpc;
use tower::service_fn;

use super::infer::VERSION;
use super::model::Port;
use super::server::App;
use messages::{
    Empty, ModelMetadataResponse, ModelRequest, ReadyResponse, ServerLiveResponse, ServerMetadataResponse,
    TensorMetadata,
};

const SERVICE: &str = "/inference.GRPCInferenceService/";

pub(super) fn router(app: Arc<App>) -> Router {
    let at = |method: &str| format!("{SERVICE}{method}");
    Router::new()
        .route(&at("ServerLive"), post(server_live))
        .route(&at("ServerReady"), post(server_ready))
        .route(&at("ModelReady"), post(model_ready))
        .route(&at("ServerMetadata"), post(server_metadata))
        .route(&at("ModelMetadata"), post(model_metadata))
        .route(&at("ModelInfer"), post(model_infer))
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

/// Decodes the request, calls `answer`, and encodes what it gives, all within the server's limits.
async fn unary<I, O, F>(app: Arc<App>, request: Request, answer: impl Fn(Arc<App>, I) -> F) -> Response
where
    I: Message + Default + Send + 'static,
    O: Message + Default + Send + 'static,
    F: Future<Output = Result<O, Status>> + Send + 'static,
{
    let limit = app.config.request_timeout;
    let codec = ProstCodec::<O, I>::default();
    let mut grpc = Grpc::new(codec).max_decoding_message_size(app.config.max_request);
    let service = service_fn(|request: tonic::Request<I>| {
        let answered = answer(app.clone(), request.into_inner());
        async move { answered.await.map(tonic::Response::new) }
    });
    match timeout(limit, grpc.unary(service, request)).await {
        Ok(response) => response.map(Body::new),
        Err(_) => {
            let status = Status::deadline_exceeded(format!("no answer within {limit:?}"));
            status.into_http().map(|body: tonic::body::Body| Body::new(body))
        }
    }
}

/// A panic is an error for the client who met it.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let answer = app.guarded(next.run(request)).await;
    answer.unwrap_or_else(|error| {
        let status = Status::from(error).into_http();
        status.map(|body: tonic::body::Body| Body::new(body))
    })
}

async fn unknown(request: Request) -> Response {
    let status = Status::unimplemented(format!(
        "there is no {}: this server has ServerLive, ServerReady, ModelReady, ServerMetadata, ModelMetadata and ModelInfer of inference.GRPCInferenceService",
        request.uri().path()
    ));
    status.into_http().map(|body: tonic::body::Body| Body::new(body))
}

async fn server_live(State(app): State<Arc<App>>, request: Request) -> Response {
    let live = |_, _: Empty| async { Ok(ServerLiveResponse { live: true }) };
    unary(app, request, live).await
}

async fn server_ready(State(app): State<Arc<App>>, request: Request) -> Response {
    let ready = |app: Arc<App>, _: Empty| async move {
        Ok(ReadyResponse {
            ready: app.ready().is_ok(),
        })
    };
    unary(app, request, ready).await
}

async fn model_ready(State(app): State<Arc<App>>, request: Request) -> Response {
    let ready = |app: Arc<App>, asked: ModelRequest| async move {
        let model = app.models.get(&asked.name, &asked.version)?;
        let ready = app.model_ready(model).is_ok();
        Ok(ReadyResponse { ready })
    };
    unary(app, request, ready).await
}

async fn server_metadata(State(app): State<Arc<App>>, request: Request) -> Response {
    let metadata = |_, _: Empty| async {
        Ok(ServerMetadataResponse {
            name: env!("CARGO_PKG_NAME").to_string(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            extensions: Vec::new(),
        })
    };
    unary(app, request, metadata).await
}

async fn model_metadata(State(app): State<Arc<App>>, request: Request) -> Response {
    let metadata = |app: Arc<App>, asked: ModelRequest| async move {
        let model = app.models.get(&asked.name, &asked.version)?;
        Ok(ModelMetadataResponse {
            name: model.name().to_string(),
            versions: vec![VERSION.to_string()],
            platform: env!("CARGO_PKG_NAME").to_string(),
            inputs: model.inputs.iter().map(tensor).collect(),
            outputs: model.outputs.iter().map(tensor).collect(),
        })
    };
    unary(app, request, metadata).await
}

fn tensor(port: &Port) -> TensorMetadata {
    TensorMetadata {
        name: port.name.clone(),
        datatype: port.datatype.name().to_string(),
        shape: port.shape.clone(),
    }
}

async fn model_infer(State(app): State<Arc<App>>, request: Request) -> Response {
    unary(app, request, infer::infer).await
}
