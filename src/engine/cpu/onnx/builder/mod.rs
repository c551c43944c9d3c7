//! ONNX nodes and what they need: names, values, constants. Weights stay shared until the model is serialised.

mod layers;

use std::collections::HashMap;
use std::sync::Arc;

use prost::bytes::Bytes;

use super::proto::{self, Attribute};
use crate::graph::Rounding;
use crate::lower::{Geometry, Resize, Value, Weights};

/// Opset 17 is the last in which reductions take their axes as an attribute; ONNX Runtime has it since 1.12.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

#[derive(Default)]
pub(super) struct OnnxBuilder {
    graph: proto::Graph,
    values: Vec<NamedValue>,
    /// How often a name was asked for.
    names: HashMap<String, usize>,
    layers: Vec<Layers>,
}

/// The nodes that compute one tensor of the network, and the name of its value.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    pub tensor: String,
    pub value: String,
    pub nodes: std::ops::Range<usize>,
}

/// A value's name, and whether that name may still become an output's.
struct NamedValue {
    name: String,
    computed: bool,
}

/// Weight bytes that stay where the graph holds them.
struct SharedBytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl OnnxBuilder {
    /// The model, and which of its nodes compute which tensor of the network.
    pub fn finish(mut self, name: &str) -> (proto::Model, Vec<Layers>) {
        // A graph without a name is refused by ONNX's checker.
        self.graph.name = match name {
            "" => "network".into(),
            name => name.into(),
        };
        let model = proto::Model {
            ir_version: IR_VERSION,
            producer_name: env!("CARGO_PKG_NAME").into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(self.graph),
            opset_import: vec![proto::OperatorSet {
                domain: String::new(),
                version: OPSET,
            }],
        };
        (model, self.layers)
    }

    /// `name`, or `name_2`, `name_3` ... where it is taken.
    fn unique(&mut self, name: &str) -> String {
        let count = self.names.entry(name.to_string()).or_default();
        *count += 1;
        match (*count, name) {
            (1, name) if !name.is_empty() => name.to_string(),
            (count, name) => {
                let numbered = format!("{name}_{count}");
                self.unique(&numbered)
            }
        }
    }

    fn value(&mut self, name: String, computed: bool) -> Value {
        self.values.push(NamedValue { name, computed });
        Value(self.values.len() as u32 - 1)
    }

    fn name(&self, value: Value) -> String {
        self.values[value.0 as usize].name.clone()
    }

    fn tensor(&mut self, name: &str, shape: &[usize], data_type: i32, data: Bytes) -> String {
        let name = self.unique(name);
        self.graph.initializer.push(proto::Tensor {
            dims: shape.iter().map(|d| *d as i64).collect(),
            data_type,
            name: name.clone(),
            raw_data: data,
        });
        name
    }

    fn weights(&mut self, name: &str, weights: &Weights) -> String {
        let data = Bytes::from_owner(SharedBytes(weights.data.clone()));
        self.tensor(name, &weights.shape, proto::FLOAT, data)
    }

    fn scalar(&mut self, name: &str, value: f32) -> String {
        let data = Bytes::copy_from_slice(&value.to_le_bytes());
        self.tensor(name, &[], proto::FLOAT, data)
    }

    fn integers(&mut self, name: &str, values: &[usize]) -> String {
        let bytes: Vec<u8> = values.iter().flat_map(|v| (*v as i64).to_le_bytes()).collect();
        self.tensor(name, &[values.len()], proto::INT64, bytes.into())
    }

    fn node(&mut self, op_type: &str, name: &str, input: Vec<String>, attribute: Vec<Attribute>) -> Value {
        let output = self.unique(name);
        self.graph.node.push(proto::Node {
            input,
            output: vec![output.clone()],
            name: output.clone(),
            op_type: op_type.into(),
            attribute,
            domain: String::new(),
        });
        self.value(output, true)
    }

    fn normalisation(&mut self, name: &str, x: Value, scale: &Weights, shift: &Weights) -> Value {
        let channels: usize = scale.shape.iter().product();
        let fixed = |value: f32| Weights::from_values(&[channels], &vec![value; channels]);
        let operands = [
            ("scale", scale.reshaped(vec![channels])),
            ("shift", shift.reshaped(vec![channels])),
            ("mean", fixed(0.0)),
            ("variance", fixed(1.0)),
        ];
        let mut inputs = vec![self.name(x)];
        for (suffix, weights) in operands {
            inputs.push(self.weights(&format!("{name}.{suffix}"), &weights));
        }
        let epsilon = Attribute::float("epsilon", 0.0);
        self.node("BatchNormalization", name, inputs, vec![epsilon])
    }

    fn windowed(
        &mut self,
        op: &str,
        name: &str,
        x: Value,
        (kernel, bias): (&Weights, Option<&Weights>),
        geometry: &Geometry,
    ) -> Value {
        let mut inputs = vec![self.name(x)];
        inputs.push(self.weights(&format!("{name}.kernel"), kernel));
        if let Some(bias) = bias {
            inputs.push(self.weights(&format!("{name}.bias"), bias));
        }
        let mut attributes = windowed(&kernel.shape[2..], geometry);
        attributes.push(Attribute::int("group", geometry.groups));
        self.node(op, name, inputs, attributes)
    }

    fn gathered(&mut self, name: &str, x: Value, layer: &Resize, rounding: Rounding) -> Value {
        (2..4).fold(x, |x, axis| {
            let (input, output) = (layer.input[axis], layer.shape[axis]);
            let position = |i| {
                let near = rounding.apply(layer.resize.source(i, input, output));
                near.clamp(0.0, input as f64 - 1.0) as usize
            };
            let positions: Vec<usize> = (0..output).map(position).collect();
            let positions = self.integers(&format!("{name}.positions"), &positions);
            let inputs = vec![self.name(x), positions];
            self.node("Gather", name, inputs, vec![Attribute::int("axis", axis)])
        })
    }

    /// `x` with its last two of three axes swapped.
    fn transposed(&mut self, name: &str, x: Value) -> Value {
        let inputs = vec![self.name(x)];
        let permutation = Attribute::ints("perm", &[0, 2, 1]);
        self.node("Transpose", name, inputs, vec![permutation])
    }

    fn with_constant(&mut self, op: &str, name: &str, x: Value, constant: &Weights) -> Value {
        let constant = self.weights(&format!("{name}.constant"), constant);
        let inputs = vec![self.name(x), constant];
        self.node(op, name, inputs, vec![])
    }
}

/// Strides, paddings, dilations: what windowed operators have in common.
fn windowed(window: &[usize], geometry: &Geometry) -> Vec<Attribute> {
    let pads = [&geometry.before[..], &geometry.after[..]].concat();
    vec![
        Attribute::ints("kernel_shape", window),
        Attribute::ints("strides", &geometry.stride),
        Attribute::ints("pads", &pads),
        Attribute::ints("dilations", &geometry.dilation),
    ]
}
