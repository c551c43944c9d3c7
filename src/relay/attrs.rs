//! The attributes of a Relay call as Rust values, read by reflection or from a JSON graph.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::error::RelayError;
use crate::tvm::{Object, TvmError, Value};

/// Attributes of one call; errors name the operator and the attribute.
pub struct Attrs {
    op: String,
    source: Source,
}

enum Source {
    /// A node of Relay, read by reflection.
    Reflected(Object),
    /// What TVM's JSON graphs say: each attribute as a flat list of texts, an absent value as one empty text.
    Listed(BTreeMap<String, Vec<String>>),
    None,
}

impl Attrs {
    pub fn new(op: &str, attrs: Value) -> Result<Attrs, RelayError> {
        let source = match attrs {
            Value::Null => Source::None,
            other => Source::Reflected(other.object()?),
        };
        Ok(Attrs {
            op: op.to_string(),
            source,
        })
    }

    pub fn listed(op: &str, lists: BTreeMap<String, Vec<String>>) -> Attrs {
        Attrs {
            op: op.to_string(),
            source: Source::Listed(lists),
        }
    }

    /// Whether the call has the attribute at all; versions of TVM differ.
    pub fn has(&self, name: &str) -> bool {
        match &self.source {
            Source::Reflected(object) => object.field(name).is_ok(),
            Source::Listed(lists) => lists.contains_key(name),
            Source::None => false,
        }
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
        if holds { Ok(()) } else { Err(self.refuse(reason())) }
    }

    pub fn int(&self, name: &str) -> Result<i64, RelayError> {
        match &self.source {
            Source::Listed(_) => self.parsed(name),
            Source::Reflected(_) | Source::None => {
                int(&self.value(name)?).map_err(|error| self.wrong(name, &error))
            }
        }
    }

    pub fn flag(&self, name: &str) -> Result<bool, RelayError> {
        Ok(self.int(name)? != 0)
    }

    pub fn float(&self, name: &str) -> Result<f32, RelayError> {
        match &self.source {
            Source::Listed(_) => Ok(self.parsed::<f64>(name)? as f32),
            Source::Reflected(_) | Source::None => {
                let value = self.value(name)?;
                Ok(value.float().map_err(|error| self.wrong(name, &error))? as f32)
            }
        }
    }

    /// A text; absent is empty.
    pub fn text(&self, name: &str) -> Result<String, RelayError> {
        if let Source::Listed(_) = self.source {
            return Ok(self.list(name)?.first().cloned().unwrap_or_default());
        }
        match self.value(name)? {
            Value::Null => Ok(String::new()),
            value => Ok(value.text().map_err(|error| self.wrong(name, &error))?),
        }
    }

    /// A list of integers; a single integer is a list of one, absent is `None`.
    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, RelayError> {
        if let Source::Listed(_) = self.source {
            return match self.list(name)? {
                [only] if only.is_empty() => Ok(None),
                list => list
                    .iter()
                    .map(|text| self.number(name, text))
                    .collect::<Result<_, _>>()
                    .map(Some),
            };
        }
        self.ints_of(self.value(name)?)
            .map_err(|error| self.wrong(name, &error))
    }

    /// A list of lists of two integers.
    pub fn pairs(&self, name: &str) -> Result<Vec<[i64; 2]>, RelayError> {
        let flat = match &self.source {
            Source::Listed(_) => self.ints(name)?.unwrap_or_default(),
            Source::Reflected(_) | Source::None => {
                let rows = self.value(name)?.object()?.array()?;
                let rows: Result<Vec<_>, TvmError> = rows.into_iter().map(|row| self.ints_of(row)).collect();
                rows?.into_iter().flatten().flatten().collect()
            }
        };
        self.ensure(flat.len().is_multiple_of(2), || {
            format!("{name} is {flat:?}, not pairs")
        })?;
        Ok(flat.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
    }

    /// One size per map axis; one is used for all.
    pub fn sizes<const N: usize>(&self, name: &str) -> Result<[usize; N], RelayError> {
        let list = self.ints(name)?.unwrap_or_default();
        let wrong = || self.refuse(format!("{name} is {list:?}, not {N} sizes"));
        let sizes: Result<Vec<usize>, _> = list.iter().map(|v| usize::try_from(*v)).collect();
        match &sizes.map_err(|_| wrong())?[..] {
            [all] => Ok([*all; N]),
            each => <[usize; N]>::try_from(each).map_err(|_| wrong()),
        }
    }

    fn list(&self, name: &str) -> Result<&[String], RelayError> {
        match &self.source {
            Source::Listed(lists) => lists
                .get(name)
                .map(Vec::as_slice)
                .ok_or_else(|| self.refuse(format!("has no attribute {name}"))),
            Source::Reflected(_) | Source::None => Ok(&[]),
        }
    }

    fn number<T: FromStr>(&self, name: &str, text: &str) -> Result<T, RelayError> {
        text.parse()
            .map_err(|_| self.refuse(format!("attribute {name} is `{text}`, not a number")))
    }

    fn parsed<T: FromStr>(&self, name: &str) -> Result<T, RelayError> {
        match self.list(name)? {
            [only] => self.number(name, only),
            other => Err(self.refuse(format!("attribute {name} is {other:?}, not a number"))),
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
        match &self.source {
            Source::Reflected(object) => object.field(name).map_err(|e| self.wrong(name, &e)),
            Source::Listed(_) | Source::None => Err(self.refuse(format!("has no attributes, so no {name}"))),
        }
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
