//! Checks a caller's arrays against the network.

use std::sync::Arc;

use super::SessionError;
use crate::bundle::{AxesOrder, Origin, Port};
use crate::engine::Array;
use crate::graph::{Graph, RowShape, Tensor};

/// The caller's arrays in the network's order of axes, and the batch that all of them have.
pub(super) fn check(
    graph: &Graph,
    origin: Option<&Origin>,
    inputs: &[Array],
) -> Result<(usize, Vec<Array>), SessionError> {
    let tensors = graph.inputs.iter().map(|id| graph.tensor(*id));
    let mut arranged = Vec::with_capacity(inputs.len());
    for (index, (tensor, array)) in tensors.zip(inputs).enumerate() {
        let port = Origin::input(origin, index);
        arranged.push(arrange(&tensor.name, &tensor.shape, port, array.clone())?);
    }
    // What has no partner is left for the count to name.
    arranged.extend(inputs.iter().skip(graph.inputs.len()).cloned());
    let batch = rows(graph, &arranged)?;
    Ok((batch, arranged))
}

/// An array for the input `name` of shape `network` in the network's order of axes. One that fits what the model declares
/// is in the model's own order; one that only fits the network is taken as it is.
///
/// # Errors
/// [`SessionError::InputOrder`] with both shapes when it fits neither, where they differ.
pub fn arrange(name: &str, network: &[usize], port: &Port, array: Array) -> Result<Array, SessionError> {
    if port.axes.is_none() {
        return Ok(array);
    }
    let count = array.shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
    match port.order_of(&array.shape, network) {
        None => Err(SessionError::InputOrder {
            name: name.to_string(),
            got: array.shape,
            model: port.declared(network),
            network: network.to_vec(),
        }),
        Some(AxesOrder::Model) if count == Some(array.data.len()) => {
            let (shape, data) = port.into_network(&array.shape, &array.data);
            let data = Arc::new(data);
            Ok(Array { shape, data })
        }
        Some(AxesOrder::Model | AxesOrder::Network) => Ok(array),
    }
}

/// The network's outputs in the model's order of axes.
pub(super) fn returned(origin: Option<&Origin>, outputs: Vec<Array>) -> Vec<Array> {
    let one = |(index, array): (usize, Array)| {
        let port = Origin::output(origin, index);
        if port.axes.is_none() {
            return array;
        }
        let (shape, data) = port.into_model(&array.shape, &array.data);
        let data = Arc::new(data);
        Array { shape, data }
    };
    outputs.into_iter().enumerate().map(one).collect()
}

/// The batch that all `inputs` have.
fn rows(graph: &Graph, inputs: &[Array]) -> Result<usize, SessionError> {
    let tensors: Vec<&Tensor> = graph.inputs.iter().map(|id| graph.tensor(*id)).collect();
    if inputs.len() != tensors.len() {
        let names: Vec<&str> = tensors.iter().map(|t| t.name.as_str()).collect();
        return Err(SessionError::InputCount {
            got: inputs.len(),
            want: tensors.len(),
            names: names.join(", "),
        });
    }
    let shapes = graph.row_shapes(&graph.inputs);
    let mut first: Option<(&Tensor, &Array, usize)> = None;
    for ((tensor, shape), array) in tensors.into_iter().zip(&shapes).zip(inputs) {
        let rows = check_one(tensor, shape, array)?;
        let (named, leader, want) = *first.get_or_insert((tensor, array, rows));
        if rows != want {
            return Err(SessionError::InputBatch {
                name: tensor.name.clone(),
                shape: array.shape.clone(),
                got: rows,
                first: named.name.clone(),
                first_shape: leader.shape.clone(),
                want,
            });
        }
    }
    Ok(first.map_or(0, |(_, _, rows)| rows))
}

/// The rows in `array`.
fn check_one(tensor: &Tensor, row: &RowShape, array: &Array) -> Result<usize, SessionError> {
    let name = tensor.name.clone();
    let shape = array.shape.clone();
    let want = row.row.clone();
    match row.rows(&shape) {
        None if row.batched => Err(SessionError::InputShape {
            name,
            got: shape,
            want,
        }),
        None => Err(SessionError::InputWhole {
            name,
            got: shape,
            want,
        }),
        Some(0) => Err(SessionError::EmptyBatch { name, shape, want }),
        Some(rows) => {
            let count = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
            if count == Some(array.data.len()) {
                Ok(rows)
            } else {
                Err(SessionError::InputData {
                    name,
                    shape,
                    got: array.data.len(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        network: &'static [usize],
        given: &'static [usize],
        want: &'static [f32],
        why: &'static str,
    }

    #[test]
    fn an_array_is_in_the_models_order_where_it_fits_and_else_in_the_networks() {
        let last = Port {
            integer: None,
            axes: Some(vec![0, 2, 1]),
        };
        #[rustfmt::skip]
        let cases = [
            Case { network: &[1, 2, 3], given: &[1, 3, 2], want: &[0.0, 2.0, 4.0, 1.0, 3.0, 5.0], why: "the model's" },
            Case { network: &[1, 2, 3], given: &[1, 2, 3], want: &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], why: "the network's" },
            Case { network: &[1, 2, 2], given: &[1, 2, 2], want: &[0.0, 2.0, 1.0, 3.0], why: "both: the model's" },
            Case { network: &[4, 2, 1], given: &[2, 1, 2], want: &[0.0, 1.0, 2.0, 3.0], why: "any batch" },
        ];
        let of = |network: &[usize], given: &[usize]| {
            let count = given.iter().product::<usize>();
            let data = (0..count).map(|v| v as f32).collect::<Vec<f32>>();
            let (shape, data) = (given.to_vec(), Arc::new(data));
            arrange("x", network, &last, Array { shape, data })
        };
        for Case {
            network,
            given,
            want,
            why,
        } in cases
        {
            let got = of(network, given).unwrap();
            assert_eq!(got.shape[1..], network[1..], "{why}");
            assert_eq!(*got.data, want, "{why}");
        }
        let error = of(&[1, 2, 3], &[1, 6]).unwrap_err().to_string();
        assert!(
            error.contains("[N, 3, 2], as the model has it") && error.contains("[N, 2, 3]"),
            "{error}"
        );
    }
}
