//! A Relay function as a network. Composite functions inside it are inlined by their bodies, never by their names.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::RelayError;
use super::expr::{arguments, objects, operator, type_name, Call, Expr, TensorType};
use super::names::Names;
use super::ops::{check, read, Taken};
use crate::graph::{DType, Graph, GraphBuilder, TensorId};
use crate::tvm::{NDArray, Object};

/// A network, and the Relay call that each tensor came from.
pub struct Converted {
    pub graph: Graph,
    /// Object id of a call -> the tensor it returns. Calls that pass their operand on share its tensor.
    pub tensors: HashMap<usize, TensorId>,
}

/// Converts a type-checked function; its parameters become inputs, its body's tensors outputs.
pub fn convert(function: &Object, name: &str) -> Result<Converted, RelayError> {
    let mut converter = Converter {
        builder: GraphBuilder::new(name),
        names: Names::default(),
        tensors: HashMap::new(),
    };
    let mut scope = Scope::new();
    for parameter in objects(function.field("params")?)? {
        let input = converter.input(&parameter)?;
        scope.insert(parameter.id(), vec![input]);
    }
    for output in converter.body(function, scope)? {
        converter.builder.output(output);
    }
    Ok(Converted {
        graph: converter.builder.finish()?,
        tensors: converter.tensors,
    })
}

/// What the expressions of one function body stand for; several tensors when they are tuples.
type Scope = HashMap<usize, Vec<TensorId>>;

struct Converter {
    builder: GraphBuilder,
    names: Names,
    tensors: HashMap<usize, TensorId>,
}

impl Converter {
    fn input(&mut self, parameter: &Object) -> Result<TensorId, RelayError> {
        let name = variable_name(parameter)?;
        let refuse = |reason: String| RelayError::NotTaken {
            op: format!("input `{name}`"),
            reason,
        };
        let ty = TensorType::of(parameter).map_err(refuse)?;
        match ty.dtype.as_str() {
            "float32" => Ok(self.builder.input(&name, &ty.shape)),
            other => Err(refuse(format!("it is {other}, not float32"))),
        }
    }

    fn body(&mut self, function: &Object, mut scope: Scope) -> Result<Vec<TensorId>, RelayError> {
        let body = function.field("body")?.object()?;
        for expr in post_order(&body, &scope)? {
            let tensors = self.expression(&expr, &scope)?;
            scope.insert(expr.id(), tensors);
        }
        lookup(&scope, &body)
    }

    fn expression(&mut self, expr: &Object, scope: &Scope) -> Result<Vec<TensorId>, RelayError> {
        match Expr::of(expr)? {
            Expr::Var => Err(RelayError::Expression(format!(
                "free variable `{}`",
                variable_name(expr)?
            ))),
            Expr::Constant => Ok(vec![self.constant(expr)?]),
            Expr::Tuple(fields) => Ok(many(scope, &fields)?),
            Expr::TupleGetItem { tuple, index } => {
                let parts = lookup(scope, &tuple)?;
                let part = parts.get(index).copied();
                let gone = || RelayError::Expression(format!("result {index} of a call"));
                Ok(vec![part.ok_or_else(gone)?])
            }
            Expr::Call => self.call(expr, scope),
        }
    }

    fn call(&mut self, expr: &Object, scope: &Scope) -> Result<Vec<TensorId>, RelayError> {
        let operands = many(scope, &arguments(expr)?)?;
        if operator(expr)?.is_none() {
            return self.inline(&expr.field("op")?.object()?, scope, &arguments(expr)?);
        }
        let call = Call::of(expr)?;
        let taken = read(&call)?;
        check(&call, &taken)?;
        let tensor = match taken {
            Taken::Identity => operands[0],
            Taken::Op { op, operands: used } => {
                let name = self.names.fresh(op.name());
                self.builder.node(&name, op, &operands[..used])?
            }
        };
        self.tensors.insert(expr.id(), tensor);
        Ok(vec![tensor])
    }

    fn inline(
        &mut self,
        function: &Object,
        scope: &Scope,
        arguments: &[Object],
    ) -> Result<Vec<TensorId>, RelayError> {
        if type_name(function)? != "Function" {
            return Err(RelayError::Expression(format!(
                "call of a {}",
                type_name(function)?
            )));
        }
        let mut inner = Scope::new();
        for (parameter, argument) in objects(function.field("params")?)?.iter().zip(arguments) {
            inner.insert(parameter.id(), lookup(scope, argument)?);
        }
        self.body(function, inner)
    }

    fn constant(&mut self, expr: &Object) -> Result<TensorId, RelayError> {
        let array: NDArray = expr.field("data")?.ndarray()?;
        let dtype = match array.dtype().as_str() {
            "float32" => DType::F32,
            "float16" => DType::F16,
            "int8" => DType::I8,
            "int32" => DType::I32,
            "int64" => DType::I64,
            other => return Err(RelayError::Expression(format!("constant of type {other}"))),
        };
        let name = self.names.fresh("constant");
        let data = Arc::new(array.to_bytes()?);
        Ok(self
            .builder
            .tensor(&name, &array.shape(), dtype, Some(data)))
    }
}

fn variable_name(var: &Object) -> Result<String, RelayError> {
    Ok(var.field("vid")?.object()?.field("name_hint")?.text()?)
}

fn lookup(scope: &Scope, expr: &Object) -> Result<Vec<TensorId>, RelayError> {
    let missing = || RelayError::Expression("expression before its operands".to_string());
    scope.get(&expr.id()).cloned().ok_or_else(missing)
}

fn many(scope: &Scope, exprs: &[Object]) -> Result<Vec<TensorId>, RelayError> {
    let lists: Result<Vec<_>, _> = exprs.iter().map(|expr| lookup(scope, expr)).collect();
    Ok(lists?.concat())
}

/// The expressions of a body that `known` lacks, operands first, each once; deep networks need no deep stack.
fn post_order(body: &Object, known: &Scope) -> Result<Vec<Object>, RelayError> {
    let mut order = Vec::new();
    let mut seen: HashMap<usize, bool> = known.keys().map(|id| (*id, true)).collect();
    let mut stack = vec![body.clone()];
    while let Some(expr) = stack.last().cloned() {
        match seen.get(&expr.id()) {
            Some(true) => {
                stack.pop();
            }
            Some(false) => {
                seen.insert(expr.id(), true);
                order.push(expr);
                stack.pop();
            }
            None => {
                seen.insert(expr.id(), false);
                let operands = operands(&expr)?;
                stack.extend(operands.into_iter().filter(|o| !seen.contains_key(&o.id())));
            }
        }
    }
    Ok(order)
}

fn operands(expr: &Object) -> Result<Vec<Object>, RelayError> {
    Ok(match Expr::of(expr)? {
        Expr::Var | Expr::Constant => Vec::new(),
        Expr::Tuple(fields) => fields,
        Expr::TupleGetItem { tuple, .. } => vec![tuple],
        Expr::Call => arguments(expr)?,
    })
}
