//! Checks a caller's arrays against the network.

use super::SessionError;
use crate::engine::Array;
use crate::graph::{Graph, Tensor};

/// The batch that all `inputs` have.
pub(super) fn check(graph: &Graph, inputs: &[Array]) -> Result<usize, SessionError> {
    let tensors: Vec<&Tensor> = graph.inputs.iter().map(|id| graph.tensor(*id)).collect();
    if inputs.len() != tensors.len() {
        let names: Vec<&str> = tensors.iter().map(|t| t.name.as_str()).collect();
        return Err(SessionError::InputCount {
            got: inputs.len(),
            want: tensors.len(),
            names: names.join(", "),
        });
    }
    if graph.rows().is_none() {
        for (tensor, array) in tensors.iter().zip(inputs) {
            check_exact(tensor, array)?;
        }
        return Ok(1);
    }
    let mut first: Option<(&Tensor, &Array)> = None;
    for (tensor, array) in tensors.into_iter().zip(inputs) {
        check_one(tensor, array)?;
        let (named, leader) = *first.get_or_insert((tensor, array));
        if array.shape[0] != leader.shape[0] {
            return Err(SessionError::InputBatch {
                name: tensor.name.clone(),
                shape: array.shape.clone(),
                got: array.shape[0],
                first: named.name.clone(),
                first_shape: leader.shape.clone(),
                want: leader.shape[0],
            });
        }
    }
    Ok(first.map_or(0, |(_, array)| array.shape[0]))
}

fn check_one(tensor: &Tensor, array: &Array) -> Result<(), SessionError> {
    let name = tensor.name.clone();
    let shape = array.shape.clone();
    let want = tensor.shape.get(1..).unwrap_or_default().to_vec();
    match shape.split_first() {
        Some((_, row)) if *row != *want => Err(SessionError::InputShape {
            name,
            got: shape,
            want,
        }),
        None => Err(SessionError::InputShape {
            name,
            got: shape,
            want,
        }),
        Some((0, _)) => Err(SessionError::EmptyBatch { name, shape, want }),
        Some(_) => {
            let count = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
            match count == Some(array.data.len()) {
                true => Ok(()),
                false => Err(SessionError::InputData {
                    name,
                    shape,
                    got: array.data.len(),
                }),
            }
        }
    }
}

/// For a network that has no batch dimension.
fn check_exact(tensor: &Tensor, array: &Array) -> Result<(), SessionError> {
    let (name, shape) = (tensor.name.clone(), array.shape.clone());
    if shape != tensor.shape {
        return Err(SessionError::InputWhole {
            name,
            got: shape,
            want: tensor.shape.clone(),
        });
    }
    match shape.iter().product::<usize>() == array.data.len() {
        true => Ok(()),
        false => Err(SessionError::InputData {
            name,
            shape,
            got: array.data.len(),
        }),
    }
}
