//! What both protocols do with a request: find the model, order and check its tensors, pick its outputs.

use std::sync::Arc;

use super::error::RequestError;
use super::model::{Model, Port};
use crate::engine::Array;

/// The only datatype of a network's inputs and outputs here.
pub(super) const FP32: &str = "FP32";
/// Every model has this version.
pub(super) const VERSION: &str = "1";

/// An input as a client sent it.
pub(super) struct Given {
    pub name: String,
    pub datatype: String,
    pub shape: Vec<i64>,
    pub data: Vec<f32>,
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
pub(super) fn ordered(model: &Model, mut given: Vec<Given>) -> Result<Vec<Array>, RequestError> {
    let mut arrays = Vec::new();
    for port in &model.inputs {
        let at = given.iter().position(|g| g.name == port.name);
        let at = at.ok_or_else(|| RequestError::MissingInput(port.name.clone()))?;
        arrays.push(array(given.swap_remove(at))?);
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

fn array(given: Given) -> Result<Array, RequestError> {
    if given.datatype != FP32 {
        return Err(RequestError::Datatype {
            name: given.name,
            got: given.datatype,
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
    Ok(Array {
        shape: given.shape.iter().map(|d| *d as usize).collect(),
        data: Arc::new(given.data),
    })
}

fn elements(name: &str, shape: &[i64]) -> Result<usize, RequestError> {
    let mut dims = shape.iter().map(|d| usize::try_from(*d).ok());
    let count = dims.try_fold(1usize, |n, d| n.checked_mul(d?));
    count.ok_or_else(|| {
        RequestError::Malformed(format!(
            "input `{name}` has the shape {shape:?}, which is none"
        ))
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
    match wanted.is_empty() {
        true => Ok((0..model.outputs.len()).collect()),
        false => Ok(wanted),
    }
}

fn names(ports: &[Port]) -> Vec<String> {
    ports.iter().map(|p| p.name.clone()).collect()
}

/// Little-endian float32 values.
pub(super) fn from_bytes(name: &str, bytes: &[u8]) -> Result<Vec<f32>, RequestError> {
    if !bytes.len().is_multiple_of(4) {
        return Err(RequestError::Malformed(format!(
            "input `{name}` has {} bytes, which is no number of FP32 values",
            bytes.len()
        )));
    }
    let words = bytes.chunks_exact(4);
    Ok(words
        .map(|w| f32::from_le_bytes([w[0], w[1], w[2], w[3]]))
        .collect())
}

/// The opposite of [`from_bytes`], at the end of `bytes`.
pub(super) fn push_bytes(values: &[f32], bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.resize(start + 4 * values.len(), 0);
    for (to, value) in bytes[start..].chunks_exact_mut(4).zip(values) {
        to.copy_from_slice(&value.to_le_bytes());
    }
}
