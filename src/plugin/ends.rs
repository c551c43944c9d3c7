//! Tensors as TVM passes them at a network's ends: in the model's integers and its order of axes.

use std::sync::Arc;

use crate::bundle::{Affine, Port};
use crate::engine::Array;
use crate::tvm::{CallError, Tensor, TensorMut, TvmError};

/// What an input stands for.
pub fn read(tensor: &Tensor<'_>, port: &Port) -> Result<Array, CallError> {
    let data = match port.integer {
        Some(affine) => affine.reals(tensor.as_bytes(affine.dtype.name())?),
        None => tensor.to_f32()?,
    };
    let shape = tensor.shape();
    let Some(axes) = &port.axes else {
        let data = Arc::new(data);
        return Ok(Array { shape, data });
    };
    let given = ndarray::ArrayD::from_shape_vec(shape, data)?;
    if given.ndim() != axes.len() {
        let (rank, wanted) = (given.ndim(), axes.len());
        return Err(format!("an input has {rank} axes, not {wanted}").into());
    }
    let ordered = given.permuted_axes(axes.clone());
    Ok(Array {
        shape: ordered.shape().to_vec(),
        data: Arc::new(ordered.iter().copied().collect()),
    })
}

/// Writes an output, in these integers when there are some.
pub fn write(
    output: &mut TensorMut<'_>,
    integer: Option<Affine>,
    data: &[f32],
) -> Result<(), TvmError> {
    match integer {
        Some(affine) => output.write_bytes(affine.dtype.name(), &affine.bytes(data)),
        None => output.write(data),
    }
}
