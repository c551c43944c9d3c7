//! TVM's own TensorRT backend, for a TVM that was built without it: the names, the JSON graphs and the saved modules that
//! `partition_for_tensorrt` and what it compiled expect.

mod codegen;
mod module;
mod options;
mod runner;

use super::ffi::{make_module, register_tensorrt_loader};
use module::TensorRtModule;
use tvm_dla::split::DlaTarget;
use tvm_dla::tvm::{Arguments, CallError, Function, TvmError, Value, register as global};

/// Registers every name that this TVM has not got already.
pub fn register() -> Result<(), CallError> {
    register_tensorrt_loader()?;
    // TVM 0.9 asks by the first name, later versions by the second.
    for name in [
        "relay.op.is_tensorrt_runtime_enabled",
        "relay.ext.tensorrt.is_runtime_enabled",
    ] {
        if_absent(name, |_| Ok(Value::Int(1)))?;
    }
    for name in ["relay.op.get_tensorrt_version", "relay.ext.tensorrt.get_version"] {
        if_absent(name, |_| Ok(version()?))?;
    }
    if_absent("runtime.tensorrt_runtime_create", |arguments| {
        let names = arguments.get(2)?.object()?.array()?;
        let names: Result<Vec<String>, TvmError> = names.iter().map(Value::text).collect();
        let module = TensorRtModule::new(arguments.text(0)?, arguments.text(1)?, names?)?;
        Ok(make_module(Box::new(module))?.into())
    })?;
    let ours = if_absent("relay.ext.tensorrt", codegen::code_generator)?;
    if ours {
        if_absent("relay.ext.tensorrt.constant_updater", codegen::constants)?;
    }
    Ok(())
}

/// Whether the name was free.
fn if_absent<F>(name: &str, function: F) -> Result<bool, TvmError>
where
    F: Fn(&Arguments<'_>) -> Result<Value, CallError> + Send + Sync + 'static,
{
    match Function::global(name) {
        Ok(_) => Ok(false),
        Err(TvmError::NoFunction(_)) => global(name, function).map(|()| true),
        Err(other) => Err(other),
    }
}

/// The TensorRT that networks are compiled for when nobody says which.
fn version() -> Result<Value, TvmError> {
    let tvm_dla::split::Version(major, minor, patch) = DlaTarget::default().tensorrt;
    let parts = [major, minor, patch].map(|part| Value::Int(part.into()));
    array(&parts, |part| {
        Function::global("ir.IntImm")?.call(&["int32".into(), part.clone(), Value::Null])
    })
}

/// A TVM array of texts.
fn texts(items: &[String]) -> Result<Value, TvmError> {
    let items: Vec<Value> = items.iter().map(|text| text.as_str().into()).collect();
    array(&items, |text| {
        Function::global("runtime.String")?.call(std::slice::from_ref(text))
    })
}

fn array(items: &[Value], object: impl Fn(&Value) -> Result<Value, TvmError>) -> Result<Value, TvmError> {
    let items: Result<Vec<Value>, TvmError> = items.iter().map(object).collect();
    Function::global("runtime.Array")?.call(&items?)
}
