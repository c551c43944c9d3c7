//! [`NetworkBuilder`] over ONNX nodes: one function per layer.

use super::super::names::{binary, coordinates, nearest, reduction, unary};
use super::super::proto::{self, Attribute};
use super::{Layers, OnnxBuilder, windowed};
use crate::graph::{Activation, BinaryKind, Lrn, Pad, PoolKind, Range, ReduceKind, ResizeMode, UnaryKind};
use crate::lower::{
    BuildError, Convolution, Deconvolution, FullyConnected, LayerResult, MatrixMultiply, NetworkBuilder,
    Pooling, Reduction, Resize, Scale, Shuffle, Slice, Value, Weights,
};

impl NetworkBuilder for OnnxBuilder {
    fn input(&mut self, name: &str, shape: &[usize]) -> LayerResult {
        let name = self.unique(name);
        self.graph.input.push(proto::ValueInfo::float(&name, shape));
        Ok(self.value(name, false))
    }

    fn constant(&mut self, name: &str, value: &Weights) -> LayerResult {
        let name = self.weights(name, value);
        Ok(self.value(name, false))
    }

    fn convolution(&mut self, name: &str, x: Value, layer: &Convolution) -> LayerResult {
        let bias = layer.bias.as_ref();
        Ok(self.windowed("Conv", name, x, (&layer.kernel, bias), &layer.geometry))
    }

    fn deconvolution(&mut self, name: &str, x: Value, layer: &Deconvolution) -> LayerResult {
        let bias = layer.bias.as_ref();
        Ok(self.windowed("ConvTranspose", name, x, (&layer.kernel, bias), &layer.geometry))
    }

    fn fully_connected(&mut self, name: &str, x: Value, layer: &FullyConnected) -> LayerResult {
        let mut inputs = vec![self.name(x)];
        inputs.push(self.weights(&format!("{name}.kernel"), &layer.kernel));
        if let Some(bias) = &layer.bias {
            inputs.push(self.weights(&format!("{name}.bias"), bias));
        }
        let attributes = vec![Attribute::int("transB", 1)];
        Ok(self.node("Gemm", name, inputs, attributes))
    }

    fn matrix_multiply_transposed(&mut self, name: &str, a: Value, b: Value) -> LayerResult {
        let inputs = vec![self.name(a), self.name(b)];
        let attributes = vec![Attribute::int("transB", 1)];
        Ok(self.node("Gemm", name, inputs, attributes))
    }

    fn matrix_multiply(&mut self, name: &str, a: Value, b: Value, layer: &MatrixMultiply) -> LayerResult {
        let a = if layer.transpose_a {
            self.transposed(name, a)
        } else {
            a
        };
        let b = if layer.transpose_b {
            self.transposed(name, b)
        } else {
            b
        };
        let inputs = vec![self.name(a), self.name(b)];
        Ok(self.node("MatMul", name, inputs, vec![]))
    }

    /// Both parts make a `BatchNormalization`: one pass over the data, and ONNX Runtime folds it into a convolution.
    fn scale(&mut self, name: &str, x: Value, layer: &Scale) -> LayerResult {
        match (&layer.scale, &layer.shift) {
            (Some(scale), Some(shift)) => Ok(self.normalisation(name, x, scale, shift)),
            (Some(scale), None) => Ok(self.with_constant("Mul", name, x, scale)),
            (None, Some(shift)) => Ok(self.with_constant("Add", name, x, shift)),
            (None, None) => Err(BuildError("a scale layer with neither part".into())),
        }
    }

    fn activation(&mut self, name: &str, x: Value, function: Activation) -> LayerResult {
        let mut inputs = vec![self.name(x)];
        let (op, attributes) = match function {
            Activation::Relu => ("Relu", vec![]),
            Activation::Sigmoid => ("Sigmoid", vec![]),
            Activation::Tanh => ("Tanh", vec![]),
            Activation::LeakyRelu { alpha } => ("LeakyRelu", vec![Attribute::float("alpha", alpha)]),
            Activation::Clip { min, max } => {
                inputs.push(self.scalar(&format!("{name}.min"), min));
                inputs.push(self.scalar(&format!("{name}.max"), max));
                ("Clip", vec![])
            }
        };
        Ok(self.node(op, name, inputs, attributes))
    }

    fn unary(&mut self, name: &str, x: Value, function: UnaryKind) -> LayerResult {
        let inputs = vec![self.name(x)];
        Ok(self.node(unary(function), name, inputs, vec![]))
    }

    fn parametric_relu(&mut self, name: &str, x: Value, slope: &Weights) -> LayerResult {
        Ok(self.with_constant("PRelu", name, x, slope))
    }

    fn elementwise(&mut self, name: &str, kind: BinaryKind, a: Value, b: Value) -> LayerResult {
        let inputs = vec![self.name(a), self.name(b)];
        Ok(self.node(binary(kind), name, inputs, vec![]))
    }

    fn pooling(&mut self, name: &str, x: Value, layer: &Pooling) -> LayerResult {
        let inputs = vec![self.name(x)];
        let mut attributes = windowed(&layer.window, &layer.geometry);
        let op = match (layer.kind, layer.global) {
            (PoolKind::Max, true) => return Ok(self.node("GlobalMaxPool", name, inputs, vec![])),
            (PoolKind::Average, true) => return Ok(self.node("GlobalAveragePool", name, inputs, vec![])),
            (PoolKind::Max, false) => "MaxPool",
            (PoolKind::Average, false) => {
                // Averages know dilation from opset 19 on only; the lowering gives them none.
                attributes.retain(|a| a.name != "dilations");
                let count = usize::from(layer.count_padding);
                attributes.push(Attribute::int("count_include_pad", count));
                "AveragePool"
            }
        };
        Ok(self.node(op, name, inputs, attributes))
    }

    /// ONNX Runtime finds the nearest element in float32; where that may miss a whole position, each axis is gathered
    /// from positions worked out here.
    fn resize(&mut self, name: &str, x: Value, layer: &Resize) -> LayerResult {
        if let ResizeMode::Nearest(rounding) = layer.resize.mode {
            let scales_up = |axis: usize| layer.shape[axis].is_multiple_of(layer.input[axis]);
            if !(2..4).all(scales_up) {
                return Ok(self.gathered(name, x, layer, rounding));
            }
        }
        let mut attributes = vec![Attribute::text(
            "coordinate_transformation_mode",
            coordinates(layer.resize.coordinates),
        )];
        match layer.resize.mode {
            ResizeMode::Linear => attributes.push(Attribute::text("mode", "linear")),
            ResizeMode::Nearest(rounding) => {
                attributes.push(Attribute::text("mode", "nearest"));
                attributes.push(Attribute::text("nearest_mode", nearest(rounding)));
            }
        }
        let sizes = self.integers(&format!("{name}.sizes"), &layer.shape);
        let inputs = vec![self.name(x), String::new(), String::new(), sizes];
        Ok(self.node("Resize", name, inputs, attributes))
    }

    fn padding(&mut self, name: &str, x: Value, layer: &Pad) -> LayerResult {
        let widths = [&layer.before[..], &layer.after[..]].concat();
        let widths = self.integers(&format!("{name}.widths"), &widths);
        let value = self.scalar(&format!("{name}.value"), layer.value);
        let inputs = vec![self.name(x), widths, value];
        Ok(self.node("Pad", name, inputs, vec![]))
    }

    fn lrn(&mut self, name: &str, x: Value, layer: &Lrn) -> LayerResult {
        let attributes = vec![
            Attribute::int("size", layer.size),
            Attribute::float("alpha", layer.alpha),
            Attribute::float("beta", layer.beta),
            Attribute::float("bias", layer.bias),
        ];
        let inputs = vec![self.name(x)];
        Ok(self.node("LRN", name, inputs, attributes))
    }

    fn reduce(&mut self, name: &str, x: Value, layer: &Reduction) -> LayerResult {
        let mut inputs = vec![self.name(x)];
        // No axes at all would mean all of them.
        if layer.axes.is_empty() {
            return Ok(self.node("Identity", name, inputs, vec![]));
        }
        let mut attributes = vec![Attribute::int("keepdims", 1)];
        // Sums take their axes as an operand since opset 13, the others from 18 on.
        match layer.kind {
            ReduceKind::Sum => inputs.push(self.integers(&format!("{name}.axes"), &layer.axes)),
            _ => attributes.push(Attribute::ints("axes", &layer.axes)),
        }
        Ok(self.node(reduction(layer.kind), name, inputs, attributes))
    }

    fn shuffle(&mut self, name: &str, x: Value, layer: &Shuffle) -> LayerResult {
        let mut x = x;
        if let Some(permutation) = &layer.permutation {
            let inputs = vec![self.name(x)];
            let attributes = vec![Attribute::ints("perm", permutation)];
            x = self.node("Transpose", name, inputs, attributes);
        }
        if let Some(shape) = &layer.shape {
            let shape = self.integers(&format!("{name}.shape"), shape);
            let inputs = vec![self.name(x), shape];
            x = self.node("Reshape", name, inputs, vec![]);
        }
        Ok(x)
    }

    fn slice(&mut self, name: &str, x: Value, layer: &Slice) -> LayerResult {
        let mut inputs = vec![self.name(x)];
        let of = |value: fn(&Range) -> usize| layer.ranges.iter().map(value).collect::<Vec<_>>();
        let bounds = [
            ("starts", of(|r| r.start)),
            ("ends", of(|r| r.start + (r.len - 1) * r.step + 1)),
            ("axes", of(|r| r.axis)),
            ("steps", of(|r| r.step)),
        ];
        for (suffix, values) in bounds {
            inputs.push(self.integers(&format!("{name}.{suffix}"), &values));
        }
        Ok(self.node("Slice", name, inputs, vec![]))
    }

    fn concatenation(&mut self, name: &str, xs: &[Value], axis: usize) -> LayerResult {
        let inputs = xs.iter().map(|x| self.name(*x)).collect();
        Ok(self.node("Concat", name, inputs, vec![Attribute::int("axis", axis)]))
    }

    fn softmax(&mut self, name: &str, x: Value, axis: usize) -> LayerResult {
        let inputs = vec![self.name(x)];
        Ok(self.node("Softmax", name, inputs, vec![Attribute::int("axis", axis)]))
    }

    /// A value takes its tensor's name where no other has it, so that calibration caches fit the model.
    fn tensor(&mut self, tensor: &str, x: Value) {
        let start = self.layers.last().map_or(0, |layers| layers.nodes.end);
        let end = self.graph.node.len();
        let value = &mut self.values[x.0 as usize].name;
        let last = self.graph.node.last_mut().filter(|_| start < end);
        if let Some(node) = last.filter(|node| node.output[0] == *value)
            && !tensor.is_empty()
            && !self.names.contains_key(tensor)
        {
            self.names.insert(tensor.to_string(), 1);
            node.output[0] = tensor.to_string();
            *value = tensor.to_string();
        }
        self.layers.push(Layers {
            tensor: tensor.to_string(),
            value: value.clone(),
            nodes: start..end,
        });
    }

    fn output(&mut self, name: &str, x: Value, shape: &[usize]) -> Result<(), BuildError> {
        let own = std::mem::replace(&mut self.values[x.0 as usize].computed, false);
        let x = if own {
            x
        } else {
            let inputs = vec![self.name(x)];
            self.node("Identity", name, inputs, vec![])
        };
        let info = proto::ValueInfo::float(&self.name(x), shape);
        self.graph.output.push(info);
        Ok(())
    }
}
