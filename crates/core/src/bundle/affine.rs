//! Integers that stand for real numbers: `real = (integer - zero_point) * scale`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Element type of a quantised tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Integer {
    U8,
    I8,
}

impl Integer {
    /// The least and the largest integer.
    pub const fn limits(self) -> (i32, i32) {
        match self {
            Integer::U8 => (0, 255),
            Integer::I8 => (-128, 127),
        }
    }

    /// TVM's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Integer::U8 => "uint8",
            Integer::I8 => "int8",
        }
    }

    /// The type that TVM calls so.
    pub fn named(dtype: &str) -> Option<Integer> {
        [Integer::U8, Integer::I8]
            .into_iter()
            .find(|integer| integer.name() == dtype)
    }

    fn of_byte(self, byte: u8) -> i32 {
        match self {
            Integer::U8 => byte.into(),
            Integer::I8 => byte.cast_signed().into(),
        }
    }
}

/// How one tensor was quantised. The scale is a normal number above zero, the zero point one of the integers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affine {
    pub dtype: Integer,
    pub scale: f32,
    pub zero_point: i32,
}

impl Affine {
    /// Steps of a DLA's INT8 on either side of zero.
    const STEPS: i32 = 127;

    /// Integers that stand for themselves.
    pub const fn plain(dtype: Integer) -> Affine {
        Affine {
            dtype,
            scale: 1.0,
            zero_point: 0,
        }
    }

    /// # Errors
    /// What is wrong with the scale or the zero point.
    pub fn checked(self) -> Result<Affine, String> {
        let (least, most) = self.dtype.limits();
        if !self.scale.is_normal() || self.scale <= 0.0 {
            return Err(format!(
                "the scale {} is not a normal number above zero",
                self.scale
            ));
        }
        if (least..=most).contains(&self.zero_point) {
            Ok(self)
        } else {
            Err(format!(
                "the zero point {} is outside {least} to {most}",
                self.zero_point
            ))
        }
    }

    /// The real numbers at both ends.
    pub fn interval(&self) -> (f32, f32) {
        let (least, most) = self.dtype.limits();
        (self.at(least), self.at(most))
    }

    /// The magnitude that a DLA's 127 has to stand for, since it has no zero point: the same steps when the zero point is
    /// in the middle (-128 then saturates to -127), otherwise whatever covers both ends, in steps up to twice as wide.
    pub fn range(&self) -> f32 {
        let (least, most) = self.dtype.limits();
        let (below, above) = (self.zero_point - least, most - self.zero_point);
        let steps = if below == above + 1 {
            Affine::STEPS
        } else {
            below.max(above)
        };
        steps as f32 * self.scale
    }

    /// Whether quantising cuts off what is below zero, as a folded ReLU does.
    pub fn cuts_negatives(&self) -> bool {
        self.zero_point == self.dtype.limits().0
    }

    /// The real numbers that elements of this type stand for.
    pub fn reals(&self, bytes: &[u8]) -> Vec<f32> {
        bytes
            .iter()
            .map(|byte| self.at(self.dtype.of_byte(*byte)))
            .collect()
    }

    /// Real numbers as elements of this type: rounded, halves away from zero, and saturated, as TVM's `qnn.quantize`.
    pub fn bytes(&self, reals: &[f32]) -> Vec<u8> {
        let (least, most) = self.dtype.limits();
        let integer = |real: &f32| {
            let steps = (real / self.scale).round() + self.zero_point as f32;
            steps.clamp(least as f32, most as f32) as i32
        };
        reals.iter().map(|real| integer(real) as u8).collect()
    }

    fn at(&self, integer: i32) -> f32 {
        (integer - self.zero_point) as f32 * self.scale
    }
}

impl fmt::Display for Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of scale {} and zero point {}",
            self.dtype.name(),
            self.scale,
            self.zero_point
        )
    }
}
