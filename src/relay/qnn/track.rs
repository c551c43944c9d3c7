//! What the quantised places of a network say about its tensors.

use std::collections::{HashMap, HashSet};

use super::spread::{never_negative, spread};
use crate::bundle::{Affine, Origin, Port};
use crate::canon::Form;
use crate::graph::{Activation, Graph, Op, TensorId};

/// Collects ranges and ends while a network is converted.
#[derive(Default)]
pub struct Track {
    ranges: HashMap<TensorId, f32>,
    /// Inputs that are integers, and how they read once a `qnn.dequantize` has told.
    inputs: HashMap<TensorId, Option<Affine>>,
    /// In the order of the outputs.
    outputs: Vec<Option<Affine>>,
}

impl Track {
    /// Upper values that a DLA can clip at (rule `act.clip`). Beyond them only the range is left to saturate.
    const CLIPS: std::ops::RangeInclusive<f32> = 1.0..=127.0;

    pub fn integer_input(&mut self, input: TensorId) {
        self.inputs.insert(input, None);
    }

    /// Whether the first of these tensors is an input in integers.
    pub fn is_integer_input(&self, tensors: &[TensorId]) -> bool {
        tensors.first().is_some_and(|id| self.inputs.contains_key(id))
    }

    /// Reads the integers of `tensor` as `affine`; `quantised` is how they were made inside the network.
    ///
    /// # Errors
    /// When they read differently elsewhere, or nothing made them.
    pub fn read(
        &mut self,
        graph: &Graph,
        tensor: TensorId,
        quantised: Option<Affine>,
        affine: Affine,
    ) -> Result<(), String> {
        let known = match (quantised, self.inputs.get_mut(&source(graph, tensor))) {
            (Some(known), _) => known,
            (None, Some(known)) => *known.get_or_insert(affine),
            (None, None) => return Err("it reads integers that nothing quantised".to_string()),
        };
        if known != affine {
            return Err(format!(
                "it reads {affine}, and elsewhere the same integers are {known}"
            ));
        }
        self.note(tensor, affine);
        Ok(())
    }

    /// `tensor` is the next output.
    ///
    /// # Errors
    /// When it is integers of an input that nothing reads.
    pub fn output(
        &mut self,
        graph: &Graph,
        tensor: TensorId,
        quantised: Option<Affine>,
    ) -> Result<(), String> {
        let passed = self.inputs.get(&source(graph, tensor));
        self.outputs.push(match (quantised, passed) {
            (Some(known), _) => Some(known),
            (None, Some(Some(known))) => Some(*known),
            (None, Some(None)) => return Err("it passes integers on that nothing reads".to_string()),
            (None, None) => None,
        });
        Ok(())
    }

    /// Two quantisations of one tensor share the wider range.
    pub fn note(&mut self, tensor: TensorId, affine: Affine) {
        let range = self.ranges.entry(tensor).or_default();
        *range = range.max(affine.range());
    }

    /// What quantising does to the values of a float32 tensor: where the zero point is the least integer, negatives are
    /// cut off, which is how ReLU and ReLU6 are folded away. Other saturation is left to the range.
    pub fn cut(graph: &Graph, x: TensorId, affine: Affine) -> Option<Op> {
        if !affine.cuts_negatives() || never_negative(graph, x) {
            return None;
        }
        let (_, max) = affine.interval();
        Some(Op::Activation(if Track::CLIPS.contains(&max) {
            Activation::Clip { min: 0.0, max }
        } else {
            Activation::Relu
        }))
    }

    /// The tensors that have a range.
    pub fn ranged(&self) -> HashSet<TensorId> {
        self.ranges.keys().copied().collect()
    }

    /// `None` for a network that is what the model declares. `form` is what became of the network that this was collected
    /// from.
    pub fn finish(self, form: &Form) -> Option<Origin> {
        let graph = &form.graph;
        let now = |id: TensorId| form.tensors.get(&id).copied();
        let mut known: HashMap<TensorId, f32> = HashMap::new();
        for (id, max) in self.ranges {
            if let Some(id) = now(id) {
                let range = known.entry(id).or_default();
                *range = range.max(max);
            }
        }
        spread(graph, &mut known);
        let inputs = self.inputs.iter();
        let inputs = inputs.filter_map(|(id, affine)| Some((now(*id)?, *affine)));
        let inputs: HashMap<TensorId, Option<Affine>> = inputs.collect();
        let input = |(id, axes): (&TensorId, &Option<Vec<usize>>)| Port {
            integer: inputs.get(id).copied().flatten(),
            axes: axes.clone(),
        };
        let output = |(integer, axes): (Option<Affine>, &Option<Vec<usize>>)| Port {
            integer,
            axes: axes.clone(),
        };
        let outputs = self.outputs.into_iter().zip(&form.outputs);
        let name = |id: &TensorId| graph.tensor(*id).name.clone();
        let origin = Origin {
            ranges: known.iter().map(|(id, max)| (name(id), *max)).collect(),
            inputs: graph.inputs.iter().zip(&form.inputs).map(input).collect(),
            outputs: outputs.map(output).collect(),
        };
        let mut ports = origin.inputs.iter().chain(&origin.outputs);
        let plain = origin.ranges.is_empty() && ports.all(|port| *port == Port::PLAIN);
        (!plain).then_some(origin)
    }
}

/// The tensor that `tensor` is, in another order of axes.
fn source(graph: &Graph, tensor: TensorId) -> TensorId {
    let transpose = |id| {
        let mut nodes = graph.nodes.iter();
        nodes.find(|n| n.output == id && matches!(n.op, Op::Transpose { .. }))
    };
    let mut source = tensor;
    while let Some(node) = transpose(source) {
        source = node.inputs[0];
    }
    source
}
