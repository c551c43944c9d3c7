//! What a model declares where that differs from the network made of it: the network is float32 throughout, its
//! channels come before height and width, and it has no scales.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};

use super::Affine;
use crate::graph::{Graph, permuted};
use crate::split::Report;

/// Ranges that need no calibration, and what TVM passes at both ends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Of a model that was quantised before TVM: per tensor, by name, the magnitude that INT8's 127 stands for; finite
    /// and above zero.
    pub ranges: BTreeMap<String, f32>,
    /// How TVM passes the network's inputs, in their order.
    pub inputs: Vec<Port>,
    /// How TVM wants the outputs, in their order.
    #[serde(deserialize_with = "ports")]
    pub outputs: Vec<Port>,
}

/// How TVM passes one input or output. The default is as the network has it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// As these integers.
    pub integer: Option<Affine>,
    /// With its axes in another order: axis `i` of the network is axis `axes[i]` there.
    pub axes: Option<Vec<usize>>,
}

impl Origin {
    /// How input number `index` is passed to a model that may have an origin.
    pub fn input(origin: Option<&Origin>, index: usize) -> &Port {
        origin.map_or(&Port::PLAIN, |origin| &origin.inputs[index])
    }

    /// How output number `index` is wanted.
    pub fn output(origin: Option<&Origin>, index: usize) -> &Port {
        origin.map_or(&Port::PLAIN, |origin| &origin.outputs[index])
    }

    /// Says the shapes of inputs and outputs as the model declares them.
    pub fn declare(origin: Option<&Origin>, report: &mut Report) {
        for (index, end) in report.inputs.iter_mut().enumerate() {
            end.shape = Origin::input(origin, index).declared(&end.network_shape);
        }
        for (index, end) in report.outputs.iter_mut().enumerate() {
            end.shape = Origin::output(origin, index).declared(&end.network_shape);
        }
    }

    /// Follows a tensor that gets another name.
    pub fn rename(&mut self, old: &str, new: &str) {
        if let Some(range) = self.ranges.remove(old) {
            self.ranges.insert(new.to_string(), range);
        }
    }

    /// Checks that this belongs to `graph`.
    ///
    /// # Errors
    /// The tensor or port that does not fit, and why.
    pub fn check(&self, graph: &Graph) -> Result<(), String> {
        let names: BTreeSet<&str> = graph.tensors.iter().map(|t| t.name.as_str()).collect();
        for (name, max) in &self.ranges {
            if !names.contains(name.as_str()) {
                return Err(format!("a range of `{name}`, which is no tensor of it"));
            }
            if !(max.is_normal() && *max > 0.0) {
                return Err(format!("the range {max} of tensor `{name}`"));
            }
        }
        let sides = [
            ("input", self.inputs.len(), graph.inputs.len()),
            ("output", self.outputs.len(), graph.outputs.len()),
        ];
        if let Some((side, found, wanted)) = sides.into_iter().find(|(_, a, b)| a != b) {
            return Err(format!("{found} types of {wanted} {side}s"));
        }
        let sides = [
            ("input", &self.inputs, &graph.inputs),
            ("output", &self.outputs, &graph.outputs),
        ];
        for (side, ports, tensors) in sides {
            for (index, (port, tensor)) in ports.iter().zip(tensors).enumerate() {
                let wrong = |reason| format!("{side} {index}: {reason}");
                let rank = graph.tensor(*tensor).shape.len();
                port.check(rank).map_err(wrong)?;
            }
        }
        Ok(())
    }
}

impl Port {
    pub const PLAIN: Port = Port {
        integer: None,
        axes: None,
    };

    /// The shape that the model declares for a tensor that has this one in the network.
    pub fn declared(&self, network: &[usize]) -> Vec<usize> {
        let axes = self.back(network.len());
        axes.iter().map(|axis| network[*axis]).collect()
    }

    /// The shape that the network has for a tensor that the model declares with this one.
    pub fn of_network(&self, declared: &[usize]) -> Vec<usize> {
        match &self.axes {
            Some(axes) => axes.iter().map(|axis| declared[*axis]).collect(),
            None => declared.to_vec(),
        }
    }

    /// The order of an array that has this shape, whatever its rows: the model's own where it fits, else the network's.
    pub fn order_of(&self, shape: &[usize], network: &[usize]) -> Option<AxesOrder> {
        let same = |want: &[usize]| {
            let rows = shape.first().zip(want.first());
            shape.len() == want.len() && rows.is_some() && shape[1..] == want[1..]
        };
        if same(&self.declared(network)) {
            Some(AxesOrder::Model)
        } else if same(network) {
            Some(AxesOrder::Network)
        } else {
            None
        }
    }

    /// An array in the model's order, in the network's; it has as many axes.
    pub fn into_network(&self, shape: &[usize], data: &[f32]) -> (Vec<usize>, Vec<f32>) {
        match &self.axes {
            Some(axes) => reordered(shape, data, axes),
            None => (shape.to_vec(), data.to_vec()),
        }
    }

    /// An array in the network's order, in the model's; rows may lie along an axis in front of all.
    pub fn into_model(&self, shape: &[usize], data: &[f32]) -> (Vec<usize>, Vec<f32>) {
        match &self.axes {
            Some(axes) if shape.len() == axes.len() + 1 => {
                let order = self.back(axes.len()).into_iter().map(|axis| axis + 1);
                let order: Vec<usize> = std::iter::once(0).chain(order).collect();
                reordered(shape, data, &order)
            }
            Some(axes) => reordered(shape, data, &self.back(axes.len())),
            None => (shape.to_vec(), data.to_vec()),
        }
    }

    /// Axis `i` of the model's is this one of the network's.
    fn back(&self, rank: usize) -> Vec<usize> {
        let mut back: Vec<usize> = (0..rank).collect();
        for (place, axis) in self.axes.iter().flatten().enumerate() {
            back[*axis] = place;
        }
        back
    }

    fn check(&self, rank: usize) -> Result<(), String> {
        if let Some(axes) = &self.axes {
            let mut sorted = axes.clone();
            sorted.sort_unstable();
            if !sorted.into_iter().eq(0..rank) {
                return Err(format!("the axes {axes:?} are no order of {rank}"));
            }
        }
        self.integer.map_or(Ok(()), |affine| affine.checked().map(drop))
    }
}

/// Whose order an array's axes are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxesOrder {
    Model,
    Network,
}

fn reordered(shape: &[usize], data: &[f32], axes: &[usize]) -> (Vec<usize>, Vec<f32>) {
    let ordered = axes.iter().map(|axis| shape[*axis]).collect();
    (ordered, permuted(data, shape, axes))
}

/// Bundles of earlier versions say of an output only its integers.
fn ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Port>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Entry {
        Port(Port),
        Integer(Affine),
    }
    let entries: Vec<Option<Entry>> = Vec::deserialize(deserializer)?;
    let port = |entry| match entry {
        None => Port::PLAIN,
        Some(Entry::Port(port)) => port,
        Some(Entry::Integer(affine)) => Port {
            integer: Some(affine),
            axes: None,
        },
    };
    Ok(entries.into_iter().map(port).collect())
}
