//! Rounding to FP16 and back.

use half::f16;

use super::Rewritten;
use super::emit::{Emit, values};
use crate::engine::cpu::onnx::proto::{self, Attribute};
use crate::lower::BuildError;

/// `x` through a Cast to float16 and back.
pub(super) fn rounded(emit: &mut Emit, x: &str) -> String {
    let to = |data_type: i32| vec![Attribute::int("to", data_type as usize)];
    let half = emit.node("Cast", (x, "half"), vec![x.into()], to(proto::FLOAT16));
    emit.node("Cast", (x, "rounded"), vec![half], to(proto::FLOAT))
}

/// A float32 initializer with its elements rounded; scalars are parameters of a layer, not data, and stay.
///
/// # Errors
/// An element that FP16 has no number for.
pub(super) fn weights(emit: &mut Emit, name: &str) -> Rewritten<String> {
    let Some(tensor) = emit.initializer(name) else {
        return Ok(name.to_string());
    };
    if tensor.data_type != proto::FLOAT || tensor.dims.is_empty() {
        return Ok(name.to_string());
    }
    let (values, dims) = (values(tensor), tensor.dims.clone());
    let round = |v: &f32| f16::from_f32(*v).to_f32();
    let rounded: Vec<f32> = values.iter().map(round).collect();
    let lost = values.iter().zip(&rounded);
    if let Some((value, _)) = lost.into_iter().find(|(v, r)| v.is_finite() != r.is_finite()) {
        return Err(BuildError(format!(
            "weight `{name}` holds {value:e}, and fp16 ends at 65504"
        )));
    }
    if values == rounded {
        return Ok(name.to_string());
    }
    Ok(emit.floats((name, "half"), &dims, &rounded))
}
