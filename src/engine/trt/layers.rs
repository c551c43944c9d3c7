//! [`NetworkBuilder`] over TensorRT's layers.

use super::codes::{
    axes, code, coordinates, elementwise, function, pooling, reduction, rounding, unary, window,
};
use super::network::{TrtNetwork, dims};
use super::parts::Kernel;
use super::sys::{self, Shape};
use crate::graph::{Activation, BinaryKind, Lrn, Pad, PoolKind, ResizeMode, UnaryKind};
use crate::lower::{
    BuildError, Convolution, Deconvolution, FullyConnected, LayerResult, MatrixMultiply, NetworkBuilder,
    Pooling, Reduction, Resize, Scale, Shuffle, Slice, Value, Weights,
};

impl NetworkBuilder for TrtNetwork<'_> {
    fn broadcasts(&self) -> bool {
        !self.on_dla
    }

    fn input(&mut self, name: &str, shape: &[usize]) -> LayerResult {
        self.input_tensor(name, shape)
    }

    fn constant(&mut self, name: &str, value: &Weights) -> LayerResult {
        let value = self.constant_layer(name, value)?;
        self.take(value);
        Ok(value)
    }

    fn convolution(&mut self, name: &str, x: Value, layer: &Convolution) -> LayerResult {
        let kernel = Kernel {
            call: "addConvolutionNd",
            add: |table| table.add_convolution,
            weights: &layer.kernel,
            axis: 0,
            maps: layer.kernel.shape[0],
            bias: layer.bias.as_ref(),
            geometry: &layer.geometry,
        };
        self.kernel(name, x, kernel)
    }

    fn deconvolution(&mut self, name: &str, x: Value, layer: &Deconvolution) -> LayerResult {
        let kernel = Kernel {
            call: "addDeconvolutionNd",
            add: |table| table.add_deconvolution,
            weights: &layer.kernel,
            axis: 1,
            maps: layer.kernel.shape[1] * layer.geometry.groups,
            bias: layer.bias.as_ref(),
            geometry: &layer.geometry,
        };
        self.kernel(name, x, kernel)
    }

    fn fully_connected(&mut self, name: &str, x: Value, layer: &FullyConnected) -> LayerResult {
        let kernel = if self.quantises(name) {
            self.quantised_kernel(name, &layer.kernel, 0)?
        } else {
            self.constant_layer(name, &layer.kernel)?
        };
        let products = self.multiply(name, [x, kernel], [false, true])?;
        match &layer.bias {
            Some(bias) => self.with_constant(name, code::SUM, products, &bias.along(1, 2)),
            None => Ok(products),
        }
    }

    fn matrix_multiply_transposed(&mut self, name: &str, a: Value, b: Value) -> LayerResult {
        self.multiply(name, [a, b], [false, true])
    }

    fn matrix_multiply(&mut self, name: &str, a: Value, b: Value, layer: &MatrixMultiply) -> LayerResult {
        self.multiply(name, [a, b], [layer.transpose_a, layer.transpose_b])
    }

    /// A scale layer needs a map; for other ranks the parts are layers of their own.
    fn scale(&mut self, name: &str, x: Value, layer: &Scale) -> LayerResult {
        if self.shape(x).len() == 4 {
            let shift = self.optional_blob(layer.shift.as_ref());
            let scale = self.optional_blob(layer.scale.as_ref());
            let power = self.optional_blob(None);
            let x = self.pointer(x);
            // SAFETY: network and tensor live, and the constants are kept until it is built.
            return self.add("addScaleNd", name, |table, net| unsafe {
                (table.add_scale)(net, x, &shift, &scale, &power)
            });
        }
        let mut x = x;
        if let Some(scale) = &layer.scale {
            x = self.with_constant(name, code::PRODUCT, x, scale)?;
        }
        if let Some(shift) = &layer.shift {
            x = self.with_constant(name, code::SUM, x, shift)?;
        }
        Ok(x)
    }

    fn activation(&mut self, name: &str, x: Value, activation: Activation) -> LayerResult {
        let (x, (function, alpha, beta)) = (self.pointer(x), function(activation));
        // SAFETY: network and tensor live.
        self.add("addActivation", name, |table, net| unsafe {
            (table.add_activation)(net, x, function, alpha, beta)
        })
    }

    fn unary(&mut self, name: &str, x: Value, kind: UnaryKind) -> LayerResult {
        let (x, kind) = (self.pointer(x), unary(kind));
        // SAFETY: network and tensor live.
        self.add("addUnary", name, |table, net| unsafe {
            (table.add_unary)(net, x, kind)
        })
    }

    fn parametric_relu(&mut self, name: &str, x: Value, slope: &Weights) -> LayerResult {
        let slope = self.constant_layer(name, slope)?;
        let (x, slope) = (self.pointer(x), self.pointer(slope));
        // SAFETY: network and tensors live.
        self.add("addParametricReLU", name, |table, net| unsafe {
            (table.add_parametric_relu)(net, x, slope)
        })
    }

    fn elementwise(&mut self, name: &str, kind: BinaryKind, a: Value, b: Value) -> LayerResult {
        self.binary(name, elementwise(kind), a, b)
    }

    fn pooling(&mut self, name: &str, x: Value, layer: &Pooling) -> LayerResult {
        if layer.geometry.dilation.iter().any(|d| *d != 1) {
            return match layer.kind {
                PoolKind::Max => self.dilated_max(name, x, layer),
                PoolKind::Average => Err(BuildError("averages over windows with holes".into())),
            };
        }
        let (kind, window) = (pooling(layer.kind), window(&layer.window, &layer.geometry)?);
        let (x, count) = (self.pointer(x), i32::from(layer.count_padding));
        // SAFETY: network and tensor live.
        self.add("addPoolingNd", name, |table, net| unsafe {
            (table.add_pooling)(net, x, kind, &window, count)
        })
    }

    fn resize(&mut self, name: &str, x: Value, layer: &Resize) -> LayerResult {
        let (x, shape) = (self.pointer(x), dims(&layer.shape)?);
        let coordinates = coordinates(layer.resize.coordinates);
        let (linear, rounding) = match layer.resize.mode {
            ResizeMode::Linear => (1, 0),
            ResizeMode::Nearest(kind) => (0, rounding(kind)),
        };
        // SAFETY: network and tensor live.
        self.add("addResize", name, |table, net| unsafe {
            (table.add_resize)(net, x, &shape, linear, coordinates, rounding)
        })
    }

    fn padding(&mut self, name: &str, x: Value, layer: &Pad) -> LayerResult {
        let shape = self.shape(x);
        let lengths = shape.iter().zip(layer.before.iter().zip(&layer.after));
        let padded: Vec<usize> = lengths.map(|(length, (b, a))| b + length + a).collect();
        let mut start = dims(&layer.before)?;
        start.at.iter_mut().for_each(|before| *before = -*before);
        let step = dims(&vec![1; shape.len()])?;
        self.strided(name, x, [start, dims(&padded)?, step], Some(layer.value))
    }

    fn lrn(&mut self, name: &str, x: Value, layer: &Lrn) -> LayerResult {
        let x = self.pointer(x);
        let Lrn {
            size,
            alpha,
            beta,
            bias,
        } = *layer;
        // SAFETY: network and tensor live.
        self.add("addLRN", name, |table, net| unsafe {
            (table.add_lrn)(net, x, size as i64, alpha, beta, bias)
        })
    }

    fn reduce(&mut self, name: &str, x: Value, layer: &Reduction) -> LayerResult {
        // TensorRT refuses to reduce nothing.
        if layer.axes.is_empty() {
            return Ok(x);
        }
        let kind = reduction(layer.kind);
        let (x, axes) = (self.pointer(x), axes(&layer.axes));
        // SAFETY: network and tensor live.
        self.add("addReduce", name, |table, net| unsafe {
            (table.add_reduce)(net, x, kind, axes, 1)
        })
    }

    fn shuffle(&mut self, name: &str, x: Value, layer: &Shuffle) -> LayerResult {
        let x = self.pointer(x);
        let optional = |part: &Option<Vec<usize>>| part.as_deref().map(dims).transpose();
        let (order, shape) = (optional(&layer.permutation)?, optional(&layer.shape)?);
        let pointer = |part: &Option<Shape>| part.as_ref().map_or(std::ptr::null(), |s| s as *const Shape);
        // SAFETY: network and tensor live; the shim takes null as absent.
        self.add("addShuffle", name, |table, net| unsafe {
            (table.add_shuffle)(net, x, pointer(&order), pointer(&shape))
        })
    }

    fn slice(&mut self, name: &str, x: Value, layer: &Slice) -> LayerResult {
        let (mut start, mut step) = (vec![0; layer.shape.len()], vec![1; layer.shape.len()]);
        for range in &layer.ranges {
            start[range.axis] = range.start;
            step[range.axis] = range.step;
        }
        let places = [dims(&start)?, dims(&layer.shape)?, dims(&step)?];
        self.strided(name, x, places, None)
    }

    fn concatenation(&mut self, name: &str, xs: &[Value], axis: usize) -> LayerResult {
        let tensors: Vec<*mut sys::Tensor> = xs.iter().map(|x| self.pointer(*x)).collect();
        // SAFETY: network and tensors live; TensorRT copies the list.
        self.add("addConcatenation", name, |table, net| unsafe {
            (table.add_concatenation)(net, tensors.as_ptr(), tensors.len() as i32, axis as i32)
        })
    }

    fn softmax(&mut self, name: &str, x: Value, axis: usize) -> LayerResult {
        let (x, axes) = (self.pointer(x), axes(&[axis]));
        // SAFETY: network and tensor live.
        self.add("addSoftMax", name, |table, net| unsafe {
            (table.add_softmax)(net, x, axes)
        })
    }

    fn tensor(&mut self, tensor: &str, x: Value) {
        if self.failure.is_none() {
            self.failure = self.completed(tensor, x).err();
        }
    }

    fn output(&mut self, name: &str, x: Value, _shape: &[usize]) -> Result<(), BuildError> {
        self.output_tensor(name, x)
    }
}
