//! [`NetworkBuilder`] over TensorRT's layers.

use super::network::{dims, TrtNetwork, Typing};
use super::sys::{self, Blob, Shape, Window};
use crate::engine::Ranges;
use crate::graph::{
    Activation, BinaryKind, Coordinates, Lrn, Pad, PoolKind, ReduceKind, ResizeMode, Rounding,
    UnaryKind,
};
use crate::lower::{
    BuildError, Built, Convolution, Deconvolution, FullyConnected, Geometry, MatrixMultiply,
    NetworkBuilder, Pooling, Reduction, Resize, Scale, Shuffle, Slice, Value, Weights,
};

/// TensorRT's numbers, which the shim checks against the headers.
mod code {
    pub const SUM: i32 = 0;
    pub const PRODUCT: i32 = 1;
    pub const MAX: i32 = 2;
}

fn elementwise(kind: BinaryKind) -> i32 {
    match kind {
        BinaryKind::Add => code::SUM,
        BinaryKind::Mul => code::PRODUCT,
        BinaryKind::Max => code::MAX,
        BinaryKind::Min => 3,
        BinaryKind::Sub => 4,
        BinaryKind::Div => 5,
        BinaryKind::Pow => 6,
    }
}

/// Function, alpha and beta.
fn function(activation: Activation) -> (i32, f32, f32) {
    match activation {
        Activation::Relu => (0, 0.0, 0.0),
        Activation::Sigmoid => (1, 0.0, 0.0),
        Activation::Tanh => (2, 0.0, 0.0),
        Activation::LeakyRelu { alpha } => (3, alpha, 0.0),
        Activation::Clip { min, max } => (8, min, max),
    }
}

fn unary(kind: UnaryKind) -> i32 {
    match kind {
        UnaryKind::Exp => 0,
        UnaryKind::Log => 1,
        UnaryKind::Sqrt => 2,
        UnaryKind::Abs => 4,
        UnaryKind::Neg => 5,
        UnaryKind::Sin => 6,
        UnaryKind::Cos => 7,
        UnaryKind::Atan => 13,
        UnaryKind::Ceil => 17,
        UnaryKind::Floor => 18,
        UnaryKind::Erf => 19,
    }
}

fn reduction(kind: ReduceKind) -> i32 {
    match kind {
        ReduceKind::Sum => 0,
        ReduceKind::Prod => 1,
        ReduceKind::Max => 2,
        ReduceKind::Min => 3,
        ReduceKind::Mean => 4,
    }
}

fn pooling(kind: PoolKind) -> i32 {
    match kind {
        PoolKind::Max => 0,
        PoolKind::Average => 1,
    }
}

fn coordinates(kind: Coordinates) -> i32 {
    match kind {
        Coordinates::AlignCorners => 0,
        Coordinates::Asymmetric => 1,
        Coordinates::HalfPixel => 2,
    }
}

fn rounding(kind: Rounding) -> i32 {
    match kind {
        Rounding::HalfUp => 0,
        Rounding::HalfDown => 1,
        Rounding::Floor => 2,
        Rounding::Ceil => 3,
    }
}

fn axes(list: &[usize]) -> u32 {
    list.iter().fold(0, |mask, axis| mask | 1 << axis)
}

fn window(size: &[usize], geometry: &Geometry) -> Result<Window, BuildError> {
    Ok(Window {
        size: dims(size)?,
        stride: dims(&geometry.stride)?,
        before: dims(&geometry.before)?,
        after: dims(&geometry.after)?,
        dilation: dims(&geometry.dilation)?,
    })
}

/// `addConvolutionNd` or `addDeconvolutionNd`.
type AddKernel = unsafe extern "C" fn(
    *mut sys::Network,
    *mut sys::Tensor,
    i64,
    *const Window,
    i64,
    *const Blob,
    *const Blob,
) -> *mut sys::Layer;

/// A layer that slides a kernel over a map.
struct Kernel<'a> {
    call: &'static str,
    add: fn(&sys::Table) -> AddKernel,
    weights: &'a Weights,
    /// Which axis of the weights counts the output channels of one group, and the channels themselves.
    axis: usize,
    maps: usize,
    bias: Option<&'a Weights>,
    geometry: &'a Geometry,
}

impl TrtNetwork<'_> {
    /// Weights that INT8 layers of strongly typed networks read: a scale for each length of `axis`, from the weights.
    fn quantised_kernel(&mut self, node: &str, kernel: &Weights, axis: usize) -> Built {
        let inner: usize = kernel.shape[axis + 1..].iter().product();
        let mut largest = vec![0.0f32; kernel.shape[axis]];
        for (at, value) in kernel.values().iter().enumerate() {
            let channel = &mut largest[at / inner % kernel.shape[axis]];
            *channel = channel.max(value.abs());
        }
        // A channel of zeros has any scale.
        let scale = |most: &f32| {
            if *most > 0.0 {
                most / Ranges::STEPS
            } else {
                1.0
            }
        };
        let scales: Vec<f32> = largest.iter().map(scale).collect();
        let blob = self.float_blob(&scales);
        let scale = self.constant_of(node, &[scales.len()], blob)?;
        let kernel = self.constant_layer(node, kernel)?;
        self.quantised(node, kernel, scale, axis as i32)
    }

    fn kernel(&mut self, node: &str, x: Value, layer: Kernel<'_>) -> Built {
        let Kernel {
            call,
            add,
            weights,
            axis,
            maps,
            bias,
            geometry,
        } = layer;
        let window = window(&weights.shape[2..], geometry)?;
        let quantised = match self.quantises(node) {
            true => Some(self.quantised_kernel(node, weights, axis)?),
            false => None,
        };
        let kernel = self.optional_blob(quantised.is_none().then_some(weights));
        let bias = self.optional_blob(bias);
        let (x, maps, groups) = (self.pointer(x), maps as i64, geometry.groups as i64);
        // SAFETY: network and tensor live, and the constants are kept until it is built.
        let layer = self.layer(call, node, |table, net| unsafe {
            add(table)(net, x, maps, &window, groups, &kernel, &bias)
        })?;
        if let Some(kernel) = quantised {
            let kernel = self.pointer(kernel);
            // SAFETY: layer and tensor live; input 1 is the kernel.
            self.library.status("setInput", |table| unsafe {
                (table.layer_input)(layer, 1, kernel)
            })?;
        }
        let output = self.output_of(layer)?;
        Ok(self.value(output))
    }

    fn binary(&mut self, node: &str, kind: i32, a: Value, b: Value) -> Built {
        let (a, b) = (self.pointer(a), self.pointer(b));
        // SAFETY: network and tensors live.
        self.add("addElementWise", node, |table, net| unsafe {
            (table.add_elementwise)(net, a, b, kind)
        })
    }

    /// Whether a node's weights are rounded by layers of their own.
    fn quantises(&self, node: &str) -> bool {
        self.typing == Typing::Strong && self.types.is_int8(node)
    }

    fn with_constant(&mut self, node: &str, kind: i32, x: Value, constant: &Weights) -> Built {
        let constant = self.constant_layer(node, constant)?;
        self.binary(node, kind, x, constant)
    }

    fn multiply(&mut self, node: &str, [a, b]: [Value; 2], turn: [bool; 2]) -> Built {
        let (a, b) = (self.pointer(a), self.pointer(b));
        let [turn_a, turn_b] = turn.map(i32::from);
        // SAFETY: network and tensors live.
        self.add("addMatrixMultiply", node, |table, net| unsafe {
            (table.add_matrix_multiply)(net, a, turn_a, b, turn_b)
        })
    }

    /// Elements `start + i * step` of every axis; what lies outside is `fill`.
    fn strided(
        &mut self,
        node: &str,
        x: Value,
        [start, size, step]: [Shape; 3],
        fill: Option<f32>,
    ) -> Built {
        let fill = match fill {
            Some(value) => {
                let constant = self.constant_layer(node, &Weights::from_values(&[], &[value]))?;
                self.pointer(constant)
            }
            None => std::ptr::null_mut(),
        };
        let x = self.pointer(x);
        // SAFETY: network and tensors live; the shim takes a null `fill` as none.
        self.add("addSlice", node, |table, net| unsafe {
            (table.add_slice)(net, x, &start, &size, &step, fill)
        })
    }

    /// TensorRT's windows have no holes, so each place in the window is a slice, and the largest of them is the result.
    fn dilated_max(&mut self, node: &str, x: Value, layer: &Pooling) -> Built {
        let Geometry {
            stride,
            before,
            after,
            dilation,
            ..
        } = &layer.geometry;
        let with_ends = |first: usize, maps: &[usize]| [&[first, first], maps].concat();
        let x = match layer.geometry.has_padding() {
            false => x,
            true => self.padding(
                node,
                x,
                &Pad {
                    before: with_ends(0, before),
                    after: with_ends(0, after),
                    value: f32::MIN,
                },
            )?,
        };
        let padded = self.shape(x);
        let outputs = (0..stride.len()).map(|i| {
            let reach = (layer.window[i] - 1) * dilation[i] + 1;
            (padded[2 + i] - reach) / stride[i] + 1
        });
        let size = [&padded[..2], &outputs.collect::<Vec<_>>()].concat();
        let (size, step) = (dims(&size)?, dims(&with_ends(1, stride))?);
        let mut largest = None;
        for place in 0..layer.window.iter().product() {
            let at = offsets(place, &layer.window, dilation);
            let part = self.strided(node, x, [dims(&with_ends(0, &at))?, size, step], None)?;
            largest = Some(match largest {
                Some(others) => self.binary(node, code::MAX, others, part)?,
                None => part,
            });
        }
        largest.ok_or_else(|| BuildError("a window without elements".into()))
    }
}

/// Where the element number `place` of a window lies, last axis fastest.
fn offsets(place: usize, window: &[usize], dilation: &[usize]) -> Vec<usize> {
    let mut rest = place;
    let mut at: Vec<usize> = window
        .iter()
        .zip(dilation)
        .rev()
        .map(|(length, dilation)| {
            let index = rest % length;
            rest /= length;
            index * dilation
        })
        .collect();
    at.reverse();
    at
}

impl NetworkBuilder for TrtNetwork<'_> {
    fn input(&mut self, name: &str, shape: &[usize]) -> Built {
        self.input_tensor(name, shape)
    }

    fn constant(&mut self, name: &str, value: &Weights) -> Built {
        let value = self.constant_layer(name, value)?;
        self.take(value);
        Ok(value)
    }

    fn convolution(&mut self, name: &str, x: Value, layer: &Convolution) -> Built {
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

    fn deconvolution(&mut self, name: &str, x: Value, layer: &Deconvolution) -> Built {
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

    fn fully_connected(&mut self, name: &str, x: Value, layer: &FullyConnected) -> Built {
        let kernel = match self.quantises(name) {
            true => self.quantised_kernel(name, &layer.kernel, 0)?,
            false => self.constant_layer(name, &layer.kernel)?,
        };
        let products = self.multiply(name, [x, kernel], [false, true])?;
        match &layer.bias {
            Some(bias) => self.with_constant(name, code::SUM, products, &bias.along(1, 2)),
            None => Ok(products),
        }
    }

    fn matrix_multiply_transposed(&mut self, name: &str, a: Value, b: Value) -> Built {
        self.multiply(name, [a, b], [false, true])
    }

    fn matrix_multiply(&mut self, name: &str, a: Value, b: Value, layer: &MatrixMultiply) -> Built {
        self.multiply(name, [a, b], [layer.transpose_a, layer.transpose_b])
    }

    /// A scale layer needs a map; for other ranks the parts are layers of their own.
    fn scale(&mut self, name: &str, x: Value, layer: &Scale) -> Built {
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

    fn activation(&mut self, name: &str, x: Value, activation: Activation) -> Built {
        let (x, (function, alpha, beta)) = (self.pointer(x), function(activation));
        // SAFETY: network and tensor live.
        self.add("addActivation", name, |table, net| unsafe {
            (table.add_activation)(net, x, function, alpha, beta)
        })
    }

    fn unary(&mut self, name: &str, x: Value, kind: UnaryKind) -> Built {
        let (x, kind) = (self.pointer(x), unary(kind));
        // SAFETY: network and tensor live.
        self.add("addUnary", name, |table, net| unsafe {
            (table.add_unary)(net, x, kind)
        })
    }

    fn parametric_relu(&mut self, name: &str, x: Value, slope: &Weights) -> Built {
        let slope = self.constant_layer(name, slope)?;
        let (x, slope) = (self.pointer(x), self.pointer(slope));
        // SAFETY: network and tensors live.
        self.add("addParametricReLU", name, |table, net| unsafe {
            (table.add_parametric_relu)(net, x, slope)
        })
    }

    fn elementwise(&mut self, name: &str, kind: BinaryKind, a: Value, b: Value) -> Built {
        self.binary(name, elementwise(kind), a, b)
    }

    fn pooling(&mut self, name: &str, x: Value, layer: &Pooling) -> Built {
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

    fn resize(&mut self, name: &str, x: Value, layer: &Resize) -> Built {
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

    fn padding(&mut self, name: &str, x: Value, layer: &Pad) -> Built {
        let shape = self.shape(x);
        let lengths = shape.iter().zip(layer.before.iter().zip(&layer.after));
        let padded: Vec<usize> = lengths.map(|(length, (b, a))| b + length + a).collect();
        let mut start = dims(&layer.before)?;
        start.at.iter_mut().for_each(|before| *before = -*before);
        let step = dims(&vec![1; shape.len()])?;
        self.strided(name, x, [start, dims(&padded)?, step], Some(layer.value))
    }

    fn lrn(&mut self, name: &str, x: Value, layer: &Lrn) -> Built {
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

    fn reduce(&mut self, name: &str, x: Value, layer: &Reduction) -> Built {
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

    fn shuffle(&mut self, name: &str, x: Value, layer: &Shuffle) -> Built {
        let x = self.pointer(x);
        let optional = |part: &Option<Vec<usize>>| part.as_deref().map(dims).transpose();
        let (order, shape) = (optional(&layer.permutation)?, optional(&layer.shape)?);
        let pointer = |part: &Option<Shape>| {
            part.as_ref()
                .map_or(std::ptr::null(), |s| s as *const Shape)
        };
        // SAFETY: network and tensor live; the shim takes null as absent.
        self.add("addShuffle", name, |table, net| unsafe {
            (table.add_shuffle)(net, x, pointer(&order), pointer(&shape))
        })
    }

    fn slice(&mut self, name: &str, x: Value, layer: &Slice) -> Built {
        let (mut start, mut step) = (vec![0; layer.shape.len()], vec![1; layer.shape.len()]);
        for range in &layer.ranges {
            start[range.axis] = range.start;
            step[range.axis] = range.step;
        }
        let places = [dims(&start)?, dims(&layer.shape)?, dims(&step)?];
        self.strided(name, x, places, None)
    }

    fn concatenation(&mut self, name: &str, xs: &[Value], axis: usize) -> Built {
        let tensors: Vec<*mut sys::Tensor> = xs.iter().map(|x| self.pointer(*x)).collect();
        // SAFETY: network and tensors live; TensorRT copies the list.
        self.add("addConcatenation", name, |table, net| unsafe {
            (table.add_concatenation)(net, tensors.as_ptr(), tensors.len() as i32, axis as i32)
        })
    }

    fn softmax(&mut self, name: &str, x: Value, axis: usize) -> Built {
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
