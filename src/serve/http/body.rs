//! The JSON objects of an inference, and the binary data behind them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::flat::Flat;
use crate::artifact::Element;
use crate::plan::counted;
use crate::serve::error::RequestError;
use crate::serve::infer::{RequestInput, beyond};

type Parameters = BTreeMap<String, Value>;

#[derive(Debug, Deserialize)]
pub(super) struct InferRequest {
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub parameters: Parameters,
    inputs: Vec<Input>,
    #[serde(default)]
    pub outputs: Vec<Output>,
}

#[derive(Debug, Deserialize)]
struct Input {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    #[serde(default)]
    parameters: Parameters,
    data: Option<Flat>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Output {
    pub name: String,
    #[serde(default)]
    parameters: Parameters,
}

impl InferRequest {
    /// Takes the request apart: the first `json` bytes are JSON, the rest is the binary data of its inputs.
    pub fn read(body: &[u8], json: usize) -> Result<(InferRequest, Vec<RequestInput>), RequestError> {
        let malformed = |text: String| RequestError::Malformed(text);
        if json > body.len() {
            return Err(malformed(format!(
                "Inference-Header-Content-Length is {json}, but the request has {}",
                counted(body.len(), "byte")
            )));
        }
        let (head, mut binary) = body.split_at(json);
        let mut request: InferRequest = serde_json::from_slice(head)
            .map_err(|e| malformed(format!("the request is not an inference request: {e}")))?;
        for output in &request.outputs {
            output.check()?;
        }
        let inputs = std::mem::take(&mut request.inputs);
        let given = inputs.into_iter().map(|input| input.take(&mut binary));
        let given = given.collect::<Result<_, _>>()?;
        match binary.len() {
            0 => Ok((request, given)),
            left => Err(malformed(format!(
                "no input takes {} of the binary data: is binary_data_size right?",
                counted(left, "byte")
            ))),
        }
    }

    /// Whether this output is wanted as binary data.
    pub fn binary(&self, name: &str) -> bool {
        let all = self.parameters.get("binary_data_output");
        let output = self.outputs.iter().find(|output| output.name == name);
        let own = output.and_then(|output| output.parameters.get("binary_data"));
        own.or(all).and_then(Value::as_bool).unwrap_or(false)
    }
}

impl Input {
    /// Its values, binary ones from the front of `binary`.
    fn take(self, binary: &mut &[u8]) -> Result<RequestInput, RequestError> {
        refuse_shared_memory(&self.parameters)?;
        let size = self.parameters.get("binary_data_size");
        let data = match (size, self.data) {
            (Some(_), Some(_)) => {
                let text = format!("input `{}` has both data and binary data", self.name);
                return Err(RequestError::Malformed(text));
            }
            (None, None) => {
                let text = format!("input `{}` has no data", self.name);
                return Err(RequestError::Malformed(text));
            }
            (None, Some(flat)) if flat.conditions && self.datatype != "BOOL" => {
                let text = format!(
                    "input `{}` holds true or false, and its datatype is {}",
                    self.name, self.datatype
                );
                return Err(RequestError::Malformed(text));
            }
            (None, Some(flat)) if flat.beyond.is_some() && self.datatype.contains("INT") => {
                return Err(beyond(&self.name, flat.beyond.unwrap_or_default()));
            }
            (None, Some(flat)) => flat.values,
            (Some(size), None) => {
                let size = size.as_u64().filter(|size| *size <= binary.len() as u64);
                let size = size.ok_or_else(|| {
                    let text = format!(
                        "binary_data_size of input `{}` is no number up to the {} left",
                        self.name,
                        counted(binary.len(), "byte")
                    );
                    RequestError::Malformed(text)
                })?;
                let (own, rest) = binary.split_at(size as usize);
                *binary = rest;
                RequestInput::read(&self.name, &self.datatype, own)?
            }
        };
        Ok(RequestInput {
            name: self.name,
            datatype: self.datatype,
            shape: self.shape,
            data,
        })
    }
}

impl Output {
    fn check(&self) -> Result<(), RequestError> {
        refuse_shared_memory(&self.parameters)?;
        match self.parameters.get("classification").and_then(Value::as_u64) {
            None | Some(0) => Ok(()),
            Some(_) => Err(RequestError::Unsupported {
                what: "the classification extension".to_string(),
                help: false,
            }),
        }
    }
}

fn refuse_shared_memory(parameters: &Parameters) -> Result<(), RequestError> {
    if parameters.contains_key("shared_memory_region") {
        Err(RequestError::Unsupported {
            what: "the shared memory extension".to_string(),
            help: true,
        })
    } else {
        Ok(())
    }
}

#[derive(Debug, Serialize)]
pub(super) struct InferResponse<'a> {
    pub model_name: &'a str,
    pub model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub outputs: Vec<OutputBody<'a>>,
}

/// One output of a response.
#[derive(Debug, Serialize)]
pub(super) struct OutputBody<'a> {
    pub name: &'a str,
    pub datatype: &'static str,
    pub shape: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BinarySize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Numbers<'a>>,
}

/// Values as JSON writes them in their type.
#[derive(Debug)]
pub(super) struct Numbers<'a> {
    pub element: Element,
    pub values: Cow<'a, [f32]>,
}

impl Serialize for Numbers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.values.iter();
        match self.element {
            Element::F32 | Element::F16 | Element::F64 => serializer.collect_seq(values),
            Element::Bool => serializer.collect_seq(values.map(|value| *value != 0.0)),
            Element::I8 | Element::I16 | Element::I32 | Element::I64 | Element::U8 => {
                serializer.collect_seq(values.map(|value| *value as i64))
            }
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct BinarySize {
    pub binary_data_size: usize,
}
