//! The largest magnitudes that INT8 represents, per tensor.

use std::collections::BTreeMap;

use serde::Serialize;

/// Per tensor, by its name in the graph, the magnitude that INT8's 127 stands for: what TensorRT's
/// `setDynamicRange(-max, max)` takes. Every value is finite and positive.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Ranges(BTreeMap<String, f32>);

/// A magnitude that no scale can be made of.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("tensor `{tensor}` has the range {max}, and INT8 {}", self.needs())]
pub struct RangeError {
    pub tensor: String,
    pub max: f32,
}

impl RangeError {
    fn new(tensor: &str, max: f32) -> RangeError {
        RangeError {
            tensor: tensor.to_string(),
            max,
        }
    }

    fn needs(&self) -> &'static str {
        if self.max.is_finite() && self.max > Ranges::LARGEST {
            "has no steps for it: it is of the order of float32's limit, as a constant that pads is or a value that overflows; look at the layer that writes it"
        } else {
            "needs a finite one above zero"
        }
    }
}

impl Ranges {
    /// Largest range: beyond it lie constants that stand for infinity, and what was computed from them.
    pub const LARGEST: f32 = f32::MAX / 1024.0;

    /// # Errors
    /// [`RangeError`] when `max` is zero, negative, infinite or not a number, too small for a normal scale, or of the
    /// order of what float32 ends at.
    pub fn insert(&mut self, tensor: &str, max: f32) -> Result<(), RangeError> {
        if max / Ranges::STEPS < f32::MIN_POSITIVE {
            return Err(RangeError::new(tensor, max));
        }
        Ranges::allows(tensor, max)?;
        self.0.insert(tensor.to_string(), max);
        Ok(())
    }

    /// Whether magnitudes up to `max` are numbers to make steps for.
    ///
    /// # Errors
    /// [`RangeError`] when `max` is infinite or not a number, or of the order of what float32 ends at.
    pub fn allows(tensor: &str, max: f32) -> Result<(), RangeError> {
        if max.is_finite() && max <= Ranges::LARGEST {
            return Ok(());
        }
        Err(RangeError::new(tensor, max))
    }

    /// Replaces a range by another that was checked.
    pub(super) fn set(&mut self, tensor: &str, max: f32) {
        self.0.insert(tensor.to_string(), max);
    }

    /// Steps of INT8 on either side of zero that the range is divided into.
    pub const STEPS: f32 = 127.0;

    pub fn get(&self, tensor: &str) -> Option<f32> {
        self.0.get(tensor).copied()
    }

    /// The value of one INT8 step.
    pub fn scale(&self, tensor: &str) -> Option<f32> {
        self.get(tensor).map(|max| max / Ranges::STEPS)
    }

    /// By name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f32)> {
        self.0.iter().map(|(name, max)| (name.as_str(), *max))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
