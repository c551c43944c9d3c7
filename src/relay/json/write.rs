//! A Relay function as a JSON graph.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::document::{Document, Entry, Node, NodeKind};
use crate::relay::attrs::Attrs;
use crate::relay::error::RelayError;
use crate::relay::expr::{LooseType, arguments, operator};
use crate::relay::ops::starts;
use crate::relay::walk::{Sink, walk};
use crate::tvm::{Function, NDArray, Object, Value};

/// A document, and the constants it names, in the order of its nodes.
pub struct WrittenDocument {
    pub document: Document,
    pub constants: Vec<(String, NDArray)>,
}

/// Writes a type-checked function; `options` are added to the attributes of every operator.
///
/// # Errors
/// [`RelayError`] when the function holds something that is no tensor operation.
pub fn write(
    function: &Object,
    symbol: &str,
    options: &BTreeMap<String, Vec<String>>,
) -> Result<WrittenDocument, RelayError> {
    let mut writer = Writer {
        symbol,
        options,
        nodes: Vec::new(),
        outputs: Vec::new(),
        constants: Vec::new(),
    };
    let heads = walk(function, &mut writer)?;
    let mut node_row_ptr = vec![0];
    for count in &writer.outputs {
        node_row_ptr.push(node_row_ptr[node_row_ptr.len() - 1] + count);
    }
    let leaves = writer.nodes.iter().enumerate();
    Ok(WrittenDocument {
        document: Document {
            arg_nodes: leaves
                .filter(|(_, node)| node.op != NodeKind::Kernel)
                .map(|(index, _)| index)
                .collect(),
            heads,
            node_row_ptr,
            nodes: writer.nodes,
        },
        constants: writer.constants,
    })
}

struct Writer<'a> {
    symbol: &'a str,
    options: &'a BTreeMap<String, Vec<String>>,
    nodes: Vec<Node>,
    /// Tensors per node.
    outputs: Vec<usize>,
    constants: Vec<(String, NDArray)>,
}

impl Writer<'_> {
    fn add(&mut self, mut node: Node, types: &[LooseType]) -> Vec<Entry> {
        let shapes: Vec<&[i64]> = types.iter().map(|ty| &ty.shape[..]).collect();
        let dtypes: Vec<&str> = types.iter().map(|ty| &ty.dtype[..]).collect();
        node.attrs.insert("shape".into(), json!([shapes]));
        node.attrs.insert("dtype".into(), json!([dtypes]));
        let index = self.nodes.len();
        self.nodes.push(node);
        self.outputs.push(types.len());
        (0..types.len()).map(|entry| [index, entry, 0]).collect()
    }
}

impl Sink for Writer<'_> {
    type Value = Entry;

    fn input(&mut self, parameter: &Object, name: &str) -> Result<Vec<Entry>, RelayError> {
        let node = Node {
            op: NodeKind::Input,
            name: name.to_string(),
            inputs: Vec::new(),
            attrs: BTreeMap::new(),
        };
        Ok(self.add(node, &types(parameter, name)?))
    }

    fn constant(&mut self, constant: &Object) -> Result<Entry, RelayError> {
        // TVM 0.9 takes only constants whose names start with the compiler's.
        let name = format!("tensorrt_{}_const_{}", self.symbol, self.constants.len());
        let array = constant.field("data")?.ndarray()?;
        let shape = array.shape().iter().map(|d| *d as i64).collect();
        let ty = LooseType {
            shape,
            dtype: array.dtype(),
        };
        self.constants.push((name.clone(), array));
        let node = Node {
            op: NodeKind::Const,
            name,
            inputs: Vec::new(),
            attrs: BTreeMap::new(),
        };
        Ok(self.add(node, &[ty])[0])
    }

    fn call(&mut self, call: &Object, operands: &[Entry]) -> Result<Vec<Entry>, RelayError> {
        let op = operator(call)?.unwrap_or_default();
        let types = types(call, &op)?;
        let mut attrs = attributes(call, &op, &types)?;
        attrs.extend(self.options.clone());
        let lists = attrs.into_iter().map(|(key, list)| (key, json!([list])));
        let mut attrs: BTreeMap<String, Json> = lists.collect();
        attrs.insert("num_inputs".into(), json!(operands.len().to_string()));
        attrs.insert("num_outputs".into(), json!(types.len().to_string()));
        let node = Node {
            op: NodeKind::Kernel,
            name: format!("tensorrt.{op}"),
            inputs: operands.to_vec(),
            attrs,
        };
        Ok(self.add(node, &types))
    }
}

fn types(expr: &Object, name: &str) -> Result<Vec<LooseType>, RelayError> {
    LooseType::all(expr).map_err(|reason| RelayError::NotTaken {
        op: name.to_string(),
        reason,
    })
}

/// The attributes of a call as TVM writes them; slices are written with their bounds resolved.
fn attributes(
    call: &Object,
    op: &str,
    outputs: &[LooseType],
) -> Result<BTreeMap<String, Vec<String>>, RelayError> {
    let Value::Object(attrs) = call.field("attrs")? else {
        return Ok(BTreeMap::new());
    };
    let mut lists = BTreeMap::new();
    let names = Function::global("node.NodeListAttrNames")?.call(&[attrs.clone().into()])?;
    let names = names.function()?;
    for index in 0..names.call(&[Value::Int(-1)])?.int()? {
        let name = names.call(&[index.into()])?.text()?;
        lists.insert(name.clone(), texts_of(&attrs.field(&name)?)?);
    }
    match op {
        "split" => {
            let indices = matches!(attrs.field("indices_or_sections")?, Value::Object(object)
                if object.type_key()? == "Array");
            let mode = if indices { "indices" } else { "sections" };
            lists.insert("mode".into(), vec![mode.into()]);
        }
        "strided_slice" => resolve(call, outputs, &mut lists)?,
        "nn.pad" => last_two(&mut lists),
        _ => {}
    }
    Ok(lists)
}

/// A value as the graph writes it: nested arrays lose their nesting, an absent value is one empty text.
pub fn texts_of(value: &Value) -> Result<Vec<String>, RelayError> {
    let mut list = Vec::new();
    flatten(value, &mut list)?;
    Ok(list)
}

fn flatten(value: &Value, list: &mut Vec<String>) -> Result<(), RelayError> {
    match value {
        Value::Null => list.push(String::new()),
        Value::Int(int) => list.push(int.to_string()),
        Value::Float(float) => list.push(float.to_string()),
        Value::Text(text) => list.push(text.clone()),
        // An element type that was not given.
        Value::DType(dtype) if dtype.starts_with("void") || dtype.ends_with("custom0x0") => {
            list.push(String::new());
        }
        Value::DType(dtype) => list.push(dtype.clone()),
        Value::Object(object) => match object.type_key()?.as_str() {
            "Array" => {
                for item in object.array()? {
                    flatten(&item, list)?;
                }
            }
            "IntImm" | "FloatImm" => flatten(&object.field("value")?, list)?,
            _ => list.push(value.text()?),
        },
        other => list.push(other.text()?),
    }
    Ok(())
}

/// `begin`, `end`, `axes` become `start` and `size` of every axis. A dynamic axis counts as endless: it is taken from its
/// front.
fn resolve(
    call: &Object,
    outputs: &[LooseType],
    lists: &mut BTreeMap<String, Vec<String>>,
) -> Result<(), RelayError> {
    let operand = types(&arguments(call)?[0], "strided_slice")?;
    let x: Vec<usize> = operand[0]
        .shape
        .iter()
        .map(|d| usize::try_from(*d).unwrap_or(i64::MAX as usize))
        .collect();
    let starts = starts(&Attrs::new("strided_slice", call.field("attrs")?)?, &x)?;
    for name in ["begin", "end", "axes", "slice_mode"] {
        lists.remove(name);
    }
    let start = starts.iter().map(|(start, _)| start.to_string());
    lists.insert("start".into(), start.collect());
    let strides = starts.iter().map(|(_, stride)| stride.to_string());
    lists.insert("strides".into(), strides.collect());
    let size = outputs[0].shape.iter().map(i64::to_string);
    lists.insert("size".into(), size.collect());
    Ok(())
}

/// TVM's own form of a padding of the last two axes, beside the whole one.
fn last_two(lists: &mut BTreeMap<String, Vec<String>>) {
    let width = lists.get("pad_width").cloned().unwrap_or_default();
    if let [others @ .., top, bottom, left, right] = &width[..]
        && others.iter().all(|w| w == "0")
    {
        let padding = [top, left, bottom, right].map(String::clone);
        lists.insert("padding".into(), padding.to_vec());
    }
}
