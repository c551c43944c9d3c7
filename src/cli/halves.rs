//! float16 as an element of NumPy files.

use std::io::{Read, Write};

use half::f16;
use ndarray_npy::{ReadDataError, ReadableElement, WritableElement, WriteDataError};
use py_literal::Value;

/// NumPy's `<f2`.
#[derive(Clone, Copy)]
pub struct Half(pub f16);

const DESCRIPTOR: &str = "<f2";

impl ReadableElement for Half {
    fn read_to_end_exact_vec<R: Read>(
        mut reader: R,
        descriptor: &Value,
        len: usize,
    ) -> Result<Vec<Half>, ReadDataError> {
        if *descriptor != Value::String(DESCRIPTOR.to_string()) {
            return Err(ReadDataError::WrongDescriptor(descriptor.clone()));
        }
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(ReadDataError::Io)?;
        let want = len.saturating_mul(2);
        if bytes.len() < want {
            return Err(ReadDataError::MissingData);
        }
        if bytes.len() > want {
            return Err(ReadDataError::ExtraBytes(bytes.len() - want));
        }
        let pairs = bytes.chunks_exact(2);
        Ok(pairs
            .map(|pair| Half(f16::from_le_bytes([pair[0], pair[1]])))
            .collect())
    }
}

impl WritableElement for Half {
    fn type_descriptor() -> Value {
        Value::String(DESCRIPTOR.to_string())
    }

    fn write<W: Write>(&self, mut writer: W) -> Result<(), WriteDataError> {
        Ok(writer.write_all(&self.0.to_le_bytes())?)
    }

    fn write_slice<W: Write>(slice: &[Half], mut writer: W) -> Result<(), WriteDataError> {
        let bytes: Vec<u8> = slice.iter().flat_map(|half| half.0.to_le_bytes()).collect();
        Ok(writer.write_all(&bytes)?)
    }
}
