//! Element types of a model's inputs and outputs on the wire. Inside they are float32.

use std::borrow::Cow;

use half::f16;

use super::error::RequestError;
use crate::graph::DType;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    Fp32,
    Fp16,
}

impl Datatype {
    /// Of a tensor that callers hold in `dtype`.
    pub fn of(dtype: DType) -> Datatype {
        match dtype {
            DType::F16 => Datatype::Fp16,
            DType::F32 | DType::I8 | DType::I32 | DType::I64 => Datatype::Fp32,
        }
    }

    /// As clients name it.
    pub fn parse(name: &str) -> Option<Datatype> {
        [Datatype::Fp32, Datatype::Fp16]
            .into_iter()
            .find(|datatype| datatype.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Datatype::Fp32 => "FP32",
            Datatype::Fp16 => "FP16",
        }
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Datatype::Fp32 => 4,
            Datatype::Fp16 => 2,
        }
    }

    /// Whether an input of this type can be sent as `other`: float32 is rounded where a model takes float16.
    pub fn takes(self, other: Datatype) -> bool {
        self == other || (self, other) == (Datatype::Fp16, Datatype::Fp32)
    }

    /// Little-endian values of the input `name`.
    pub fn read(self, name: &str, bytes: &[u8]) -> Result<Vec<f32>, RequestError> {
        if !bytes.len().is_multiple_of(self.size()) {
            return Err(RequestError::Malformed(format!(
                "input `{name}` has {} bytes, which is no number of {} values",
                bytes.len(),
                self.name()
            )));
        }
        let values = bytes.chunks_exact(self.size());
        Ok(match self {
            Datatype::Fp32 => values
                .map(|w| f32::from_le_bytes([w[0], w[1], w[2], w[3]]))
                .collect(),
            Datatype::Fp16 => values
                .map(|w| f16::from_le_bytes([w[0], w[1]]).to_f32())
                .collect(),
        })
    }

    /// The opposite of [`Datatype::read`], at the end of `bytes`.
    pub fn write(self, values: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Datatype::Fp32 => {
                let start = bytes.len();
                bytes.resize(start + 4 * values.len(), 0);
                for (to, value) in bytes[start..].chunks_exact_mut(4).zip(values) {
                    to.copy_from_slice(&value.to_le_bytes());
                }
            }
            Datatype::Fp16 => {
                bytes.extend(values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()));
            }
        }
    }

    /// The values as this type holds them.
    pub fn rounded(self, values: &[f32]) -> Cow<'_, [f32]> {
        match self {
            Datatype::Fp32 => Cow::Borrowed(values),
            Datatype::Fp16 => values.iter().map(|v| f16::from_f32(*v).to_f32()).collect(),
        }
    }
}
