//! Typed views of Relay expressions.

use super::attrs::{Attrs, int};
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
    /// The checked types of the tensors an expression stands for: one, or the fields of a tuple.
    ///
    /// # Errors
    /// A reason when it is no tensor, has a dynamic dimension, or types were not inferred.
    pub fn all(expr: &Object) -> Result<Vec<TensorType>, String> {
        LooseType::all(expr)?.iter().map(LooseType::fixed).collect()
    }
}

/// Element type and shape of one tensor, in which a dimension may be known only at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LooseType {
    /// -1 for a dimension that is known at run time.
    pub shape: Vec<i64>,
    pub dtype: String,
}

impl LooseType {
    /// The checked types of the tensors an expression stands for: one, or the fields of a tuple.
    ///
    /// # Errors
    /// A reason when it is no tensor, or types were not inferred.
    pub fn all(expr: &Object) -> Result<Vec<LooseType>, String> {
        match expr.field("_checked_type_") {
            Ok(Value::Object(checked)) => LooseType::leaves(&checked),
            _ => Err("its type is not known: run InferType first".to_string()),
        }
    }

    fn leaves(ty: &Object) -> Result<Vec<LooseType>, String> {
        match type_name(ty).as_deref() {
            Ok("TensorType") => {
                let leaf = LooseType::of(ty).map_err(|error| error.to_string())?;
                Ok(vec![leaf])
            }
            Ok("TupleType") => {
                let fields = ty.field("fields").map_err(RelayError::from);
                let fields = fields.and_then(objects).map_err(|e| e.to_string())?;
                let leaf = |field: &Object| match LooseType::leaves(field)?.as_slice() {
                    [one] => Ok(one.clone()),
                    _ => Err("it is a tuple of tuples".to_string()),
                };
                fields.iter().map(leaf).collect()
            }
            _ => Err("it is neither a tensor nor a tuple of tensors".to_string()),
        }
    }

    fn of(ty: &Object) -> Result<LooseType, RelayError> {
        let dims = ty.field("shape")?.object()?.array()?;
        Ok(LooseType {
            shape: dims.iter().map(|dim| int(dim).unwrap_or(-1)).collect(),
            dtype: ty.field("dtype")?.text()?,
        })
    }

    fn fixed(&self) -> Result<TensorType, String> {
        let shape: Option<Vec<usize>> = self.shape.iter().map(|d| usize::try_from(*d).ok()).collect();
        Ok(TensorType {
            shape: shape.ok_or("it has a dynamic dimension, and engines are built for one shape")?,
            dtype: self.dtype.clone(),
        })
    }
}

/// One tensor that a call reads.
pub struct Operand {
    pub ty: TensorType,
    /// Its value, if it is a constant.
    value: Option<NDArray>,
}

impl Operand {
    pub fn new(ty: TensorType, value: Option<NDArray>) -> Operand {
        Operand { ty, value }
    }

    fn all(expr: &Object, op: &str) -> Result<Vec<Operand>, RelayError> {
        let refuse = |reason: String| RelayError::NotTaken {
            op: op.to_string(),
            reason: format!("an operand: {reason}"),
        };
        let value = match Expr::of(expr)? {
            Expr::Constant => Some(expr.field("data")?.ndarray()?),
            Expr::Tuple(fields) => {
                let operands: Result<Vec<_>, _> =
                    fields.iter().map(|field| Operand::all(field, op)).collect();
                return Ok(operands?.into_iter().flatten().collect());
            }
            Expr::Var | Expr::Call | Expr::TupleGetItem { .. } => None,
        };
        let types = TensorType::all(expr).map_err(refuse)?;
        let operands = types.into_iter().map(|ty| Operand {
            ty,
            value: value.clone(),
        });
        Ok(operands.collect())
    }

    pub fn is_constant(&self) -> bool {
        self.value.is_some()
    }

    /// The value of a constant operand.
    pub fn value(&self) -> Option<&NDArray> {
        self.value.as_ref()
    }
}

/// A call of an operator; a tuple argument counts as its fields.
pub struct Call {
    pub op: String,
    pub operands: Vec<Operand>,
    pub attrs: Attrs,
    /// Types of all results; never empty.
    pub outputs: Vec<TensorType>,
}

impl Call {
    /// Reads a call of an operator.
    pub fn of(call: &Object) -> Result<Call, RelayError> {
        let op = operator(call)?.ok_or_else(|| RelayError::Expression("call of a function".to_string()))?;
        let mut operands = Vec::new();
        for argument in arguments(call)? {
            operands.extend(Operand::all(&argument, &op)?);
        }
        let refuse = |reason: String| RelayError::NotTaken {
            op: op.clone(),
            reason: format!("its result: {reason}"),
        };
        let outputs = TensorType::all(call).map_err(refuse)?;
        if outputs.is_empty() {
            return Err(refuse("it is an empty tuple".to_string()));
        }
        Ok(Call {
            attrs: Attrs::new(&op, call.field("attrs")?)?,
            outputs,
            operands,
            op,
        })
    }

    /// Shape of the first operand.
    pub fn x(&self) -> &[usize] {
        self.operands.first().map_or(&[], |x| &x.ty.shape)
    }

    /// Type of the (first) result.
    pub fn output(&self) -> &TensorType {
        &self.outputs[0]
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
