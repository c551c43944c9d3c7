//! How far the tensors of one run are from those of another.

use std::collections::BTreeMap;

use crate::graph::{Graph, TensorId};

/// Energy of a signal and of what differs from it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Noise {
    signal: f64,
    noise: f64,
}

impl Noise {
    pub fn add(&mut self, reference: &[f32], got: &[f32]) {
        for (r, g) in reference.iter().zip(got) {
            let (r, g) = (f64::from(*r), f64::from(*g));
            self.signal += r * r;
            self.noise += (r - g) * (r - g);
        }
    }

    /// Noise energy over signal energy; infinite where there is no signal but noise.
    pub fn ratio(&self) -> f64 {
        match (self.signal, self.noise) {
            (_, 0.0) => 0.0,
            (0.0, _) => f64::INFINITY,
            (signal, noise) => noise / signal,
        }
    }

    /// Signal to noise in decibels; `None` when there is no noise.
    pub fn decibels(&self) -> Option<f64> {
        let ratio = self.ratio();
        (ratio > 0.0).then(|| -10.0 * ratio.log10())
    }
}

/// One stored tensor in a precision.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNoise {
    /// The node that computes it.
    pub node: String,
    pub op: &'static str,
    pub noise: Noise,
    /// Noise over signal that its operands do not have yet: what this layer adds.
    pub added: f64,
}

/// Per probed tensor, in the order of the network: `noises` belong to the outputs of `probe`.
///
/// A layer's own share is its ratio less the largest of its operands'; the network's inputs have none, so that rounding
/// them counts for the layer that reads them.
pub fn layers(probe: &Graph, noises: &[Noise]) -> Vec<LayerNoise> {
    let ratios: BTreeMap<TensorId, f64> = probe
        .outputs
        .iter()
        .zip(noises)
        .map(|(id, noise)| (*id, noise.ratio()))
        .collect();
    let mut layers = Vec::new();
    for (id, noise) in probe.outputs.iter().zip(noises) {
        let Some(node) = probe.nodes.iter().find(|node| node.output == *id) else {
            continue;
        };
        let before = operands(probe, &ratios, &node.inputs);
        layers.push(LayerNoise {
            node: node.name.clone(),
            op: probe.nodes[first(probe, &ratios, *id)].op.name(),
            noise: *noise,
            added: (noise.ratio() - before).max(0.0),
        });
    }
    layers
}

/// The largest ratio among the stored tensors that these come from.
fn operands(probe: &Graph, ratios: &BTreeMap<TensorId, f64>, ids: &[TensorId]) -> f64 {
    let of = |id: &TensorId| match ratios.get(id) {
        Some(ratio) => *ratio,
        None => {
            let producer = probe.nodes.iter().find(|node| node.output == *id);
            producer.map_or(0.0, |node| operands(probe, ratios, &node.inputs))
        }
    };
    ids.iter().map(of).fold(0.0, f64::max)
}

/// The node that a stored tensor's layer begins with.
fn first(probe: &Graph, ratios: &BTreeMap<TensorId, f64>, id: TensorId) -> usize {
    let at = probe.nodes.iter().position(|node| node.output == id);
    let at = at.unwrap_or_default();
    let operand = probe.nodes[at].inputs[0];
    let inside = !ratios.contains_key(&operand) && !probe.inputs.contains(&operand);
    match inside && probe.tensor(operand).weight.is_none() {
        true => first(probe, ratios, operand),
        false => at,
    }
}
