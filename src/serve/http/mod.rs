//! The protocol over HTTP, with the binary tensor data extension, and `/metrics`.

mod body;
mod flat;
mod infer;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;

use super::error::RequestError;
use super::infer::VERSION;
use super::model::Port;
use super::server::App;

pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v2", get(server_metadata))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models/{model}", get(metadata))
        .route("/v2/models/{model}/ready", get(model_ready))
        .route("/v2/models/{model}/infer", post(infer))
        .route("/v2/models/{model}/versions/{version}", get(metadata))
        .route("/v2/models/{model}/versions/{version}/ready", get(model_ready))
        .route("/v2/models/{model}/versions/{version}/infer", post(infer))
        .route("/metrics", get(metrics))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

/// A panic is an error for the client who met it.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let answer = app.guarded(next.run(request)).await;
    answer.unwrap_or_else(IntoResponse::into_response)
}

#[derive(Serialize)]
struct Problem {
    error: String,
}

fn problem(status: StatusCode, error: String) -> Response {
    (status, Json(Problem { error })).into_response()
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        problem(self.status(), self.to_string())
    }
}

async fn unknown(request: Request) -> Response {
    let error = format!(
        "there is nothing at {}: this server has /v2, /v2/health/live, /v2/health/ready, /v2/models/NAME, its /ready and /infer, and /metrics",
        request.uri().path()
    );
    problem(StatusCode::NOT_FOUND, error)
}

async fn not_allowed(request: Request) -> Response {
    let error = format!("{} is not for {}", request.method(), request.uri().path());
    problem(StatusCode::METHOD_NOT_ALLOWED, error)
}

#[derive(Serialize)]
struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    extensions: [&'static str; 1],
}

async fn server_metadata() -> Json<ServerMetadata> {
    Json(ServerMetadata {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        extensions: ["binary_tensor_data"],
    })
}

async fn live() -> StatusCode {
    StatusCode::OK
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.ready() {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => error.into_response(),
    }
}

/// `{model}` and, where the address has it, `{version}`.
#[derive(serde::Deserialize)]
struct ModelPath {
    model: String,
    #[serde(default)]
    version: String,
}

async fn model_ready(State(app): State<Arc<App>>, Path(named): Path<ModelPath>) -> Response {
    let model = app.models.get(&named.model, &named.version);
    match model.and_then(|model| app.model_ready(model)) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => error.into_response(),
    }
}

#[derive(Serialize)]
struct ModelMetadata<'a> {
    name: &'a str,
    versions: [&'static str; 1],
    platform: &'static str,
    inputs: Vec<Tensor<'a>>,
    outputs: Vec<Tensor<'a>>,
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: &'a [i64],
}

fn tensors(ports: &[Port]) -> Vec<Tensor<'_>> {
    let ports = ports.iter();
    ports
        .map(|port| Tensor {
            name: &port.name,
            datatype: port.datatype.name(),
            shape: &port.shape,
        })
        .collect()
}

async fn metadata(State(app): State<Arc<App>>, Path(named): Path<ModelPath>) -> Response {
    match app.models.get(&named.model, &named.version) {
        Ok(model) => Json(ModelMetadata {
            name: model.name(),
            versions: [VERSION],
            platform: env!("CARGO_PKG_NAME"),
            inputs: tensors(&model.inputs),
            outputs: tensors(&model.outputs),
        })
        .into_response(),
        Err(error) => error.into_response(),
    }
}

async fn infer(State(app): State<Arc<App>>, Path(named): Path<ModelPath>, request: Request) -> Response {
    let started = Instant::now();
    let answer = infer::infer(&app, &named.model, &named.version, request).await;
    let model = app.models.get(&named.model, "").ok().map(|m| m.name());
    let outcome = match &answer {
        Ok(_) => StatusCode::OK,
        Err(error) => error.status(),
    };
    let took = started.elapsed();
    app.metrics.request(model, "http", outcome.as_str(), took);
    answer.unwrap_or_else(IntoResponse::into_response)
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    match app.metrics.text(&app.models) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
