//! Element types of what a model takes and gives. Numbers are float32 inside.

use crate::graph::DType;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    F32,
    F16,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    Bool,
}

impl Element {
    pub const ALL: [Element; 9] = [
        Element::F32,
        Element::F16,
        Element::F64,
        Element::I8,
        Element::I16,
        Element::I32,
        Element::I64,
        Element::U8,
        Element::Bool,
    ];

    /// float32 counts to this.
    pub const MOST: f32 = 16_777_216.0;

    /// An integer as float32. One beyond [`Element::MOST`] stays beyond it, so that [`Element::holds`] sees what rounding to
    /// the nearest would hide.
    pub fn whole(value: i64) -> f32 {
        let near = value as f32;
        if Element::hides(near, value as f64) {
            near.signum() * (Element::MOST + 2.0)
        } else {
            near
        }
    }

    /// Whether `value` is beyond [`Element::MOST`] and the float32 nearest to it is not.
    pub fn hides(near: f32, value: f64) -> bool {
        value.abs() > f64::from(Element::MOST) && near.abs() <= Element::MOST
    }

    /// Whether a value is one of this type: integers are whole, and small enough for float32 to count to.
    pub fn holds(self, value: f32) -> bool {
        let (least, most) = match self {
            Element::F32 | Element::F16 | Element::F64 => return true,
            Element::I8 => (-128.0, 127.0),
            Element::I16 => (-32_768.0, 32_767.0),
            Element::I32 | Element::I64 => (-Element::MOST, Element::MOST),
            Element::U8 => (0.0, 255.0),
            Element::Bool => (0.0, 1.0),
        };
        value.fract() == 0.0 && (least..=most).contains(&value)
    }

    /// The type that NumPy and TVM call so; a condition is `uint1` to TVM, too.
    pub fn named(dtype: &str) -> Option<Element> {
        if dtype == "uint1" {
            return Some(Element::Bool);
        }
        Element::ALL.into_iter().find(|element| element.name() == dtype)
    }

    /// As NumPy calls it.
    pub fn name(self) -> &'static str {
        match self {
            Element::F32 => "float32",
            Element::F16 => "float16",
            Element::F64 => "float64",
            Element::I8 => "int8",
            Element::I16 => "int16",
            Element::I32 => "int32",
            Element::I64 => "int64",
            Element::U8 => "uint8",
            Element::Bool => "bool",
        }
    }
}

impl From<DType> for Element {
    fn from(dtype: DType) -> Element {
        match dtype {
            DType::F32 => Element::F32,
            DType::F16 => Element::F16,
            DType::I8 => Element::I8,
            DType::I32 => Element::I32,
            DType::I64 => Element::I64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_that_float32_does_not_count_to_are_seen() {
        let most = 1i64 << 24;
        for (value, held) in [
            (0, true),
            (most, true),
            (-most, true),
            (most + 1, false),
            (-most - 1, false),
            (most + 2, false),
            (i64::MAX, false),
            (i64::MIN, false),
        ] {
            let real = Element::whole(value);
            assert_eq!(Element::I64.holds(real), held, "{value}");
            assert!(!held || real as i64 == value, "{value}");
        }
    }
}
