//! Walks a Relay function in the order of its data flow. Composite functions inside it are entered by their bodies: since
//! TVM 0.11 a composite lists a repeated argument once, so its argument list says nothing about its operands.

use std::collections::HashMap;

use super::error::RelayError;
use super::expr::{Expr, arguments, objects, operator, type_name};
use crate::tvm::Object;

/// What a walk makes of expressions; an expression stands for one value per tensor.
pub trait Sink {
    type Value: Clone;

    /// A parameter of the function: one value, or one per field of a tuple.
    fn input(&mut self, parameter: &Object, name: &str) -> Result<Vec<Self::Value>, RelayError>;

    fn constant(&mut self, constant: &Object) -> Result<Self::Value, RelayError>;

    /// A call of an operator.
    fn call(&mut self, call: &Object, operands: &[Self::Value]) -> Result<Vec<Self::Value>, RelayError>;
}

/// Shows `function` to `sink`: parameters, then each expression after its operands. Gives what its body stands for.
pub fn walk<S: Sink>(function: &Object, sink: &mut S) -> Result<Vec<S::Value>, RelayError> {
    let mut scope = Scope::<S>::new();
    for parameter in objects(function.field("params")?)? {
        let name = variable_name(&parameter)?;
        scope.insert(parameter.id(), sink.input(&parameter, &name)?);
    }
    let constants = HashMap::new();
    Walk { sink, constants }.body(function, scope)
}

/// What the expressions of one function body stand for.
type Scope<S> = HashMap<usize, Vec<<S as Sink>::Value>>;

struct Walk<'a, S: Sink> {
    sink: &'a mut S,
    /// By object id: composites may share them.
    constants: HashMap<usize, S::Value>,
}

impl<S: Sink> Walk<'_, S> {
    fn body(&mut self, function: &Object, mut scope: Scope<S>) -> Result<Vec<S::Value>, RelayError> {
        let body = function.field("body")?.object()?;
        for expr in post_order::<S>(&body, &scope)? {
            let values = self.expression(&expr, &scope)?;
            scope.insert(expr.id(), values);
        }
        lookup::<S>(&scope, &body)
    }

    fn expression(&mut self, expr: &Object, scope: &Scope<S>) -> Result<Vec<S::Value>, RelayError> {
        match Expr::of(expr)? {
            Expr::Var => Err(RelayError::Expression(format!(
                "free variable `{}`",
                variable_name(expr)?
            ))),
            Expr::Constant => Ok(vec![self.constant(expr)?]),
            Expr::Tuple(fields) => many::<S>(scope, &fields),
            Expr::TupleGetItem { tuple, index } => {
                if let Expr::Tuple(fields) = Expr::of(&tuple)? {
                    let field = fields.get(index).cloned().unwrap_or(tuple);
                    return lookup::<S>(scope, &field);
                }
                let part = lookup::<S>(scope, &tuple)?.get(index).cloned();
                let gone = || RelayError::Expression(format!("result {index} of a call"));
                Ok(vec![part.ok_or_else(gone)?])
            }
            Expr::Call => self.call(expr, scope),
        }
    }

    fn constant(&mut self, expr: &Object) -> Result<S::Value, RelayError> {
        if let Some(known) = self.constants.get(&expr.id()) {
            return Ok(known.clone());
        }
        let value = self.sink.constant(expr)?;
        self.constants.insert(expr.id(), value.clone());
        Ok(value)
    }

    fn call(&mut self, expr: &Object, scope: &Scope<S>) -> Result<Vec<S::Value>, RelayError> {
        let arguments = arguments(expr)?;
        match operator(expr)? {
            Some(_) => self.sink.call(expr, &many::<S>(scope, &arguments)?),
            None => self.enter(&expr.field("op")?.object()?, scope, &arguments),
        }
    }

    fn enter(
        &mut self,
        function: &Object,
        scope: &Scope<S>,
        arguments: &[Object],
    ) -> Result<Vec<S::Value>, RelayError> {
        let kind = type_name(function)?;
        if kind != "Function" {
            return Err(RelayError::Expression(format!("call of a {kind}")));
        }
        let mut inner = Scope::<S>::new();
        for (parameter, argument) in objects(function.field("params")?)?.iter().zip(arguments) {
            inner.insert(parameter.id(), lookup::<S>(scope, argument)?);
        }
        self.body(function, inner)
    }
}

fn variable_name(var: &Object) -> Result<String, RelayError> {
    Ok(var.field("vid")?.object()?.field("name_hint")?.text()?)
}

fn lookup<S: Sink>(scope: &Scope<S>, expr: &Object) -> Result<Vec<S::Value>, RelayError> {
    let missing = || RelayError::Expression("expression before its operands".to_string());
    scope.get(&expr.id()).cloned().ok_or_else(missing)
}

fn many<S: Sink>(scope: &Scope<S>, exprs: &[Object]) -> Result<Vec<S::Value>, RelayError> {
    let lists: Result<Vec<_>, _> = exprs.iter().map(|expr| lookup::<S>(scope, expr)).collect();
    Ok(lists?.concat())
}

/// The expressions of a body that `known` lacks, operands first, each once; deep networks need no deep stack.
fn post_order<S: Sink>(body: &Object, known: &Scope<S>) -> Result<Vec<Object>, RelayError> {
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
