//! Real numbers in JSON, which has no infinities: those are the texts `inf` and `-inf`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Real {
    Number(f32),
    Text(String),
}

pub fn serialize<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_infinite() {
        serializer.collect_str(value)
    } else {
        serializer.serialize_f32(*value)
    }
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    match Real::deserialize(deserializer)? {
        Real::Number(value) => Ok(value),
        Real::Text(text) => {
            let value = text.parse().ok().filter(|value: &f32| value.is_infinite());
            value.ok_or_else(|| D::Error::custom(format!("`{text}` is no real number")))
        }
    }
}
