//! Constants that a model brings itself, as TVM saves them.

use crate::tvm::{TvmError, numbers};

/// Before a file of parameters.
const MAGIC: u64 = 0xF7E5_8D4F_0504_9CB7;
/// Before each array in it.
const ARRAY_MAGIC: u64 = 0xDD5E_40F0_96B4_A13F;

/// The parameters of one model.
#[derive(Debug, Default, Clone)]
pub struct Params {
    named: Vec<(String, Constant)>,
    /// As TVM's `load_params` takes them.
    pub bytes: Vec<u8>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    pub shape: Vec<usize>,
    /// As TVM prints it: `float32`.
    pub dtype: String,
    bytes: Vec<u8>,
}

impl Constant {
    /// Its elements as float32.
    ///
    /// # Errors
    /// [`TvmError::Type`] when they are no numbers.
    pub fn numbers(&self) -> Result<Vec<f32>, TvmError> {
        numbers(&self.dtype, &self.bytes)
    }
}

impl Params {
    /// A file of parameters; empty for a model without any. `None` when it is cut off, or something else.
    pub fn parse(bytes: &[u8]) -> Option<Params> {
        if bytes.is_empty() {
            return Some(Params::default());
        }
        let mut reader = Reader { bytes, at: 0 };
        if reader.number()? != MAGIC {
            return None;
        }
        // A reserved word.
        reader.number()?;
        let names = reader.names()?;
        Some(Params {
            named: reader.arrays(names)?,
            bytes: bytes.to_vec(),
        })
    }

    /// The list that follows an execution graph in a library: the number comes first, and once more with the names.
    pub fn after_graph(bytes: &[u8]) -> Option<Params> {
        let mut reader = Reader { bytes, at: 0 };
        let count = reader.number()?;
        let names = reader.names()?;
        let arrays = reader.at;
        let named = reader.arrays_of(names, count)?;
        let mut file = Vec::with_capacity(reader.at + 24);
        file.extend(MAGIC.to_le_bytes());
        file.extend(0u64.to_le_bytes());
        file.extend(&bytes[8..arrays]);
        file.extend(count.to_le_bytes());
        file.extend(&bytes[arrays..reader.at]);
        Some(Params { named, bytes: file })
    }

    pub fn get(&self, name: &str) -> Option<&Constant> {
        let mut named = self.named.iter();
        named.find_map(|(own, constant)| (own == name).then_some(constant))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn names(&mut self) -> Option<Vec<String>> {
        let count = self.number()?;
        (0..count)
            .map(|_| {
                let length = self.size()?;
                Some(String::from_utf8_lossy(self.take(length)?).into_owned())
            })
            .collect()
    }

    fn arrays(&mut self, names: Vec<String>) -> Option<Vec<(String, Constant)>> {
        let count = self.number()?;
        self.arrays_of(names, count)
    }

    fn arrays_of(&mut self, names: Vec<String>, count: u64) -> Option<Vec<(String, Constant)>> {
        if names.len() as u64 != count {
            return None;
        }
        let named = names.into_iter();
        named.map(|name| Some((name, self.array()?))).collect()
    }

    /// A magic number, a reserved word, a device (8 bytes), the rank, the type, the sides, the size, the elements.
    fn array(&mut self) -> Option<Constant> {
        if self.number()? != ARRAY_MAGIC {
            return None;
        }
        self.take(8 + 8)?;
        let rank = u32::from_le_bytes(self.take(4)?.try_into().ok()?);
        let dtype = match *self.take(4)? {
            [code, bits, 1, 0] => dtype(code, bits)?,
            _ => return None,
        };
        let shape = (0..rank).map(|_| self.size()).collect::<Option<_>>()?;
        let size = self.size()?;
        Some(Constant {
            shape,
            dtype,
            bytes: self.take(size)?.to_vec(),
        })
    }
}

fn dtype(code: u8, bits: u8) -> Option<String> {
    Some(match (code, bits) {
        (1, 1) => "bool".to_string(),
        (0, _) => format!("int{bits}"),
        (1, _) => format!("uint{bits}"),
        (2, _) => format!("float{bits}"),
        _ => return None,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
    }

    fn array(shape: &[i64], data: &[f32]) -> Vec<u8> {
        let mut bytes = [ARRAY_MAGIC.to_le_bytes(), [0; 8], [1, 0, 0, 0, 0, 0, 0, 0]].concat();
        bytes.extend((shape.len() as u32).to_le_bytes());
        bytes.extend([2, 32, 1, 0]);
        bytes.extend(shape.iter().flat_map(|side| side.to_le_bytes()));
        bytes.extend((4 * data.len() as u64).to_le_bytes());
        bytes.extend(data.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    /// A file with one parameter, a float32 vector.
    pub fn file(name: &str, data: &[f32]) -> Vec<u8> {
        let mut bytes = [MAGIC.to_le_bytes(), [0; 8], 1u64.to_le_bytes()].concat();
        bytes.extend(text(name));
        bytes.extend(1u64.to_le_bytes());
        bytes.extend(array(&[data.len() as i64], data));
        bytes
    }

    /// The same as it lies behind an execution graph.
    pub fn behind_graph(name: &str, data: &[f32]) -> Vec<u8> {
        let mut bytes = [1u64.to_le_bytes(), 1u64.to_le_bytes()].concat();
        bytes.extend(text(name));
        bytes.extend(array(&[data.len() as i64], data));
        bytes
    }

    #[test]
    fn both_forms_hold_the_same_and_give_the_file() {
        let plain = Params::parse(&file("p0", &[1.0, -2.5])).unwrap();
        let mut library = behind_graph("p0", &[1.0, -2.5]);
        library.extend(b"more of the library");
        let behind = Params::after_graph(&library).unwrap();
        for params in [&plain, &behind] {
            let constant = params.get("p0").unwrap();
            assert_eq!(constant.shape, [2]);
            assert_eq!(constant.numbers().unwrap(), [1.0, -2.5]);
            assert!(params.get("p1").is_none());
        }
        assert_eq!(plain.bytes, behind.bytes);
    }

    #[test]
    fn what_is_cut_off_is_nothing() {
        let whole = file("p0", &[1.0, -2.5]);
        for length in 1..whole.len() {
            assert!(Params::parse(&whole[..length]).is_none(), "{length} bytes");
        }
        assert!(Params::parse(b"").is_some(), "a model without parameters");
    }
}
