//! A network under construction: what every layer goes through, whatever it computes.

use std::collections::HashSet;
use std::ffi::CString;
use std::sync::Arc;

use super::constants::{CONSTANT, Constants};
use super::error::TrtError;
use super::handle::Owned;
use super::library::Library;
use super::ports::Ports;
use super::sys::{self, Shape};
use super::types::Types;
use crate::engine::Precision;
use crate::lower::{BuildError, LayerResult, Value};

/// TensorRT's numbers of element types.
pub(super) const FLOAT: i32 = 0;
pub(super) const HALF: i32 = 1;

/// How a network gets its types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typing {
    /// Float32 layers, which TensorRT computes in what its flags and ranges allow (8.x and 10.x).
    Weak,
    /// Every tensor has the type that its layer's inputs have (TensorRT-RTX and 11).
    Strong,
}

/// A layer with the node it belongs to.
pub(super) struct Added {
    pub node: String,
    pub layer: *mut sys::Layer,
    /// It computes nothing.
    pub constant: bool,
}

/// What became of one tensor of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InferredTensor {
    pub tensor: String,
    pub shape: Vec<usize>,
}

pub(super) struct TrtNetwork<'a> {
    pub(super) library: &'static Library,
    pub(super) network: &'a Owned<sys::Network>,
    pub(super) typing: Typing,
    pub(super) types: &'a Types,
    pub(super) ports: &'a Ports,
    /// Whether a DLA is to run the layers.
    pub(super) on_dla: bool,
    /// Inputs and outputs so far: what an output may not be once more.
    pub(super) taken: HashSet<*mut sys::Tensor>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) values: Vec<*mut sys::Tensor>,
    /// TensorRT reads constants until the engine is built.
    pub(super) constants: Vec<Arc<Vec<u8>>>,
    pub(super) layers: Vec<Added>,
    pub(super) inferred: Vec<InferredTensor>,
    /// How many layers there were when the last tensor of the graph was complete.
    pub(super) complete: usize,
    /// What [`Self::completed`] met; lowering only hears of it at its end.
    pub(super) failure: Option<BuildError>,
}

/// What lowering leaves behind.
pub(super) struct LoweredNetwork {
    pub layers: Vec<Added>,
    pub inferred: Vec<InferredTensor>,
    /// TensorRT reads them until the engine is built.
    pub _constants: Constants,
}

pub(super) fn dims(lengths: &[usize]) -> Result<Shape, BuildError> {
    let mut shape = Shape {
        rank: lengths.len() as i32,
        at: [0; 8],
    };
    if lengths.len() > shape.at.len() {
        return Err(BuildError(format!(
            "TensorRT has at most 8 dimensions, and {lengths:?} has {}",
            lengths.len()
        )));
    }
    for (to, length) in shape.at.iter_mut().zip(lengths) {
        *to = i64::try_from(*length)
            .ok()
            .filter(|length| i32::try_from(*length).is_ok())
            .ok_or_else(|| BuildError(format!("{length} is beyond TensorRT's lengths")))?;
    }
    Ok(shape)
}

fn lengths(shape: &Shape) -> Vec<usize> {
    let used = usize::try_from(shape.rank).unwrap_or(0).min(shape.at.len());
    let lengths = shape.at[..used].iter();
    lengths
        .map(|length| usize::try_from(*length).unwrap_or(usize::MAX))
        .collect()
}

impl From<TrtError> for BuildError {
    fn from(error: TrtError) -> BuildError {
        BuildError(error.to_string())
    }
}

impl<'a> TrtNetwork<'a> {
    pub fn new(
        library: &'static Library,
        network: &'a Owned<sys::Network>,
        typing: Typing,
        types: &'a Types,
        ports: &'a Ports,
        on_dla: bool,
    ) -> TrtNetwork<'a> {
        TrtNetwork {
            library,
            network,
            typing,
            types,
            ports,
            on_dla,
            taken: HashSet::new(),
            inputs: 0,
            outputs: 0,
            failure: None,
            values: Vec::new(),
            constants: Vec::new(),
            layers: Vec::new(),
            inferred: Vec::new(),
            complete: 0,
        }
    }

    /// # Errors
    /// A tensor that TensorRT gave no range or precision.
    pub fn finish(self) -> Result<LoweredNetwork, BuildError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        Ok(LoweredNetwork {
            layers: self.layers,
            inferred: self.inferred,
            _constants: Constants(self.constants),
        })
    }

    pub(super) fn net(&self) -> *mut sys::Network {
        self.network.as_ptr()
    }

    pub(super) fn pointer(&self, value: Value) -> *mut sys::Tensor {
        self.values[value.0 as usize]
    }

    /// A constant cannot be an output as it is.
    pub(super) fn take(&mut self, value: Value) {
        self.taken.insert(self.pointer(value));
    }

    pub(super) fn value(&mut self, tensor: *mut sys::Tensor) -> Value {
        self.values.push(tensor);
        Value(self.values.len() as u32 - 1)
    }

    pub(super) fn shape(&self, value: Value) -> Vec<usize> {
        self.shape_of(self.pointer(value))
    }

    fn shape_of(&self, tensor: *mut sys::Tensor) -> Vec<usize> {
        // SAFETY: the tensor belongs to this network, which lives.
        lengths(&unsafe { (self.library.table.tensor_shape)(tensor) })
    }

    /// Whether strongly typed layers compute in FP16. INT8 networks compute in float32 what they do not quantise.
    pub(super) fn halves(&self) -> bool {
        self.typing == Typing::Strong && self.types.precision == Precision::F16
    }

    /// Adds a layer and names it after its node; several layers of one node are numbered.
    pub(super) fn layer(
        &mut self,
        call: &'static str,
        node: &str,
        make: impl FnOnce(&sys::Table, *mut sys::Network) -> *mut sys::Layer,
    ) -> Result<*mut sys::Layer, BuildError> {
        let net = self.net();
        let layer = self.library.object(call, |table| make(table, net))?.as_ptr();
        let count = self.layers.iter().filter(|added| added.node == node).count();
        // TensorRT takes no empty name.
        let base = if node.is_empty() { "unnamed" } else { node };
        let name = match count {
            0 => text(base),
            count => text(&format!("{base}.{count}")),
        };
        // SAFETY: the layer lives, and TensorRT copies the name.
        unsafe { (self.library.table.layer_name)(layer, name.as_ptr()) };
        self.layers.push(Added {
            node: node.to_string(),
            layer,
            constant: call == CONSTANT,
        });
        Ok(layer)
    }

    /// [`Self::layer`], and its output as a value.
    pub(super) fn add(
        &mut self,
        call: &'static str,
        node: &str,
        make: impl FnOnce(&sys::Table, *mut sys::Network) -> *mut sys::Layer,
    ) -> LayerResult {
        let layer = self.layer(call, node, make)?;
        let output = self.output_of(layer)?;
        Ok(self.value(output))
    }

    pub(super) fn output_of(&self, layer: *mut sys::Layer) -> Result<*mut sys::Tensor, BuildError> {
        // SAFETY: the layer lives and every layer has an output.
        let output = self
            .library
            .object("getOutput", |table| unsafe { (table.layer_output)(layer) })?;
        Ok(output.as_ptr())
    }

    pub(super) fn cast(&mut self, node: &str, x: Value, kind: i32) -> LayerResult {
        let x = self.pointer(x);
        // SAFETY: network and tensor live.
        self.add("addCast", node, |table, net| unsafe {
            (table.add_cast)(net, x, kind)
        })
    }
}

/// A name as C reads it: what follows a zero would be lost anyway.
pub(super) fn text(name: &str) -> CString {
    let name: Vec<u8> = name.bytes().take_while(|byte| *byte != 0).collect();
    CString::new(name).unwrap_or_default()
}
