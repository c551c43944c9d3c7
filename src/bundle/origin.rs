//! What a model declares where that differs from the network made of it: the network is float32 throughout, its
//! channels come before height and width, and it has no scales.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use super::Affine;
use crate::graph::Graph;

/// Ranges that need no calibration, and what TVM passes at both ends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Of a model that was quantised before TVM: per tensor, by name, the magnitude that INT8's 127 stands for; finite
    /// and above zero.
    pub ranges: BTreeMap<String, f32>,
    /// How TVM passes the network's inputs, in their order.
    pub inputs: Vec<Port>,
    /// The integers in which TVM wants the outputs; `None` is float32.
    pub outputs: Vec<Option<Affine>>,
}

/// How TVM passes one input. The default is as the network has it.
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
    pub fn port(origin: Option<&Origin>, index: usize) -> &Port {
        origin.map_or(&Port::PLAIN, |origin| &origin.inputs[index])
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
        for (index, (port, tensor)) in self.inputs.iter().zip(&graph.inputs).enumerate() {
            let rank = graph.tensor(*tensor).shape.len();
            let wrong = |reason| format!("input {index}: {reason}");
            port.check(rank).map_err(wrong)?;
        }
        for (index, affine) in self.outputs.iter().enumerate() {
            let wrong = |reason| format!("output {index}: {reason}");
            affine.map_or(Ok(()), |a| a.checked().map(drop).map_err(wrong))?;
        }
        Ok(())
    }
}

impl Port {
    pub const PLAIN: Port = Port {
        integer: None,
        axes: None,
    };

    /// A tensor as the model declares it, with its axes in the network's order.
    ///
    /// # Errors
    /// Another number of axes, or of elements.
    pub fn ordered(
        &self,
        shape: Vec<usize>,
        data: Vec<f32>,
    ) -> Result<(Vec<usize>, Vec<f32>), String> {
        let Some(axes) = &self.axes else {
            return Ok((shape, data));
        };
        if shape.len() != axes.len() {
            let (rank, wanted) = (shape.len(), axes.len());
            return Err(format!("it has {rank} axes, and the model takes {wanted}"));
        }
        let given = ArrayD::from_shape_vec(shape, data).map_err(|e| e.to_string())?;
        let ordered = given.permuted_axes(axes.clone());
        let data = ordered.iter().copied().collect();
        Ok((ordered.shape().to_vec(), data))
    }

    fn check(&self, rank: usize) -> Result<(), String> {
        if let Some(axes) = &self.axes {
            let mut sorted = axes.clone();
            sorted.sort_unstable();
            if !sorted.into_iter().eq(0..rank) {
                return Err(format!("the axes {axes:?} are no order of {rank}"));
            }
        }
        self.integer
            .map_or(Ok(()), |affine| affine.checked().map(drop))
    }
}
