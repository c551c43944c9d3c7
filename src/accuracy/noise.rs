//! How far the tensors of one run are from those of another.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::graph::{Graph, TensorId};

/// Energy of a signal and of what differs from it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Noise {
    signal: f64,
    noise: f64,
    /// The largest difference of one value.
    largest: f64,
    /// Values of which some are infinite or NaN.
    values: u64,
    broken: u64,
}

/// How good a signal is, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fidelity {
    /// Bit for bit the reference, but for the sign of zeros.
    Exact,
    /// Signal to noise in decibels.
    Decibels(f64),
    /// There is no signal but noise.
    NoSignal,
    /// So many values are infinite or NaN: the worst there is.
    NotFinite { values: u64, of: u64 },
}

impl Noise {
    /// `reference` is finite.
    pub fn add(&mut self, reference: &[f32], got: &[f32]) {
        self.values += reference.len() as u64;
        for (r, g) in reference.iter().zip(got) {
            if !g.is_finite() {
                self.broken += 1;
                continue;
            }
            let (r, g) = (f64::from(*r), f64::from(*g));
            self.signal += r * r;
            self.noise += (r - g) * (r - g);
            self.largest = self.largest.max((r - g).abs());
        }
    }

    /// Noise energy over signal energy; infinite where there is no signal but noise, or a value is infinite or NaN.
    pub fn ratio(&self) -> f64 {
        match (self.signal, self.noise) {
            _ if self.broken > 0 => f64::INFINITY,
            (_, 0.0) => 0.0,
            (0.0, _) => f64::INFINITY,
            (signal, noise) => noise / signal,
        }
    }

    pub fn fidelity(&self) -> Fidelity {
        if self.broken > 0 {
            return Fidelity::NotFinite {
                values: self.broken,
                of: self.values,
            };
        }
        match self.ratio() {
            0.0 => Fidelity::Exact,
            ratio if ratio.is_finite() => Fidelity::Decibels(-10.0 * ratio.log10()),
            _ => Fidelity::NoSignal,
        }
    }

    /// The largest difference of one value; `None` where one is infinite or NaN.
    pub fn largest(&self) -> Option<f64> {
        (self.broken == 0).then_some(self.largest)
    }
}

impl Fidelity {
    /// Signal to noise, where it is a number.
    pub fn decibels(self) -> Option<f64> {
        match self {
            Fidelity::Decibels(decibels) => Some(decibels),
            Fidelity::Exact | Fidelity::NoSignal | Fidelity::NotFinite { .. } => None,
        }
    }
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fidelity::Exact => f.write_str("exact"),
            Fidelity::Decibels(decibels) => write!(f, "{decibels:.1} dB"),
            Fidelity::NoSignal => f.write_str("only noise"),
            Fidelity::NotFinite { .. } => f.write_str("inf or NaN"),
        }
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

/// The first layer that writes an infinity or NaN: behind it, nothing means anything.
pub fn overflow(layers: &[LayerNoise]) -> Option<&LayerNoise> {
    layers.iter().find(|layer| layer.noise.broken > 0)
}

/// Per probed tensor, in the order of the network: `noises` belong to the outputs of `probe`.
///
/// A layer's own share is its ratio less the largest of its operands'; the network's inputs have none, so that rounding
/// them counts for the layer that reads them.
pub fn layers(probe: &Graph, noises: &[Noise]) -> Vec<LayerNoise> {
    // In the order of the network, so that every tensor is looked at once however many ways lead to it.
    let mut seen: HashMap<TensorId, f64> = HashMap::new();
    let mut layers = Vec::new();
    let stored: HashMap<TensorId, &Noise> = probe.outputs.iter().copied().zip(noises).collect();
    for node in &probe.nodes {
        let operands = node.inputs.iter().filter_map(|id| seen.get(id));
        let before = operands.copied().fold(0.0, f64::max);
        let Some(noise) = stored.get(&node.output) else {
            seen.insert(node.output, before);
            continue;
        };
        seen.insert(node.output, noise.ratio());
        layers.push(LayerNoise {
            node: node.name.clone(),
            op: probe.nodes[first(probe, &stored, node.output)].op.name(),
            noise: **noise,
            added: (noise.ratio() - before).max(0.0),
        });
    }
    layers
}

/// The node that a stored tensor's layer begins with.
fn first(probe: &Graph, stored: &HashMap<TensorId, &Noise>, id: TensorId) -> usize {
    let at = probe.nodes.iter().position(|node| node.output == id);
    let at = at.unwrap_or_default();
    let operand = probe.nodes[at].inputs[0];
    let inside = !stored.contains_key(&operand) && !probe.inputs.contains(&operand);
    if inside && probe.tensor(operand).weight.is_none() {
        first(probe, stored, operand)
    } else {
        at
    }
}
