//! One inference over HTTP.

use std::error::Error;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use tokio::time::{Instant, timeout, timeout_at};

use super::body::{BinarySize, InferRequest, InferResponse, Numbers, OutputBody};
use crate::engine::Array;
use crate::serve::error::RequestError;
use crate::serve::infer::{VERSION, ordered, wanted};
use crate::serve::model::Model;
use crate::serve::server::App;

/// Bytes of JSON before the binary data.
const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

pub(super) async fn infer(
    app: &App,
    name: &str,
    version: &str,
    request: Request,
) -> Result<Response, RequestError> {
    let limit = app.config.request_timeout;
    let end = Instant::now() + limit;
    let model = app.models.get(name, version)?;
    let (head, body) = request.into_parts();
    let json = json_length(&head.headers)?;
    let body = timeout(limit, read(body, &head.headers, app.config.max_request)).await;
    let body = body.map_err(|_| RequestError::TooSlow(limit))??;
    let (request, given) = InferRequest::read(&body, json.unwrap_or(body.len()))?;
    drop(body);
    let names = request.outputs.iter().map(|output| output.name.as_str());
    let wanted = wanted(model, names)?;
    let inputs = ordered(model, given)?;
    let outputs = timeout_at(end, model.infer(&inputs)).await;
    let outputs = outputs.map_err(|_| RequestError::TimedOut(limit))??;
    respond(model, request, &wanted, &outputs)
}

fn json_length(headers: &HeaderMap) -> Result<Option<usize>, RequestError> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING) {
        return Err(RequestError::Unsupported {
            what: format!("the content encoding {encoding:?}"),
            help: false,
        });
    }
    let Some(length) = headers.get(&JSON_LENGTH) else {
        return Ok(None);
    };
    let number = length.to_str().ok().and_then(|text| text.parse().ok());
    let number = number.ok_or_else(|| {
        RequestError::Malformed(format!(
            "Inference-Header-Content-Length is {length:?}, no number"
        ))
    })?;
    Ok(Some(number))
}

async fn read(body: Body, headers: &HeaderMap, most: usize) -> Result<Bytes, RequestError> {
    let claimed = headers.get(header::CONTENT_LENGTH);
    let claimed = claimed.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if claimed.is_some_and(|length| length > most) {
        return Err(RequestError::TooLarge(most));
    }
    to_bytes(body, most).await.map_err(|error| {
        if error.source().is_some_and(|e| e.is::<LengthLimitError>()) {
            RequestError::TooLarge(most)
        } else {
            RequestError::Malformed(format!("the request broke off: {error}"))
        }
    })
}

fn respond(
    model: &Model,
    request: InferRequest,
    wanted: &[usize],
    outputs: &[Array],
) -> Result<Response, RequestError> {
    let mut binary = Vec::new();
    let mut answered = Vec::new();
    for at in wanted {
        let (port, output) = (&model.outputs[*at], &outputs[*at]);
        let (name, datatype) = (port.name.as_str(), port.datatype);
        let as_bytes = request.binary(name);
        let values = datatype.rounded(&output.data);
        if as_bytes {
            datatype.write(&output.data, &mut binary);
        } else if values.iter().any(|value| !value.is_finite()) {
            return Err(RequestError::NotJson(name.to_string()));
        }
        answered.push(OutputBody {
            name,
            datatype: datatype.name(),
            shape: output.shape.clone(),
            parameters: as_bytes.then(|| BinarySize {
                binary_data_size: datatype.size() * output.data.len(),
            }),
            data: (!as_bytes).then_some(Numbers {
                element: datatype.element(),
                values,
            }),
        });
    }
    let response = InferResponse {
        model_name: model.name(),
        model_version: VERSION,
        id: request.id,
        outputs: answered,
    };
    let mut body =
        serde_json::to_vec(&response).map_err(|error| RequestError::Malformed(error.to_string()))?;
    if binary.is_empty() {
        return Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response());
    }
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        ),
        (JSON_LENGTH, HeaderValue::from(body.len())),
    ];
    body.append(&mut binary);
    Ok((headers, body).into_response())
}
