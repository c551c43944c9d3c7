//! Layers that others are made of: kernels, constants beside an operand, slices.

use super::codes::{code, window};
use super::network::{TrtNetwork, Typing, dims};
use super::sys::{self, Blob, Shape, Window};
use crate::engine::Ranges;
use crate::graph::Pad;
use crate::lower::{BuildError, Geometry, LayerResult, NetworkBuilder, Pooling, Value, Weights};

/// `addConvolutionNd` or `addDeconvolutionNd`.
pub(super) type AddKernel = unsafe extern "C" fn(
    *mut sys::Network,
    *mut sys::Tensor,
    i64,
    *const Window,
    i64,
    *const Blob,
    *const Blob,
) -> *mut sys::Layer;

/// A layer that slides a kernel over a map.
pub(super) struct Kernel<'a> {
    pub call: &'static str,
    pub add: fn(&sys::Table) -> AddKernel,
    pub weights: &'a Weights,
    /// Which axis of the weights counts the output channels of one group, and the channels themselves.
    pub axis: usize,
    pub maps: usize,
    pub bias: Option<&'a Weights>,
    pub geometry: &'a Geometry,
}

impl TrtNetwork<'_> {
    /// Weights that INT8 layers of strongly typed networks read: a scale for each length of `axis`, from the weights.
    pub(super) fn quantised_kernel(&mut self, node: &str, kernel: &Weights, axis: usize) -> LayerResult {
        let inner: usize = kernel.shape[axis + 1..].iter().product();
        let mut largest = vec![0.0f32; kernel.shape[axis]];
        for (at, value) in kernel.values().iter().enumerate() {
            let channel = &mut largest[at / inner % kernel.shape[axis]];
            *channel = channel.max(value.abs());
        }
        // A channel of zeros has any scale.
        let scale = |most: &f32| {
            if *most > 0.0 { most / Ranges::STEPS } else { 1.0 }
        };
        let scales: Vec<f32> = largest.iter().map(scale).collect();
        let blob = self.float_blob(&scales);
        let scale = self.constant_of(node, &[scales.len()], blob)?;
        let kernel = self.constant_layer(node, kernel)?;
        self.quantised(node, kernel, scale, axis as i32)
    }

    pub(super) fn kernel(&mut self, node: &str, x: Value, layer: Kernel<'_>) -> LayerResult {
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
        let quantised = if self.quantises(node) {
            Some(self.quantised_kernel(node, weights, axis)?)
        } else {
            None
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

    pub(super) fn binary(&mut self, node: &str, kind: i32, a: Value, b: Value) -> LayerResult {
        let (a, b) = (self.pointer(a), self.pointer(b));
        // SAFETY: network and tensors live.
        self.add("addElementWise", node, |table, net| unsafe {
            (table.add_elementwise)(net, a, b, kind)
        })
    }

    /// Whether a node's weights are rounded by layers of their own.
    pub(super) fn quantises(&self, node: &str) -> bool {
        self.typing == Typing::Strong && self.types.is_int8(node)
    }

    pub(super) fn with_constant(
        &mut self,
        node: &str,
        kind: i32,
        x: Value,
        constant: &Weights,
    ) -> LayerResult {
        let constant = self.constant_layer(node, constant)?;
        self.binary(node, kind, x, constant)
    }

    pub(super) fn multiply(&mut self, node: &str, [a, b]: [Value; 2], turn: [bool; 2]) -> LayerResult {
        let (a, b) = (self.pointer(a), self.pointer(b));
        let [turn_a, turn_b] = turn.map(i32::from);
        // SAFETY: network and tensors live.
        self.add("addMatrixMultiply", node, |table, net| unsafe {
            (table.add_matrix_multiply)(net, a, turn_a, b, turn_b)
        })
    }

    /// Elements `start + i * step` of every axis; what lies outside is `fill`.
    pub(super) fn strided(
        &mut self,
        node: &str,
        x: Value,
        [start, size, step]: [Shape; 3],
        fill: Option<f32>,
    ) -> LayerResult {
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

    /// TensorRT's windows have no holes, so each place in the window is a slice, and the largest of them is the result:
    /// along one axis after the other, since a maximum over rows and columns is one over the rows' maxima.
    pub(super) fn dilated_max(&mut self, node: &str, x: Value, layer: &Pooling) -> LayerResult {
        let places: usize = layer.window.iter().sum();
        if places > MOST_PLACES {
            let window = &layer.window;
            return Err(BuildError(format!(
                "a dilated maximum over a window of {window:?} would be {places} slices, and at most {MOST_PLACES} are built"
            )));
        }
        let mut x = self.padded_for_maximum(node, x, &layer.geometry)?;
        for axis in 0..layer.window.len() {
            x = self.dilated_max_along(node, x, layer, axis)?;
        }
        Ok(x)
    }

    fn padded_for_maximum(&mut self, node: &str, x: Value, geometry: &Geometry) -> LayerResult {
        if !geometry.has_padding() {
            return Ok(x);
        }
        let pad = Pad {
            before: [&[0, 0], &geometry.before[..]].concat(),
            after: [&[0, 0], &geometry.after[..]].concat(),
            value: f32::MIN,
        };
        self.padding(node, x, &pad)
    }

    fn dilated_max_along(&mut self, node: &str, x: Value, layer: &Pooling, axis: usize) -> LayerResult {
        let Geometry { stride, dilation, .. } = &layer.geometry;
        let (window, stride, dilation) = (layer.window[axis], stride[axis], dilation[axis]);
        if window == 1 && stride == 1 {
            return Ok(x);
        }
        let mut size = self.shape(x).to_vec();
        let reach = (window - 1) * dilation + 1;
        size[2 + axis] = (size[2 + axis] - reach) / stride + 1;
        let along = |value: usize, others: usize| {
            let mut all = vec![others; size.len()];
            all[2 + axis] = value;
            dims(&all)
        };
        let (out, step) = (dims(&size)?, along(stride, 1)?);
        let mut largest = None;
        for place in 0..window {
            let part = self.strided(node, x, [along(place * dilation, 0)?, out, step], None)?;
            largest = Some(match largest {
                Some(others) => self.binary(node, code::MAX, others, part)?,
                None => part,
            });
        }
        largest.ok_or_else(|| BuildError("a window without elements".into()))
    }
}

/// Slices that one dilated maximum may become: more of them take TensorRT minutes.
const MOST_PLACES: usize = 512;
