//! Numbers or conditions in JSON arrays of any depth, as one flat list in row-major order.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use crate::artifact::Element;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Flat {
    pub values: Vec<f32>,
    /// Whether there are conditions among them.
    pub conditions: bool,
    /// A number just beyond those that float32 counts to, which rounding makes one of them.
    pub beyond: Option<f64>,
}

impl Flat {
    fn push(&mut self, near: f32, value: f64) {
        if Element::hides(near, value) {
            self.beyond.get_or_insert(value);
        }
        self.values.push(near);
    }
}

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Flat, D::Error> {
        let mut flat = Flat::default();
        deserializer.deserialize_seq(Level(&mut flat))?;
        Ok(flat)
    }
}

/// One array, or one number in it.
struct Level<'a>(&'a mut Flat);

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or condition, or an array of them")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.push(value as f32, value);
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.push(value as f32, value as f64);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.push(value as f32, value as f64);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.conditions = true;
        self.0.values.push(f32::from(u8::from(value)));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Level(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_any_depth_are_flat() {
        for (text, want) in [
            ("[]", vec![]),
            ("[1, -2, 3.5]", vec![1.0, -2.0, 3.5]),
            ("[[1, 2], [3, [4]]]", vec![1.0, 2.0, 3.0, 4.0]),
            ("[true, false]", vec![1.0, 0.0]),
        ] {
            let flat: Flat = serde_json::from_str(text).unwrap();
            assert_eq!(flat.values, want, "{text}");
            assert_eq!(flat.conditions, text.contains("true"), "{text}");
        }
        let flat: Flat = serde_json::from_str("[16777216, [16777217]]").unwrap();
        assert_eq!(flat.beyond, Some(16_777_217.0));
        for text in ["1", "[1, null]", "[\"1\"]", "true", "{}", "[[1], {}]"] {
            let error = serde_json::from_str::<Flat>(text).unwrap_err();
            assert!(error.to_string().contains("expected"), "{text}: {error}");
        }
    }
}
