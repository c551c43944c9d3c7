//! The attributes of a Relay call, read by reflection into Rust values.

use super::error::RelayError;
use crate::tvm::{Object, TvmError, Value};

/// Attributes of one call; errors name the operator and the attribute.
pub struct Attrs {
    op: String,
    object: Option<Object>,
}

impl Attrs {
    pub fn new(op: &str, attrs: Value) -> Result<Attrs, RelayError> {
        let object = match attrs {
            Value::Null => None,
            other => Some(other.object()?),
        };
        Ok(Attrs {
            op: op.to_string(),
            object,
        })
    }

    /// A refusal of this call.
    pub fn refuse(&self, reason: impl Into<String>) -> RelayError {
        RelayError::NotTaken {
            op: self.op.clone(),
            reason: reason.into(),
        }
    }

    /// Refuses unless `holds`.
    pub fn ensure(&self, holds: bool, reason: impl FnOnce() -> String) -> Result<(), RelayError> {
        match holds {
            true => Ok(()),
            false => Err(self.refuse(reason())),
        }
    }

    pub fn int(&self, name: &str) -> Result<i64, RelayError> {
        int(&self.value(name)?).map_err(|error| self.wrong(name, &error))
    }

    pub fn flag(&self, name: &str) -> Result<bool, RelayError> {
        Ok(self.int(name)? != 0)
    }

    pub fn float(&self, name: &str) -> Result<f32, RelayError> {
        let value = self.value(name)?;
        Ok(value.float().map_err(|error| self.wrong(name, &error))? as f32)
    }

    /// A text; absent is empty.
    pub fn text(&self, name: &str) -> Result<String, RelayError> {
        match self.value(name)? {
            Value::Null => Ok(String::new()),
            value => Ok(value.text().map_err(|error| self.wrong(name, &error))?),
        }
    }

    /// A list of integers; a single integer is a list of one, absent is `None`.
    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, RelayError> {
        self.ints_of(self.value(name)?)
            .map_err(|error| self.wrong(name, &error))
    }

    /// A list of lists of integers.
    pub fn pairs(&self, name: &str) -> Result<Vec<Vec<i64>>, RelayError> {
        let rows = self.value(name)?.object()?.array()?;
        rows.into_iter()
            .map(|row| Ok(self.ints_of(row)?.unwrap_or_default()))
            .collect()
    }

    /// Two sizes; one is used for both.
    pub fn two(&self, name: &str) -> Result<[usize; 2], RelayError> {
        let list = self.ints(name)?.unwrap_or_default();
        let size = |value: i64| {
            usize::try_from(value).map_err(|_| self.refuse(format!("{name} is {list:?}")))
        };
        match list[..] {
            [both] => Ok([size(both)?; 2]),
            [a, b] => Ok([size(a)?, size(b)?]),
            _ => Err(self.refuse(format!("{name} is {list:?}, not two numbers"))),
        }
    }

    /// Refuses unless the text attribute is one of `allowed`.
    pub fn one_of(&self, name: &str, allowed: &[&str]) -> Result<(), RelayError> {
        let text = self.text(name)?;
        self.ensure(allowed.contains(&text.as_str()), || {
            format!("{name} is `{text}`, not {}", allowed[0])
        })
    }

    /// An axis counted from the front.
    pub fn axis(&self, name: &str, rank: usize) -> Result<usize, RelayError> {
        self.in_rank(self.int(name)?, rank)
    }

    /// `axis`, maybe negative, counted from the front.
    pub fn in_rank(&self, axis: i64, rank: usize) -> Result<usize, RelayError> {
        let from_front = if axis < 0 { axis + rank as i64 } else { axis };
        usize::try_from(from_front)
            .ok()
            .filter(|axis| *axis < rank)
            .ok_or_else(|| self.refuse(format!("axis {axis} is outside rank {rank}")))
    }

    fn ints_of(&self, value: Value) -> Result<Option<Vec<i64>>, TvmError> {
        match value {
            Value::Null => Ok(None),
            Value::Int(int) => Ok(Some(vec![int])),
            other => {
                let object = other.object()?;
                match object.type_key()?.as_str() {
                    "Array" => object
                        .array()?
                        .iter()
                        .map(int)
                        .collect::<Result<_, _>>()
                        .map(Some),
                    _ => int(&other).map(|value| Some(vec![value])),
                }
            }
        }
    }

    fn value(&self, name: &str) -> Result<Value, RelayError> {
        let object = self
            .object
            .as_ref()
            .ok_or_else(|| self.refuse(format!("has no attributes, so no {name}")))?;
        object.field(name).map_err(|error| self.wrong(name, &error))
    }

    fn wrong(&self, name: &str, error: &TvmError) -> RelayError {
        self.refuse(format!("attribute {name}: {error}"))
    }
}

/// An integer, or TVM's integer constant.
pub fn int(value: &Value) -> Result<i64, TvmError> {
    match value {
        Value::Object(object) if object.type_key()? == "IntImm" => object.field("value")?.int(),
        other => other.int(),
    }
}
