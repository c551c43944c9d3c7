//! Recorded layers -> the CPU backend's layers, by way of the same trait that the program's converter speaks.

use std::collections::HashMap;

use tvm_dla::engine::cpu::onnx_layers;
use tvm_dla::graph::{Lrn, Pad, Range};
use tvm_dla::lower::{
    BuildError, Convolution, Deconvolution, LayerResult, MatrixMultiply, NetworkBuilder, Reduction, Scale,
    Shuffle, Slice, Value, Weights,
};

use crate::plan::{Kernel, Kind, Layer, Plan, Span};
use crate::rounding::{self, Rounding};
use crate::vocabulary::{FILL, activation, axes, binary, geometry, pooling, reduction, resize, unary};

/// The ONNX model that computes a plan.
///
/// # Errors
/// Names the layer that the double does not compute.
pub fn onnx(plan: &Plan) -> Result<Vec<u8>, String> {
    let built = onnx_layers(&plan.name, |builder| {
        let mut network = Network {
            plan,
            builder,
            values: HashMap::new(),
            constants: HashMap::new(),
            ranges: HashMap::new(),
        };
        network.build()
    });
    built.map_err(|error| error.to_string())
}

/// `DataType::kHALF`.
const HALF: i32 = 1;

#[derive(Clone, Copy)]
enum Way {
    ToSteps,
    ToValues,
}

struct Network<'a> {
    plan: &'a Plan,
    builder: &'a mut dyn NetworkBuilder,
    values: HashMap<usize, Value>,
    /// Constants by the tensor they fill: PReLU and slices take theirs as weights.
    constants: HashMap<usize, Weights>,
    /// Of tensors that implicit INT8 rounds: the value that 127 stands for.
    ranges: HashMap<usize, f32>,
}

impl Network<'_> {
    fn build(&mut self) -> Result<(), BuildError> {
        for port in &self.plan.inputs {
            let value = self.builder.input(&port.name, &port.shape)?;
            let value = self.in_range(&port.name, port.tensor, value, port.range)?;
            self.values.insert(port.tensor, value);
        }
        for layer in &self.plan.layers {
            let built = self.layer(layer);
            let built = built.and_then(|x| self.in_range(&layer.name, layer.output, x, layer.range));
            let value = built.map_err(|e| BuildError(format!("layer `{}`: {e}", layer.name)))?;
            self.values.insert(layer.output, value);
        }
        for port in &self.plan.outputs {
            let value = self.value(port.tensor as i64)?;
            self.builder.output(&port.name, value, &port.shape)?;
        }
        Ok(())
    }

    /// A tensor as implicit INT8 keeps it, if it has a range.
    fn in_range(&mut self, name: &str, tensor: usize, x: Value, range: f32) -> LayerResult {
        if self.plan.int8 == 0 || range <= 0.0 {
            return Ok(x);
        }
        self.ranges.insert(tensor, range);
        let mut rounding = self.rounding(name, tensor);
        let steps = rounding.quantise(x, range / 127.0)?;
        rounding.dequantise(steps, range / 127.0)
    }

    fn rounding<'b>(&'b mut self, name: &'b str, tensor: usize) -> Rounding<'b> {
        Rounding {
            rank: self.plan.shapes[tensor].len(),
            builder: &mut *self.builder,
            name,
        }
    }

    fn value(&self, tensor: i64) -> LayerResult {
        let value = self.values.get(&(tensor as usize)).copied();
        value.ok_or_else(|| BuildError(format!("tensor {tensor} is not computed")))
    }

    fn constant(&self, layer: &Layer, operand: usize) -> Result<Weights, BuildError> {
        let found = self.constants.get(&(layer.inputs[operand] as usize));
        found.cloned().ok_or_else(|| beyond("a computed weight"))
    }

    fn weights(&self, shape: &[usize], span: Span) -> Weights {
        let values = &self.plan.weights[span.0..span.0 + span.1];
        Weights::from_values(shape, values)
    }

    fn layer(&mut self, layer: &Layer) -> LayerResult {
        let name = layer.name.as_str();
        if let Kind::Constant { shape, values } = &layer.kind {
            let weights = self.weights(shape, *values);
            self.constants.insert(layer.output, weights.clone());
            return self.builder.constant(name, &weights);
        }
        let x = self.value(layer.inputs[0])?;
        match &layer.kind {
            Kind::Constant { .. } => unreachable!("constants have no input"),
            Kind::Convolution(kernel) => self.convolution(layer, x, kernel),
            Kind::Deconvolution(kernel) => self.deconvolution(layer, x, kernel),
            Kind::Pooling {
                window,
                pooling: number,
                excludes_padding,
            } => {
                let layer = pooling(window, *number, *excludes_padding == 0);
                let layer = layer.ok_or_else(|| beyond("this kind of pooling"))?;
                self.builder.pooling(name, x, &layer)
            }
            Kind::Activation {
                function,
                alpha,
                beta,
            } => {
                let function = activation(*function, *alpha, *beta);
                let function = function.ok_or_else(|| beyond("this activation"))?;
                self.builder.activation(name, x, function)
            }
            Kind::Scale {
                mode: 1,
                axis: 1,
                shift,
                scale,
                power: None,
            } => self.scale(layer, x, *shift, *scale),
            Kind::Scale { .. } => Err(beyond("a scale that is not per channel")),
            Kind::ParametricRelu => {
                let slope = self.constant(layer, 1)?;
                self.builder.parametric_relu(name, x, &slope)
            }
            Kind::Elementwise { operation } => {
                let kind = binary(*operation).ok_or_else(|| beyond("this operation"))?;
                let other = self.value(layer.inputs[1])?;
                self.builder.elementwise(name, kind, x, other)
            }
            Kind::Unary { operation } => {
                let function = unary(*operation).ok_or_else(|| beyond("this function"))?;
                self.builder.unary(name, x, function)
            }
            Kind::Lrn { size, alpha, beta, k } => {
                let lrn = Lrn {
                    size: *size,
                    alpha: *alpha,
                    beta: *beta,
                    bias: *k,
                };
                self.builder.lrn(name, x, &lrn)
            }
            Kind::Reduce {
                operation,
                axes: mask,
                keep: 1,
            } => {
                let kind = reduction(*operation).ok_or_else(|| beyond("this reduction"))?;
                let axes = axes(*mask);
                self.builder.reduce(name, x, &Reduction { kind, axes })
            }
            Kind::Reduce { .. } => Err(beyond("a reduction that drops axes")),
            Kind::Softmax { axes: mask } => self.builder.softmax(name, x, axes(*mask)[0]),
            Kind::Concatenation { axis } => {
                let xs: Result<Vec<Value>, _> = layer.inputs.iter().map(|i| self.value(*i)).collect();
                self.builder.concatenation(name, &xs?, *axis)
            }
            Kind::MatrixMultiply { turn_a, turn_b } => {
                let other = self.value(layer.inputs[1])?;
                let rank = self.plan.shapes[layer.output].len();
                match (rank, turn_a, turn_b) {
                    (2, 0, 1) => self.builder.matrix_multiply_transposed(name, x, other),
                    (3, _, _) => {
                        let layer = MatrixMultiply {
                            transpose_a: *turn_a == 1,
                            transpose_b: *turn_b == 1,
                        };
                        self.builder.matrix_multiply(name, x, other, &layer)
                    }
                    (_, _, _) => Err(beyond("such a product")),
                }
            }
            Kind::Shuffle { permutation, shape } => {
                let shuffle = Shuffle {
                    permutation: (!permutation.is_empty()).then(|| permutation.clone()),
                    shape: Some(shape.clone()),
                };
                self.builder.shuffle(name, x, &shuffle)
            }
            Kind::Slice {
                start,
                size,
                stride,
                mode,
            } => match layer.inputs.len() {
                1 => self.cut(name, x, [start, stride], size),
                _ if *mode == FILL && stride.iter().all(|step| *step == 1) => self.pad(layer, x, start, size),
                _ => Err(beyond("this slice")),
            },
            Kind::Resize {
                shape,
                mode,
                coordinates,
                rounding,
            } => {
                let input = &self.plan.shapes[layer.inputs[0] as usize];
                let layer = resize(input, shape, *mode, *coordinates, *rounding);
                let layer = layer.ok_or_else(|| beyond("this way to resize"))?;
                self.builder.resize(name, x, &layer)
            }
            Kind::Quantize { axis } => self.by_scale(layer, x, *axis, Way::ToSteps),
            Kind::Dequantize { axis } => self.by_scale(layer, x, *axis, Way::ToValues),
            Kind::Cast { to: HALF } => self.rounding(name, layer.output).halve(x),
            Kind::Cast { .. } => Ok(x),
        }
    }

    /// Quantisation or its inverse: of a constant by a scale per channel, of a computed tensor by one.
    fn by_scale(&mut self, layer: &Layer, x: Value, axis: i32, way: Way) -> LayerResult {
        let scales = self.constant(layer, 1)?.values();
        if let Some(constant) = self.constants.get(&(layer.inputs[0] as usize)) {
            let axis = usize::try_from(axis).unwrap_or(0);
            let made = match way {
                Way::ToSteps => rounding::quantised(constant, &scales, axis),
                Way::ToValues => rounding::dequantised(constant, &scales, axis),
            };
            let value = self.builder.constant(&layer.name, &made)?;
            self.constants.insert(layer.output, made);
            return Ok(value);
        }
        let [scale] = scales[..] else {
            return Err(beyond("a quantisation per channel of a computed tensor"));
        };
        let mut rounding = self.rounding(&layer.name, layer.output);
        match way {
            Way::ToSteps => rounding.quantise(x, scale),
            Way::ToValues => rounding.dequantise(x, scale),
        }
    }

    /// Whether implicit INT8 computes the layer in integers: it has a range at both ends and no other precision.
    fn in_integers(&self, layer: &Layer) -> bool {
        let input = self.ranges.contains_key(&(layer.inputs[0] as usize));
        self.plan.int8 == 1 && layer.half == 0 && layer.range > 0.0 && input
    }

    /// The kernel lies in the layer, or comes in as a constant by way of its quantisation.
    fn kernel(&self, layer: &Layer, kernel: &Kernel, maps_first: bool) -> Result<Weights, BuildError> {
        let inside = kernel.kernel.map(|span| self.weights(&[span.1], span));
        let weights = match inside {
            Some(weights) => weights,
            None if layer.inputs.len() > 1 => self.constant(layer, 1)?,
            None => return Err(beyond("an empty kernel")),
        };
        let window = &kernel.window.window;
        let maps = if maps_first {
            kernel.maps
        } else {
            kernel.maps / kernel.groups
        };
        let other = weights.data.len() / 4 / (maps * window.iter().product::<usize>());
        let mut shape = if maps_first {
            vec![maps, other]
        } else {
            vec![other, maps]
        };
        shape.extend(window);
        let weights = weights.reshaped(shape);
        if self.in_integers(layer) {
            Ok(rounding::kernel(&weights, usize::from(!maps_first)))
        } else {
            Ok(weights)
        }
    }

    fn convolution(&mut self, layer: &Layer, x: Value, kernel: &Kernel) -> LayerResult {
        let built = Convolution {
            kernel: self.kernel(layer, kernel, true)?,
            bias: kernel.bias.map(|span| self.weights(&[kernel.maps], span)),
            geometry: geometry(&kernel.window, kernel.groups),
        };
        self.builder.convolution(&layer.name, x, &built)
    }

    fn deconvolution(&mut self, layer: &Layer, x: Value, kernel: &Kernel) -> LayerResult {
        let built = Deconvolution {
            kernel: self.kernel(layer, kernel, false)?,
            bias: kernel.bias.map(|span| self.weights(&[kernel.maps], span)),
            geometry: geometry(&kernel.window, kernel.groups),
        };
        self.builder.deconvolution(&layer.name, x, &built)
    }

    fn scale(&mut self, layer: &Layer, x: Value, shift: Option<Span>, scale: Option<Span>) -> LayerResult {
        let rank = self.plan.shapes[layer.inputs[0] as usize].len();
        let along = |span: Span| self.weights(&[span.1], span).along(1, rank);
        let parts = Scale {
            shift: shift.map(along),
            scale: scale.map(along),
        };
        self.builder.scale(&layer.name, x, &parts)
    }

    fn cut(&mut self, name: &str, x: Value, [start, stride]: [&[i64]; 2], size: &[usize]) -> LayerResult {
        let axes = start.iter().zip(size).zip(stride).enumerate();
        let ranges = axes.map(|(axis, ((start, len), step))| Range {
            axis,
            start: *start as usize,
            len: *len,
            step: *step as usize,
        });
        let cut = Slice {
            ranges: ranges.collect(),
            shape: size.to_vec(),
        };
        self.builder.slice(name, x, &cut)
    }

    /// A slice that begins before its input and ends behind it reads the fill value there.
    fn pad(&mut self, layer: &Layer, x: Value, start: &[i64], size: &[usize]) -> LayerResult {
        let from = &self.plan.shapes[layer.inputs[0] as usize];
        let before: Vec<usize> = start.iter().map(|s| (-s) as usize).collect();
        let rest = size.iter().zip(from).zip(&before);
        let pad = Pad {
            after: rest.map(|((size, from), before)| size - from - before).collect(),
            before,
            value: self.constant(layer, 4)?.values()[0],
        };
        self.builder.padding(&layer.name, x, &pad)
    }
}

fn beyond(what: &str) -> BuildError {
    BuildError(format!("the double does not compute {what}"))
}
