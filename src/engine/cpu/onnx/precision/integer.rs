//! Layers with kernels, in integers.

use super::Rewritten;
use super::emit::{Emit, values};
use super::forms::{Forms, Sums};
use super::weights::quantise;
use crate::engine::cpu::onnx::proto::{self, Attribute};
use crate::lower::BuildError;

/// Whether a node multiplies by a kernel of the model.
pub(super) fn has_kernel(emit: &Emit, node: &proto::Node) -> bool {
    let known = ["Conv", "Gemm", "ConvTranspose"].contains(&node.op_type.as_str());
    let kernel = node.input.get(1).and_then(|name| emit.initializer(name));
    known && kernel.is_some_and(|kernel| kernel.data_type == proto::FLOAT)
}

/// The node over integers: `steps` are those of its input, each worth `step`.
pub(super) fn sums(emit: &mut Emit, node: &proto::Node, steps: String, step: f32) -> Rewritten<Sums> {
    let find = |at: usize| node.input.get(at).and_then(|name| emit.initializer(name));
    let kernel = find(1).ok_or_else(|| BuildError("its kernel is not constant".into()))?;
    let (weights, dims) = (values(kernel), kernel.dims.clone());
    let bias = find(2).map(values);
    let (channels, channel) = channels(node, &dims);
    let quantised = quantise(&weights, bias.as_deref(), channels, channel, step)?;
    let name = node.output[0].as_str();
    let mut inputs = vec![
        steps,
        emit.floats((name, "kernel.int8"), &dims, &quantised.kernel),
    ];
    if let Some(bias) = &quantised.bias {
        inputs.push(emit.floats((name, "bias.int32"), &[channels as i64], bias));
    }
    let sums = emit.node(&node.op_type, (name, "sums"), inputs, node.attribute.clone());
    Ok(Sums {
        name: sums,
        scale: quantised.scale,
        clip: None,
    })
}

/// How many output channels a kernel has, and which one an element belongs to.
fn channels(node: &proto::Node, dims: &[i64]) -> (usize, Box<dyn Fn(usize) -> usize>) {
    let size = |dims: &[i64]| dims.iter().product::<i64>().max(1) as usize;
    let first = dims[0].max(1) as usize;
    if node.op_type != "ConvTranspose" {
        let each = size(&dims[1..]);
        return (first, Box::new(move |at| at / each));
    }
    // `[inputs, outputs / groups, ...]`: the inputs of one group come one after another.
    let group = node.attribute.iter().find(|a| a.name == "group");
    let groups = group.and_then(|a| a.i).unwrap_or(1).max(1) as usize;
    let (outputs, window) = (dims[1].max(1) as usize, size(&dims[2..]));
    let channel = move |at: usize| {
        let input = at / (outputs * window);
        input / (first / groups) * outputs + at / window % outputs
    };
    (outputs * groups, Box::new(channel))
}

/// Whether the node is an activation that can be computed on sums, because it commutes with positive factors or is
/// a bound that quantised values can be clipped to.
pub(super) fn on_sums(node: &proto::Node) -> bool {
    ["Relu", "LeakyRelu", "PRelu", "Clip"].contains(&node.op_type.as_str())
}

/// The activation over sums.
pub(super) fn activate(emit: &mut Emit, node: &proto::Node, sums: Sums) -> Rewritten<Sums> {
    let name = node.output[0].as_str();
    if node.op_type != "Clip" {
        let inputs = [&[sums.name][..], &node.input[1..]].concat();
        let result = emit.node(&node.op_type, (name, "sums"), inputs, node.attribute.clone());
        return Ok(Sums { name: result, ..sums });
    }
    let bound = |at: usize| {
        let tensor = node.input.get(at).and_then(|name| emit.initializer(name));
        let value = tensor.and_then(|tensor| values(tensor).first().copied());
        value.ok_or_else(|| BuildError("its bounds are not constant".into()))
    };
    let (low, high) = (bound(1)?, bound(2)?);
    let result = match low {
        0.0 => emit.node("Relu", (name, "sums"), vec![sums.name], vec![]),
        _ => sums.name,
    };
    Ok(Sums {
        name: result,
        scale: sums.scale,
        clip: Some((low, high)),
    })
}

/// Rounds sums to steps of `step`: the layer's way to memory.
pub(super) fn store(emit: &mut Emit, sums: &Sums, step: f32) -> Forms {
    let name = sums.name.as_str();
    let channels = sums.scale.len() as i64;
    let factors: Vec<f32> = sums.scale.iter().map(|s| step / s).collect();
    let inputs = vec![
        sums.name.clone(),
        emit.floats((name, "factors"), &[channels], &factors),
        emit.zeros((name, "zeros"), &[channels]),
    ];
    let axis = vec![Attribute::int("axis", 1)];
    let mut bytes = emit.node("QuantizeLinear", (name, "int8"), inputs, axis);
    let quantised = |v: f32| (v / step).round_ties_even().clamp(-128.0, 127.0);
    let (low, high) = sums.clip.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
    let bounds = [quantised(low), quantised(high)];
    // Zero is a Relu on the sums already, and what lies beyond the range saturates by itself.
    let already = low == 0.0 || bounds[0] == -128.0;
    if !(already && bounds[1] == 127.0) {
        let steps = dequantised(emit, &bytes, 1.0);
        let low = emit.scalar((name, "low"), bounds[0]);
        let high = emit.scalar((name, "high"), bounds[1]);
        let clipped = emit.node("Clip", (name, "clipped"), vec![steps, low, high], vec![]);
        bytes = self::bytes(emit, &clipped, 1.0);
    }
    Forms {
        bytes: Some((bytes, step)),
        ..Forms::default()
    }
}

/// float32 -> int8 with one step.
pub(super) fn bytes(emit: &mut Emit, x: &str, step: f32) -> String {
    let step = emit.scalar((x, "step"), step);
    let zero = emit.zeros((x, "zero"), &[]);
    emit.node("QuantizeLinear", (x, "int8"), vec![x.into(), step, zero], vec![])
}

/// int8 -> float32; with a step of one, the integers themselves.
pub(super) fn dequantised(emit: &mut Emit, bytes: &str, step: f32) -> String {
    let step = emit.scalar((bytes, "step"), step);
    let zero = emit.zeros((bytes, "zero"), &[]);
    let inputs = vec![bytes.into(), step, zero];
    emit.node("DequantizeLinear", (bytes, "float"), inputs, vec![])
}
