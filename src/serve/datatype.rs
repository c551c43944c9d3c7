//! Element types of a model's inputs and outputs on the wire. Inside they are float32.

use std::borrow::Cow;

use half::f16;

use super::error::RequestError;
use crate::artifact::Element;
use crate::plan::counted;

/// A type that the protocol has a name for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Datatype(Element);

impl Datatype {
    const FP32: Datatype = Datatype(Element::F32);

    /// Of a tensor that callers hold in `dtype`.
    pub fn of(dtype: Element) -> Datatype {
        Datatype(dtype)
    }

    /// As clients name it.
    pub fn parse(name: &str) -> Option<Datatype> {
        Element::ALL
            .into_iter()
            .map(Datatype)
            .find(|datatype| datatype.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            Element::F32 => "FP32",
            Element::F16 => "FP16",
            Element::F64 => "FP64",
            Element::I8 => "INT8",
            Element::I16 => "INT16",
            Element::I32 => "INT32",
            Element::I64 => "INT64",
            Element::U8 => "UINT8",
            Element::Bool => "BOOL",
        }
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self.0 {
            Element::I8 | Element::U8 | Element::Bool => 1,
            Element::F16 | Element::I16 => 2,
            Element::F32 | Element::I32 => 4,
            Element::F64 | Element::I64 => 8,
        }
    }

    pub fn element(self) -> Element {
        self.0
    }

    /// Whether an input of this type can be sent as `other`: float32 is rounded where a model takes float16.
    pub fn takes(self, other: Datatype) -> bool {
        self == other || (self.0 == Element::F16 && other == Datatype::FP32)
    }

    /// Little-endian values of the input `name`.
    pub fn read(self, name: &str, bytes: &[u8]) -> Result<Vec<f32>, RequestError> {
        if !bytes.len().is_multiple_of(self.size()) {
            return Err(RequestError::Malformed(format!(
                "input `{name}` has {}, which is no number of {} values",
                counted(bytes.len(), "byte"),
                self.name()
            )));
        }
        Ok(match self.0 {
            Element::F32 => each(bytes, f32::from_le_bytes),
            Element::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Element::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Element::I8 => each(bytes, |b| i8::from_le_bytes(b).into()),
            Element::I16 => each(bytes, |b| i16::from_le_bytes(b).into()),
            Element::I32 => each(bytes, |b| Element::whole(i32::from_le_bytes(b).into())),
            Element::I64 => each(bytes, |b| Element::whole(i64::from_le_bytes(b))),
            Element::U8 => each(bytes, |b| u8::from_le_bytes(b).into()),
            Element::Bool => each(bytes, |[b]: [u8; 1]| f32::from(u8::from(b != 0))),
        })
    }

    /// The opposite of [`Datatype::read`], at the end of `bytes`.
    pub fn write(self, values: &[f32], bytes: &mut Vec<u8>) {
        match self.0 {
            Element::F32 => put(values, bytes, f32::to_le_bytes),
            Element::F16 => put(values, bytes, |v| f16::from_f32(v).to_le_bytes()),
            Element::F64 => put(values, bytes, |v| f64::from(v).to_le_bytes()),
            Element::I8 => put(values, bytes, |v| (v as i8).to_le_bytes()),
            Element::I16 => put(values, bytes, |v| (v as i16).to_le_bytes()),
            Element::I32 => put(values, bytes, |v| (v as i32).to_le_bytes()),
            Element::I64 => put(values, bytes, |v| (v as i64).to_le_bytes()),
            Element::U8 => put(values, bytes, |v| (v as u8).to_le_bytes()),
            Element::Bool => put(values, bytes, |v| [u8::from(v != 0.0)]),
        }
    }

    /// The values as this type holds them.
    pub fn rounded(self, values: &[f32]) -> Cow<'_, [f32]> {
        match self.0 {
            Element::F16 => values.iter().map(|v| f16::from_f32(*v).to_f32()).collect(),
            _ => Cow::Borrowed(values),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let element = |b: &[u8]| read(b.try_into().expect("chunks have this length"));
    bytes.chunks_exact(N).map(element).collect()
}

fn put<const N: usize>(values: &[f32], bytes: &mut Vec<u8>, write: impl Fn(f32) -> [u8; N]) {
    let start = bytes.len();
    bytes.resize(start + N * values.len(), 0);
    for (to, value) in bytes[start..].chunks_exact_mut(N).zip(values) {
        to.copy_from_slice(&write(*value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_name_and_its_values_come_back() {
        for element in Element::ALL {
            let datatype = Datatype::of(element);
            assert_eq!(Datatype::parse(datatype.name()), Some(datatype));
            let values = [0.0, 1.0, 1.0, 0.0];
            let mut bytes = Vec::new();
            datatype.write(&values, &mut bytes);
            assert_eq!(bytes.len(), 4 * datatype.size(), "{}", datatype.name());
            let back = datatype.read("x", &bytes).unwrap();
            assert_eq!(back, values, "{}", datatype.name());
            let cut = datatype.read("x", &bytes[1..]);
            assert_eq!(cut.is_err(), datatype.size() > 1, "{}", datatype.name());
        }
        assert_eq!(Datatype::parse("BYTES"), None);
    }
}
