//! The options that a function is compiled with: the pass configuration in TVM 0.9, the target from 0.10 on.

use std::collections::BTreeMap;

use tvm_dla::relay::json::texts_of;
use tvm_dla::tvm::{CallError, Function, Object, TvmError, Value};

const CONFIG: &str = "relay.ext.tensorrt.options";
const KIND: &str = "tensorrt";
/// The names, and what they mean when nobody says otherwise.
const DEFAULTS: [(&str, &[&str]); 5] = [
    ("tensorrt_version", &["6", "0", "1"]),
    ("use_implicit_batch", &["1"]),
    ("max_workspace_size", &["1073741824"]),
    ("use_fp16", &["0"]),
    ("use_uint8", &["0"]),
];

pub fn current() -> Result<BTreeMap<String, Vec<String>>, CallError> {
    let given = match config()? {
        Some(node) => GivenOption::Fields(node),
        None => target()?.map_or(GivenOption::Nothing, GivenOption::Map),
    };
    let mut options = BTreeMap::new();
    for (name, default) in DEFAULTS {
        let value = given.get(name)?.map(|value| texts_of(&value)).transpose()?;
        let value = value.filter(|list| !list.is_empty());
        let default = || default.iter().map(|text| text.to_string()).collect();
        options.insert(name.to_string(), value.unwrap_or_else(default));
    }
    Ok(options)
}

enum GivenOption {
    Nothing,
    Fields(Object),
    Map(Object),
}

impl GivenOption {
    fn get(&self, name: &str) -> Result<Option<Value>, TvmError> {
        match self {
            GivenOption::Nothing => Ok(None),
            GivenOption::Fields(node) => node.field(name).map(Some),
            GivenOption::Map(map) => map_item(map, name),
        }
    }
}

fn config() -> Result<Option<Object>, TvmError> {
    let context = Function::global("transform.GetCurrentPassContext")?.call(&[])?;
    let config = context.object()?.field("config")?.object()?;
    map_item(&config, CONFIG)?.map(|node| node.object()).transpose()
}

/// The attributes of the current target, if it is one of this kind.
fn target() -> Result<Option<Object>, TvmError> {
    let target = Function::global("target.TargetCurrent")?.call(&[Value::Int(1)])?;
    let Value::Object(target) = target else {
        return Ok(None);
    };
    let kind = target.field("kind")?.object()?.field("name")?.text()?;
    if kind == KIND {
        target.field("attrs")?.object().map(Some)
    } else {
        Ok(None)
    }
}

fn map_item(map: &Object, key: &str) -> Result<Option<Value>, TvmError> {
    let key = Function::global("runtime.String")?.call(&[key.into()])?;
    let arguments = [map.clone().into(), key];
    match Function::global("runtime.MapCount")?.call(&arguments)?.int()? {
        0 => Ok(None),
        _ => Function::global("runtime.MapGetItem")?.call(&arguments).map(Some),
    }
}
