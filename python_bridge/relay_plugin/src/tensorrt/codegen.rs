//! A partitioned function -> a JSON graph in a module, and its constants by name.

use std::collections::HashMap;

use super::{options, texts};
use crate::compile::attribute;
use tvm_dla::relay::json::{WrittenDocument, write};
use tvm_dla::tvm::{Arguments, CallError, Function, Object, Value};

/// TVM's hook. The graph is read back once, so that what cannot run is refused while compiling.
pub fn code_generator(arguments: &Arguments<'_>) -> Result<Value, CallError> {
    let function = arguments.get(0)?.object()?;
    let (symbol, written) = written(&function)?;
    let names: Vec<String> = written.constants.iter().map(|(name, _)| name.clone()).collect();
    let constants: HashMap<_, _> = written.constants.into_iter().collect();
    written.document.network(&symbol, &constants, 1)?;
    let create = Function::global("runtime.tensorrt_runtime_create")?;
    let graph = written.document.to_text();
    Ok(create.call(&[symbol.into(), graph.into(), texts(&names)?])?)
}

/// TVM's hook: the constants of a function under the names that its graph has for them.
pub fn constants(arguments: &Arguments<'_>) -> Result<Value, CallError> {
    let function = arguments.get(0)?.object()?;
    let (_, written) = written(&function)?;
    let mut items = Vec::new();
    for (name, array) in written.constants {
        items.push(Function::global("runtime.String")?.call(&[name.into()])?);
        items.push(array.into());
    }
    Ok(Function::global("runtime.Map")?.call(&items)?)
}

fn written(function: &Object) -> Result<(String, WrittenDocument), CallError> {
    let symbol = attribute(function, "global_symbol")?.ok_or("an external function without global_symbol")?;
    let written = write(function, &symbol, &options::current()?)?;
    Ok((symbol, written))
}
