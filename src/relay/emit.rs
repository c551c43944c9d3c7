//! Calls as nodes of a network, whether they were read from Relay or from a JSON graph.

use std::sync::Arc;

use super::error::RelayError;
use super::expr::{Call, TensorType};
use super::names::Names;
use super::ops::{check, parts, read, Change, Taken};
use crate::graph::{DType, Graph, GraphBuilder, Op, TensorId};
use crate::tvm::NDArray;

/// A network under construction.
pub struct Emitter {
    builder: GraphBuilder,
    names: Names,
}

impl Emitter {
    pub fn new(name: &str) -> Emitter {
        Emitter {
            builder: GraphBuilder::new(name),
            names: Names::default(),
        }
    }

    /// One input, or one per field of a tuple.
    pub fn inputs(
        &mut self,
        name: &str,
        types: &[TensorType],
    ) -> Result<Vec<TensorId>, RelayError> {
        if let [only] = types {
            return Ok(vec![self.input(name, only)?]);
        }
        let fields = types.iter().enumerate();
        fields
            .map(|(i, ty)| self.input(&format!("{name}_{i}"), ty))
            .collect()
    }

    fn input(&mut self, name: &str, ty: &TensorType) -> Result<TensorId, RelayError> {
        let dtype = floating(&ty.dtype).ok_or_else(|| RelayError::NotTaken {
            op: format!("input `{name}`"),
            reason: format!("it is {}, not float32 or float16", ty.dtype),
        })?;
        Ok(self.builder.input_of(name, &ty.shape, dtype))
    }

    /// An input of integers, as the real numbers they stand for.
    pub fn integers(&mut self, name: &str, ty: &TensorType) -> TensorId {
        self.builder.input(name, &ty.shape)
    }

    /// The network so far.
    pub fn graph(&self) -> &Graph {
        self.builder.graph()
    }

    /// A float32 node that no call of Relay's stands for as it is.
    pub fn apply(&mut self, op: Op, operands: &[TensorId]) -> Result<TensorId, RelayError> {
        let name = self.names.fresh(op.name());
        Ok(self.builder.node(&name, op, operands)?)
    }

    /// A weight. Networks compute in float32 or as a device does, so float16 is widened, exactly.
    pub fn constant(&mut self, array: &NDArray) -> Result<TensorId, RelayError> {
        let dtype = match array.dtype().as_str() {
            "float32" => DType::F32,
            "float16" => return self.numbers(&array.shape(), array.to_numbers()?),
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

    fn numbers(&mut self, shape: &[usize], values: Vec<f32>) -> Result<TensorId, RelayError> {
        let name = self.names.fresh("constant");
        Ok(self.builder.weight(&name, shape, values))
    }

    /// What `call` returns when it reads `operands`.
    pub fn call(
        &mut self,
        call: &Call,
        operands: &[TensorId],
    ) -> Result<Vec<TensorId>, RelayError> {
        let taken = read(call)?;
        check(call, &taken)?;
        match taken {
            Taken::Identity => Ok(vec![operands[0]]),
            Taken::Split { axis, lengths } => parts(axis, &lengths)
                .into_iter()
                .map(|part| self.node("split", part, &operands[..1], call.output()))
                .collect(),
            Taken::Op {
                op,
                operands: used,
                changes,
            } => {
                let mut operands = operands[..used].to_vec();
                for change in &changes {
                    self.change(call, change, &mut operands)?;
                }
                let name = op.name();
                Ok(vec![self.node(name, op, &operands, call.output())?])
            }
        }
    }

    fn node(
        &mut self,
        name: &'static str,
        op: Op,
        operands: &[TensorId],
        ty: &TensorType,
    ) -> Result<TensorId, RelayError> {
        let name = self.names.fresh(name);
        let dtype = floating(&ty.dtype).unwrap_or(DType::F32);
        Ok(self.builder.node_of(&name, op, operands, dtype)?)
    }

    /// Replaces a constant operand by a changed one.
    fn change(
        &mut self,
        call: &Call,
        change: &Change,
        operands: &mut [TensorId],
    ) -> Result<(), RelayError> {
        let operand = change.operand();
        let array = call.operands[operand].value();
        let array = array.ok_or_else(|| call.attrs.refuse("a weight is not constant"))?;
        let shape = array.shape();
        operands[operand] = match change {
            Change::Fill { value, .. } => {
                self.numbers(&shape, vec![*value; shape.iter().product()])?
            }
            Change::Reshape { shape, .. } => self.numbers(shape, array.to_numbers()?)?,
            Change::Permute { axes, .. } => {
                let values = permuted(&array.to_numbers()?, &shape, axes);
                let shape: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
                self.numbers(&shape, values)?
            }
        };
        Ok(())
    }

    /// The finished network. Outputs that nothing computes get a node of their own.
    pub fn finish(mut self, outputs: &[TensorId]) -> Result<Graph, RelayError> {
        for id in outputs {
            let id = match self.builder.is_computed(*id) {
                true => *id,
                false => self.identity(*id)?,
            };
            self.builder.output(id);
        }
        Ok(self.builder.finish()?)
    }

    /// A copy of an input or weight: a reshape to the shape it has.
    fn identity(&mut self, id: TensorId) -> Result<TensorId, RelayError> {
        let dims = vec![0; self.builder.shape(id).len()];
        let dtype = self.builder.dtype(id);
        let name = self.names.fresh("identity");
        Ok(self
            .builder
            .node_of(&name, Op::Reshape { dims }, &[id], dtype)?)
    }
}

fn floating(dtype: &str) -> Option<DType> {
    match dtype {
        "float32" => Some(DType::F32),
        "float16" => Some(DType::F16),
        _ => None,
    }
}

/// Row-major `values` with their axes in another order.
fn permuted(values: &[f32], shape: &[usize], axes: &[usize]) -> Vec<f32> {
    let mut steps = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        steps[axis - 1] = steps[axis] * shape[axis];
    }
    let mut order = vec![0];
    for axis in axes {
        let along = |start: &usize| {
            let (start, step) = (*start, steps[*axis]);
            (0..shape[*axis]).map(move |i| start + i * step)
        };
        order = order.iter().flat_map(along).collect();
    }
    order.into_iter().map(|from| values[from]).collect()
}

#[cfg(test)]
mod tests {
    use super::permuted;

    #[test]
    fn kernels_change_their_layout() {
        let cube: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let swapped = permuted(&cube, &[2, 3, 2], &[1, 0, 2]);
        let want = [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11].map(|v| v as f32);
        assert_eq!(swapped, want);
    }
}
