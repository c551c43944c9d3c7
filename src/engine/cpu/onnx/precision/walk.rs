//! One pass over a model's nodes, in which every value gets the forms its readers want.

use std::collections::HashMap;

use super::emit::Emit;
use super::forms::{Forms, Sums};
use super::integer;
use super::{ModelError, Rewritten, Rule, half};
use crate::engine::cpu::onnx::builder::Layers;
use crate::engine::cpu::onnx::proto;
use crate::engine::precision::Format;
use crate::lower::BuildError;

/// What moves values and computes none, so that its output needs no rounding.
const MOVING: [&str; 12] = [
    "Concat",
    "Expand",
    "Flatten",
    "Gather",
    "GlobalMaxPool",
    "Identity",
    "MaxPool",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

pub(super) struct Walk {
    emit: Emit,
    nodes: Vec<proto::Node>,
    rules: HashMap<String, Rule>,
    /// By the value's name in the model as built.
    forms: HashMap<String, Forms>,
}

impl Walk {
    pub fn new(graph: proto::Graph, rules: HashMap<String, Rule>) -> Walk {
        let (emit, nodes) = Emit::new(graph);
        Walk {
            emit,
            nodes,
            rules,
            forms: HashMap::new(),
        }
    }

    pub fn run(mut self, layers: &[Layers]) -> Result<proto::Graph, ModelError> {
        for layer in layers {
            let done = self.layer(layer);
            done.map_err(|e| ModelError::at(&layer.tensor, e))?;
        }
        // What follows the last layer only gives outputs their names.
        let done = layers.last().map_or(0, |layer| layer.nodes.end);
        for node in self.nodes.split_off(done) {
            let named = self.float(&node);
            let named = named.map_err(|e| ModelError::at(&node.output[0], e))?;
            self.forms.insert(node.output[0].clone(), named);
        }
        for output in self.emit.outputs() {
            let named = self.output(&output);
            named.map_err(|e| ModelError::at(&output, e))?;
        }
        Ok(self.emit.finish())
    }

    fn layer(&mut self, layer: &Layers) -> Rewritten<()> {
        let rule = self.rules.get(&layer.tensor).copied();
        let Some(rule) = rule.filter(|_| !layer.nodes.is_empty()) else {
            let scale = rule.and_then(|rule| rule.scale);
            let forms = Forms::real(layer.value.clone(), scale);
            self.forms.insert(layer.value.clone(), forms);
            return Ok(());
        };
        let last = layer.nodes.end - 1;
        for at in layer.nodes.clone() {
            let node = self.nodes[at].clone();
            let ends = at == last;
            let mut forms = match rule.format {
                Format::F32 => self.float(&node)?,
                Format::F16(_) => self.half(&node, ends && !rule.stored)?,
                Format::Int8 => self.int8(&node, ends, rule)?,
            };
            if ends {
                forms.scale = rule.scale.filter(|_| rule.stored);
            }
            self.forms.insert(node.output[0].clone(), forms);
        }
        Ok(())
    }

    fn float(&mut self, node: &proto::Node) -> Rewritten<Forms> {
        let inputs = self.inputs(node, Walk::real)?;
        Ok(Forms::real(self.again(node, inputs), None))
    }

    /// `inside` a layer nothing is rounded.
    fn half(&mut self, node: &proto::Node, inside: bool) -> Rewritten<Forms> {
        let mut inputs = self.inputs(node, Walk::in_half)?;
        for input in &mut inputs {
            *input = half::weights(&mut self.emit, input)?;
        }
        let moves = MOVING.contains(&node.op_type.as_str());
        let result = self.again(node, inputs);
        Ok(if inside || moves {
            Forms::half(result)
        } else {
            Forms::half(half::rounded(&mut self.emit, &result))
        })
    }

    fn int8(&mut self, node: &proto::Node, ends: bool, rule: Rule) -> Rewritten<Forms> {
        if let Some(sums) = self.sums(node, rule)? {
            return Ok(match (ends && !rule.stored, rule.scale) {
                (false, Some(step)) => integer::store(&mut self.emit, &sums, step),
                _ => Forms {
                    sums: Some(sums),
                    ..Forms::default()
                },
            });
        }
        let inputs = self.inputs(node, Walk::snapped)?;
        let grid = self.grid(node);
        let result = self.again(node, inputs);
        match (grid, rule.scale.filter(|_| ends && rule.stored)) {
            (Some(step), scale) if scale.is_none_or(|scale| scale == step) => Ok(Forms {
                grid: Some(step),
                ..Forms::real(result, None)
            }),
            (_, Some(step)) => Ok(Forms {
                bytes: Some((integer::bytes(&mut self.emit, &result, step), step)),
                ..Forms::default()
            }),
            (_, None) => Ok(Forms::real(result, None)),
        }
    }

    /// The node's integer sums, when it has a kernel or continues sums.
    fn sums(&mut self, node: &proto::Node, rule: Rule) -> Rewritten<Option<Sums>> {
        let first = self.forms.get(&node.input[0]);
        let pending = first.and_then(|forms| forms.sums.clone());
        if let Some(sums) = pending.filter(|_| integer::on_sums(node)) {
            return integer::activate(&mut self.emit, node, sums).map(Some);
        }
        let step = first.and_then(Forms::step);
        let kernel = rule.kernel && integer::has_kernel(&self.emit, node);
        match step.filter(|_| kernel) {
            Some(step) => {
                let steps = self.steps(&node.input[0], step)?;
                integer::sums(&mut self.emit, node, steps, step).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The step that every operand is a multiple of, for a node that moves them.
    fn grid(&self, node: &proto::Node) -> Option<f32> {
        let is_data = |name: &&String| {
            let tensor = self.emit.initializer(name);
            tensor.is_none_or(|tensor| tensor.data_type == proto::FLOAT)
        };
        let moves = MOVING.contains(&node.op_type.as_str());
        let operands = node.input.iter().filter(is_data);
        let mut steps = operands.map(|name| self.forms.get(name)?.on_grid());
        let first = steps.next()??;
        (moves && steps.all(|step| step == Some(first))).then_some(first)
    }

    /// The same node under a new name.
    fn again(&mut self, node: &proto::Node, inputs: Vec<String>) -> String {
        let name = (node.output[0].as_str(), "raw");
        let attributes = node.attribute.clone();
        self.emit.node(&node.op_type, name, inputs, attributes)
    }

    fn inputs(
        &mut self,
        node: &proto::Node,
        form: fn(&mut Walk, &str) -> Rewritten<String>,
    ) -> Rewritten<Vec<String>> {
        node.input.iter().map(|name| form(self, name)).collect()
    }

    /// The float32 form of a value; weights and absent operands are their own.
    fn real(&mut self, name: &str) -> Rewritten<String> {
        let Some(forms) = self.forms.get(name) else {
            return Ok(name.to_string());
        };
        let real = match (&forms.real, &forms.bytes) {
            (Some(real), _) => return Ok(real.clone()),
            (None, Some((bytes, step))) => integer::dequantised(&mut self.emit, bytes, *step),
            (None, None) => {
                return Err(BuildError(format!(
                    "`{name}` is read inside its layer by what computes on no integers"
                )));
            }
        };
        self.remember(name, |forms| forms.real = Some(real.clone()));
        Ok(real)
    }

    /// The float32 form whose elements INT8 holds exactly; what has no range is inside a layer, and not rounded.
    fn snapped(&mut self, name: &str) -> Rewritten<String> {
        let forms = self.forms.get(name).cloned().unwrap_or_default();
        match (&forms.snapped, forms.on_grid(), forms.scale) {
            (Some(snapped), _, _) => Ok(snapped.clone()),
            (None, None, Some(step)) => {
                let bytes = self.bytes(name, step)?;
                let snapped = integer::dequantised(&mut self.emit, &bytes, step);
                self.remember(name, |forms| forms.snapped = Some(snapped.clone()));
                Ok(snapped)
            }
            (None, _, _) => self.real(name),
        }
    }

    /// The form that FP16 holds exactly.
    fn in_half(&mut self, name: &str) -> Rewritten<String> {
        let known = self.forms.get(name).map(|forms| forms.half.clone());
        let real = match known {
            None => return Ok(name.to_string()),
            Some(Some(half)) => return Ok(half),
            Some(None) => self.real(name)?,
        };
        let half = half::rounded(&mut self.emit, &real);
        self.remember(name, |forms| forms.half = Some(half.clone()));
        Ok(half)
    }

    /// The INT8 steps as float32 integers.
    fn steps(&mut self, name: &str, step: f32) -> Rewritten<String> {
        let known = self.forms.get(name).and_then(|forms| forms.steps.clone());
        if let Some(steps) = known {
            return Ok(steps);
        }
        let bytes = self.bytes(name, step)?;
        let steps = integer::dequantised(&mut self.emit, &bytes, 1.0);
        self.remember(name, |forms| forms.steps = Some(steps.clone()));
        Ok(steps)
    }

    fn bytes(&mut self, name: &str, step: f32) -> Rewritten<String> {
        let known = self.forms.get(name).and_then(|forms| forms.bytes.clone());
        if let Some((bytes, _)) = known {
            return Ok(bytes);
        }
        let real = self.real(name)?;
        let bytes = integer::bytes(&mut self.emit, &real, step);
        self.remember(name, |forms| forms.bytes = Some((bytes.clone(), step)));
        Ok(bytes)
    }

    fn remember(&mut self, name: &str, change: impl FnOnce(&mut Forms)) {
        if let Some(forms) = self.forms.get_mut(name) {
            change(forms);
        }
    }

    fn output(&mut self, name: &str) -> Rewritten<()> {
        let source = self.real(name)?;
        if source != name {
            self.emit.exact(proto::Node {
                input: vec![source],
                output: vec![name.to_string()],
                name: name.to_string(),
                op_type: "Identity".into(),
                attribute: vec![],
                domain: String::new(),
            });
        }
        Ok(())
    }
}
