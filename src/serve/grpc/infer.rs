//! One inference over gRPC.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use prost::bytes::Bytes;
use tonic::Status;

use super::messages::{InferTensor, ModelInferRequest, ModelInferResponse};
use crate::engine::Array;
use crate::plan::counted;
use crate::serve::error::RequestError;
use crate::serve::infer::{RequestInput, VERSION, ordered, wanted};
use crate::serve::model::Model;
use crate::serve::server::App;

pub(super) async fn infer(app: Arc<App>, request: ModelInferRequest) -> Result<ModelInferResponse, Status> {
    let started = Instant::now();
    let name = request.model_name.clone();
    let answer = answer(&app, request).await;
    let model = app.models.get(&name, "").ok().map(|m| m.name());
    let code = answer.as_ref().err().map_or(tonic::Code::Ok, RequestError::code);
    let took = started.elapsed();
    app.metrics.request(model, "grpc", &format!("{code:?}"), took);
    Ok(answer?)
}

async fn answer(app: &App, request: ModelInferRequest) -> Result<ModelInferResponse, RequestError> {
    let model = app.models.get(&request.model_name, &request.model_version)?;
    let names = request.outputs.iter().map(|output| output.name.as_str());
    let wanted = wanted(model, names)?;
    let inputs = ordered(model, given(request.inputs, &request.raw_input_contents)?)?;
    let outputs = model.infer(&inputs).await?;
    Ok(respond(model, request.id, &wanted, &outputs))
}

/// The inputs, from raw contents if there are any, otherwise from their own.
fn given(inputs: Vec<InferTensor>, raw: &[Bytes]) -> Result<Vec<RequestInput>, RequestError> {
    if !raw.is_empty() && raw.len() != inputs.len() {
        return Err(RequestError::Malformed(format!(
            "there are {} raw_input_contents for {}",
            raw.len(),
            counted(inputs.len(), "input")
        )));
    }
    let mut raw = raw.iter();
    let given = inputs.into_iter().map(|input| {
        let shared = input.parameters.contains_key("shared_memory_region");
        let data = match (raw.next(), input.contents) {
            _ if shared => {
                return Err(RequestError::Unsupported {
                    what: "the shared memory extension".to_string(),
                    help: true,
                });
            }
            (Some(_), Some(_)) => {
                let text = format!("input `{}` has both contents and raw contents", input.name);
                return Err(RequestError::Malformed(text));
            }
            (Some(bytes), None) => RequestInput::read(&input.name, &input.datatype, bytes)?,
            (None, contents) => contents
                .map(|contents| contents.numbers(&input.datatype))
                .unwrap_or_default(),
        };
        Ok(RequestInput {
            name: input.name,
            datatype: input.datatype,
            shape: input.shape,
            data,
        })
    });
    given.collect()
}

fn respond(model: &Model, id: String, wanted: &[usize], outputs: &[Array]) -> ModelInferResponse {
    let tensor = |at: &usize| InferTensor {
        name: model.outputs[*at].name.clone(),
        datatype: model.outputs[*at].datatype.name().to_string(),
        shape: outputs[*at].shape.iter().map(|d| *d as i64).collect(),
        parameters: HashMap::new(),
        contents: None,
    };
    let raw = |at: &usize| {
        let mut bytes = Vec::new();
        let datatype = model.outputs[*at].datatype;
        datatype.write(&outputs[*at].data, &mut bytes);
        Bytes::from(bytes)
    };
    ModelInferResponse {
        model_name: model.name().to_string(),
        model_version: VERSION.to_string(),
        id,
        parameters: HashMap::new(),
        outputs: wanted.iter().map(tensor).collect(),
        raw_output_contents: wanted.iter().map(raw).collect(),
    }
}
