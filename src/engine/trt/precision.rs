//! Ranges, precisions and roundings: what a network is told about each tensor of the graph.

use std::ops::Range;

use super::network::{FLOAT, HALF, InferredTensor, TrtNetwork, Typing};
use super::sys;
use crate::engine::Ranges;
use crate::lower::{BuildError, LayerResult, Value};

impl TrtNetwork<'_> {
    /// Layers since the last call compute the graph's tensor `name`: note what TensorRT makes of its shape, and give it its
    /// range or precision.
    pub(super) fn completed(&mut self, name: &str, x: Value) -> Result<(), BuildError> {
        self.inferred.push(InferredTensor {
            tensor: name.to_string(),
            shape: self.shape(x),
        });
        let added = self.complete..self.layers.len();
        self.complete = self.layers.len();
        match self.typing {
            Typing::Weak => {
                self.keep_half(added)?;
                let range = self.types.range(name);
                range.map_or(Ok(()), |max| self.range(self.pointer(x), max))
            }
            // What is not quantised is computed in float32.
            Typing::Strong => match self.types.kept(name) {
                Some(max) => self.requantised(name, x, max),
                None => Ok(()),
            },
        }
    }

    fn keep_half(&mut self, added: Range<usize>) -> Result<(), BuildError> {
        let layers = self.layers[added].iter();
        for added in layers.filter(|added| self.types.is_half(&added.node)) {
            // SAFETY: the layer lives.
            self.library.status("setPrecision", |table| unsafe {
                (table.layer_precision)(added.layer, HALF)
            })?;
        }
        Ok(())
    }

    fn range(&self, tensor: *mut sys::Tensor, max: f32) -> Result<(), BuildError> {
        // SAFETY: the tensor lives.
        let set = self.library.status("setDynamicRange", |table| unsafe {
            (table.tensor_range)(tensor, -max, max)
        });
        Ok(set?)
    }

    /// Where types are strong, INT8 is said by quantising and dequantising what a layer gives.
    fn requantised(&mut self, name: &str, x: Value, max: f32) -> Result<(), BuildError> {
        let scale = self.float_blob(&[max / Ranges::STEPS]);
        let scale = self.constant_of(name, &[], scale)?;
        let rounded = self.quantised(name, x, scale, -1)?;
        self.values[x.0 as usize] = self.pointer(rounded);
        self.complete = self.layers.len();
        Ok(())
    }

    pub(super) fn quantised(&mut self, node: &str, x: Value, scale: Value, axis: i32) -> LayerResult {
        let (x, scale) = (self.pointer(x), self.pointer(scale));
        // SAFETY: network and tensors live.
        let steps = self.add("addQuantize", node, |table, net| unsafe {
            (table.add_quantize)(net, x, scale, axis)
        })?;
        let steps = self.pointer(steps);
        // SAFETY: as above.
        self.add("addDequantize", node, |table, net| unsafe {
            (table.add_dequantize)(net, steps, scale, axis, FLOAT)
        })
    }
}
