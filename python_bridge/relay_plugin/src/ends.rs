//! Tensors as TVM passes them at a network's ends: in the model's integers.

use std::sync::Arc;

use tvm_dla::bundle::{Affine, Port};
use tvm_dla::engine::Array;
use tvm_dla::tvm::{CallError, Tensor, TensorMut, TvmError};

/// What an input stands for, in the order of axes in which it comes.
pub fn read(tensor: &Tensor<'_>, port: &Port) -> Result<Array, CallError> {
    let data = match port.integer {
        Some(affine) => affine.reals(tensor.as_bytes(affine.dtype.name())?),
        None => tensor.to_f32()?,
    };
    Ok(Array {
        shape: tensor.shape(),
        data: Arc::new(data),
    })
}

/// Writes an output, in these integers when there are some.
pub fn write(output: &mut TensorMut<'_>, integer: Option<Affine>, data: &[f32]) -> Result<(), TvmError> {
    match integer {
        Some(affine) => output.write_bytes(affine.dtype.name(), &affine.bytes(data)),
        None => output.write(data),
    }
}
