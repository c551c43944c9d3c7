//! What both protocols do with a request: find the model, order and check its tensors, pick its outputs.

use std::sync::Arc;

use super::datatype::Datatype;
use super::error::RequestError;
use super::model::{Model, Port};
use crate::artifact::Element;
use crate::engine::Array;

/// Every model has this version.
pub(super) const VERSION: &str = "1";

/// An input as a client sent it.
pub(super) struct RequestInput {
    pub name: String,
    pub datatype: String,
    pub shape: Vec<i64>,
    pub data: Vec<f32>,
}

impl RequestInput {
    /// Values of a type that is not known are no number of bytes, and nothing to look at.
    pub fn read(name: &str, datatype: &str, bytes: &[u8]) -> Result<Vec<f32>, RequestError> {
        Datatype::parse(datatype).map_or(Ok(Vec::new()), |datatype| datatype.read(name, bytes))
    }
}

/// All models of a server.
pub(super) struct Models(pub Vec<Model>);

impl Models {
    /// The model of this name; an empty version is any.
    pub fn get(&self, name: &str, version: &str) -> Result<&Model, RequestError> {
        let model = self.0.iter().find(|m| m.name == name);
        let model = model.ok_or_else(|| RequestError::UnknownModel {
            name: name.to_string(),
            known: self.0.iter().map(|m| m.name.clone()).collect(),
        })?;
        match version {
            "" | VERSION => Ok(model),
            other => Err(RequestError::UnknownVersion {
                model: name.to_string(),
                version: other.to_string(),
            }),
        }
    }
}

/// The inputs in the order of the network.
pub(super) fn ordered(model: &Model, mut given: Vec<RequestInput>) -> Result<Vec<Array>, RequestError> {
    let mut arrays = Vec::new();
    for port in &model.inputs {
        let at = given.iter().position(|g| g.name == port.name);
        let at = at.ok_or_else(|| RequestError::MissingInput(port.name.clone()))?;
        arrays.push(array(port, given.swap_remove(at))?);
    }
    match given.pop() {
        None => Ok(arrays),
        Some(left) if model.inputs.iter().any(|p| p.name == left.name) => {
            Err(RequestError::RepeatedInput(left.name))
        }
        Some(left) => Err(RequestError::UnknownInput {
            name: left.name,
            known: names(&model.inputs),
        }),
    }
}

fn array(port: &Port, given: RequestInput) -> Result<Array, RequestError> {
    let datatype = Datatype::parse(&given.datatype).filter(|sent| port.datatype.takes(*sent));
    if datatype.is_none() {
        return Err(RequestError::Datatype {
            name: given.name,
            got: given.datatype,
            want: port.datatype.name(),
        });
    }
    let want = elements(&given.name, &given.shape)?;
    if want != given.data.len() {
        return Err(RequestError::Elements {
            name: given.name,
            shape: given.shape,
            want,
            got: given.data.len(),
        });
    }
    if let Some(value) = given.data.iter().find(|v| !port.datatype.element().holds(**v)) {
        return Err(if value.abs() > Element::MOST {
            beyond(&given.name, f64::from(*value))
        } else {
            RequestError::Malformed(format!(
                "input `{}` holds {value}, which is no {}",
                given.name,
                port.datatype.name()
            ))
        });
    }
    Ok(Array {
        shape: given.shape.iter().map(|d| *d as usize).collect(),
        data: Arc::new(port.datatype.rounded(&given.data).into_owned()),
    })
}

/// An integer that float32, in which all numbers are passed here, does not count to.
pub(super) fn beyond(name: &str, value: f64) -> RequestError {
    RequestError::Malformed(format!(
        "input `{name}` holds an integer of about {value}: integers are passed as float32 here, which counts to {}",
        Element::MOST
    ))
}

fn elements(name: &str, shape: &[i64]) -> Result<usize, RequestError> {
    let mut dims = shape.iter().map(|d| usize::try_from(*d).ok());
    let count = dims.try_fold(1usize, |n, d| n.checked_mul(d?));
    count.ok_or_else(|| {
        RequestError::Malformed(format!("input `{name}` has the shape {shape:?}, which is none"))
    })
}

/// Which outputs a request asks for, as indices; all when it names none.
pub(super) fn wanted<'a>(
    model: &Model,
    named: impl Iterator<Item = &'a str>,
) -> Result<Vec<usize>, RequestError> {
    let find = |name: &str| {
        let at = model.outputs.iter().position(|p| p.name == name);
        at.ok_or_else(|| RequestError::UnknownOutput {
            name: name.to_string(),
            known: names(&model.outputs),
        })
    };
    let wanted: Vec<usize> = named.map(find).collect::<Result<_, _>>()?;
    if wanted.is_empty() {
        Ok((0..model.outputs.len()).collect())
    } else {
        Ok(wanted)
    }
}

fn names(ports: &[Port]) -> Vec<String> {
    ports.iter().map(|p| p.name.clone()).collect()
}
