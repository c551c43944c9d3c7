//! Calls as nodes of a network, whether they were read from Relay or from a JSON graph.

use std::sync::Arc;

use super::error::RelayError;
use super::expr::{Call, TensorType};
use super::names::{CONSTANT, Names};
use super::ops::{Change, Meaning, Several, Source, Step, check, inverse, parts, read};
use crate::graph::{DType, Graph, GraphBuilder, Op, TensorId, permuted};
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
    pub fn inputs(&mut self, name: &str, types: &[TensorType]) -> Result<Vec<TensorId>, RelayError> {
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
            // Conditions and indices, which readers turn into something else.
            "bool" | "uint8" | "int16" => return self.numbers(&array.shape(), array.to_numbers()?),
            "int8" => DType::I8,
            "int32" => DType::I32,
            "int64" => DType::I64,
            other => return Err(RelayError::Expression(format!("constant of type {other}"))),
        };
        let name = self.names.fresh(CONSTANT);
        let data = Arc::new(array.to_bytes()?);
        Ok(self.builder.tensor(&name, &array.shape(), dtype, Some(data)))
    }

    fn numbers(&mut self, shape: &[usize], values: Vec<f32>) -> Result<TensorId, RelayError> {
        let name = self.names.fresh(CONSTANT);
        Ok(self.builder.weight(&name, shape, values))
    }

    /// What `call` returns when it reads `operands`.
    pub fn call(&mut self, call: &Call, operands: &[TensorId]) -> Result<Vec<TensorId>, RelayError> {
        let taken = read(call)?;
        check(call, &taken)?;
        self.taken(call, taken, operands)
    }

    fn taken(
        &mut self,
        call: &Call,
        taken: Meaning,
        operands: &[TensorId],
    ) -> Result<Vec<TensorId>, RelayError> {
        match taken {
            Meaning::Identity => Ok(vec![operands[0]]),
            Meaning::Cast => {
                let dtype = floating(&call.output().dtype).unwrap_or(DType::F32);
                Ok(vec![self.identity(operands[0], dtype)?])
            }
            Meaning::Several(several) => Ok(vec![self.several(&several, operands, call.output())?]),
            Meaning::Split { axis, lengths } => parts(axis, &lengths)
                .into_iter()
                .map(|part| self.node("split", part, &operands[..1], call.output()))
                .collect(),
            Meaning::InOrder { axes, taken } => {
                let mut operands = operands.to_vec();
                operands[0] = self.transposed(call, operands[0], axes.clone())?;
                let results = self.taken(call, *taken, &operands)?.into_iter();
                let back = |id| self.transposed(call, id, inverse(&axes));
                results.map(back).collect()
            }
            Meaning::Op {
                op,
                operands: used,
                changes,
            } => {
                // Inference leaves the statistics of a normalisation as they are.
                let statistics = match op {
                    Op::BatchNorm { .. } => operands[3..used].to_vec(),
                    _ => Vec::new(),
                };
                let mut operands = operands[..used].to_vec();
                for change in &changes {
                    self.change(call, change, &mut operands)?;
                }
                let name = op.name();
                let result = self.node(name, op, &operands, call.output())?;
                Ok([&[result], &statistics[..]].concat())
            }
        }
    }

    fn transposed(&mut self, call: &Call, x: TensorId, axes: Vec<usize>) -> Result<TensorId, RelayError> {
        let op = Op::Transpose { axes };
        self.node(op.name(), op, &[x], call.output())
    }

    fn several(
        &mut self,
        several: &Several,
        operands: &[TensorId],
        ty: &TensorType,
    ) -> Result<TensorId, RelayError> {
        let mut results: Vec<TensorId> = Vec::with_capacity(several.steps.len());
        for step in &several.steps {
            let of = |source: &Source| match source {
                Source::Operand(index) => operands[*index],
                Source::Step(index) => results[*index],
            };
            let result = match step {
                Step::Constant { shape, values } => self.numbers(shape, values.clone())?,
                Step::Apply { op, sources } => {
                    let sources: Vec<TensorId> = sources.iter().map(of).collect();
                    self.node(op.name(), op.clone(), &sources, ty)?
                }
            };
            results.push(result);
        }
        Ok(match several.result {
            Source::Operand(index) => operands[index],
            Source::Step(index) => results[index],
        })
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
    fn change(&mut self, call: &Call, change: &Change, operands: &mut [TensorId]) -> Result<(), RelayError> {
        let operand = &mut operands[change.operand()];
        let shape = self.builder.shape(*operand).to_vec();
        let values = self.builder.graph().tensor(*operand).reals();
        let values = values.ok_or_else(|| call.attrs.refuse("a weight is not constant"))?;
        *operand = match change {
            Change::Fill { value, .. } => self.numbers(&shape, vec![*value; values.len()])?,
            Change::Reshape { shape, .. } => self.numbers(shape, values)?,
            Change::Permute { axes, .. } => {
                let values = permuted(&values, &shape, axes);
                let shape: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
                self.numbers(&shape, values)?
            }
        };
        Ok(())
    }

    /// The finished network. Outputs that nothing computes get a node of their own.
    pub fn finish(mut self, outputs: &[TensorId]) -> Result<Graph, RelayError> {
        for id in outputs {
            let id = if self.builder.is_computed(*id) {
                *id
            } else {
                self.identity(*id, self.builder.dtype(*id))?
            };
            self.builder.output(id);
        }
        Ok(self.builder.finish()?)
    }

    /// A copy that the caller may hold in another type: a reshape to the shape it has.
    fn identity(&mut self, id: TensorId, dtype: DType) -> Result<TensorId, RelayError> {
        let dims = vec![0; self.builder.shape(id).len()];
        let name = self.names.fresh("identity");
        Ok(self.builder.node_of(&name, Op::Reshape { dims }, &[id], dtype)?)
    }
}

fn floating(dtype: &str) -> Option<DType> {
    match dtype {
        "float32" => Some(DType::F32),
        "float16" => Some(DType::F16),
        _ => None,
    }
}
