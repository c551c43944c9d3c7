//! Typed views of Relay expressions.

use super::attrs::{int, Attrs};
use super::error::RelayError;
use crate::tvm::{NDArray, Object, Value};

/// The kinds of expression that a region may hold.
pub enum Expr {
    Var,
    Constant,
    Call,
    Tuple(Vec<Object>),
    TupleGetItem { tuple: Object, index: usize },
}

impl Expr {
    pub fn of(object: &Object) -> Result<Expr, RelayError> {
        match type_name(object)?.as_str() {
            "Var" => Ok(Expr::Var),
            "Constant" => Ok(Expr::Constant),
            "Call" => Ok(Expr::Call),
            "Tuple" => Ok(Expr::Tuple(objects(object.field("fields")?)?)),
            "TupleGetItem" => Ok(Expr::TupleGetItem {
                tuple: object.field("tuple_value")?.object()?,
                index: object.field("index")?.int()? as usize,
            }),
            other => Err(RelayError::Expression(other.to_string())),
        }
    }
}

/// The type's name without its namespace: TVM 0.9 says `relay.Call`, `relay.Constant`, `relay.Tuple`.
pub fn type_name(object: &Object) -> Result<String, RelayError> {
    let key = object.type_key()?;
    Ok(key.rsplit('.').next().unwrap_or_default().to_string())
}

pub fn objects(array: Value) -> Result<Vec<Object>, RelayError> {
    let items = array.object()?.array()?;
    items.iter().map(|item| Ok(item.object()?)).collect()
}

/// Static shape and element type of one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorType {
    pub shape: Vec<usize>,
    pub dtype: String,
}

impl TensorType {
    /// The checked type of a tensor-valued expression.
    ///
    /// # Errors
    /// A reason when it is no tensor, has a dynamic dimension, or types were not inferred.
    pub fn of(expr: &Object) -> Result<TensorType, String> {
        let checked = match expr.field("_checked_type_") {
            Ok(Value::Object(checked)) => checked,
            _ => return Err("its type is not known: run InferType first".to_string()),
        };
        match type_name(&checked).as_deref() {
            Ok("TensorType") => TensorType::from_type(&checked),
            _ => Err("it is not one tensor".to_string()),
        }
    }

    fn from_type(ty: &Object) -> Result<TensorType, String> {
        let dims = ty
            .field("shape")
            .and_then(|shape| shape.object())
            .and_then(|shape| shape.array())
            .map_err(|error| error.to_string())?;
        let shape = dims
            .iter()
            .map(|dim| int(dim).ok().and_then(|d| usize::try_from(d).ok()))
            .collect::<Option<Vec<usize>>>()
            .ok_or("it has a dynamic dimension, and engines are built for one shape")?;
        let dtype = ty.field("dtype").and_then(|dtype| dtype.text());
        Ok(TensorType {
            shape,
            dtype: dtype.map_err(|error| error.to_string())?,
        })
    }
}

/// One tensor that a call reads.
pub struct Operand {
    pub expr: Object,
    pub ty: TensorType,
    pub constant: bool,
}

impl Operand {
    fn of(expr: Object, op: &str) -> Result<Operand, RelayError> {
        let refuse = |reason: String| RelayError::NotTaken {
            op: op.to_string(),
            reason: format!("an operand: {reason}"),
        };
        let ty = TensorType::of(&expr).map_err(refuse)?;
        let constant = type_name(&expr)? == "Constant";
        Ok(Operand { expr, ty, constant })
    }

    /// The value of a constant operand.
    pub fn value(&self) -> Result<NDArray, RelayError> {
        Ok(self.expr.field("data")?.ndarray()?)
    }
}

/// A call of an operator; a tuple argument counts as its fields.
pub struct Call {
    pub op: String,
    pub operands: Vec<Operand>,
    pub attrs: Attrs,
    /// Type of the (first) result.
    pub output: TensorType,
}

impl Call {
    /// Reads a call of an operator.
    pub fn of(call: &Object) -> Result<Call, RelayError> {
        let op = operator(call)?
            .ok_or_else(|| RelayError::Expression("call of a function".to_string()))?;
        let mut operands = Vec::new();
        for argument in arguments(call)? {
            match Expr::of(&argument)? {
                Expr::Tuple(fields) => {
                    for field in fields {
                        operands.push(Operand::of(field, &op)?);
                    }
                }
                _ => operands.push(Operand::of(argument, &op)?),
            }
        }
        let refuse = |reason: String| RelayError::NotTaken {
            op: op.clone(),
            reason: format!("its result: {reason}"),
        };
        Ok(Call {
            attrs: Attrs::new(&op, call.field("attrs")?)?,
            output: result_type(call).map_err(refuse)?,
            operands,
            op,
        })
    }

    pub fn x(&self) -> &[usize] {
        self.operands.first().map_or(&[], |x| &x.ty.shape)
    }
}

/// The operator's name when `call` calls one, `None` when it calls a function.
pub fn operator(call: &Object) -> Result<Option<String>, RelayError> {
    let op = call.field("op")?.object()?;
    match type_name(&op)?.as_str() {
        "Op" => Ok(Some(op.field("name")?.text()?)),
        _ => Ok(None),
    }
}

pub fn arguments(call: &Object) -> Result<Vec<Object>, RelayError> {
    objects(call.field("args")?)
}

/// The tensor a call returns, or the first of a tuple (`batch_norm`, `dropout`).
fn result_type(call: &Object) -> Result<TensorType, String> {
    let first = || -> Result<Object, RelayError> {
        let ty = call.field("_checked_type_")?.object()?;
        let fields = objects(ty.field("fields")?)?;
        let none = || RelayError::Expression("call without a result".to_string());
        fields.into_iter().next().ok_or_else(none)
    };
    match TensorType::of(call) {
        Ok(ty) => Ok(ty),
        Err(reason) => first()
            .map_err(|_| reason)
            .and_then(|ty| TensorType::from_type(&ty)),
    }
}
