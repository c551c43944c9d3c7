//! A JSON graph as a network, through the same readers as Relay's calls.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::{Document, Entry, Node, NodeKind};
use crate::graph::{Graph, TensorId};
use crate::relay::attrs::Attrs;
use crate::relay::emit::Emitter;
use crate::relay::error::RelayError;
use crate::relay::expr::{Call, Operand, TensorType};
use crate::tvm::NDArray;

const PREFIX: &str = "tensorrt.";
/// Attributes of a node that are no attributes of the operator.
const OWN: [&str; 4] = ["num_inputs", "num_outputs", "shape", "dtype"];

/// A tensor of a node.
#[derive(Clone)]
struct Known {
    id: TensorId,
    ty: TensorType,
    value: Option<NDArray>,
}

impl Document {
    /// The network called `name`, with the given constants. A first dimension that is known only at run time is `rows`.
    ///
    /// # Errors
    /// [`RelayError`] names the node that is not taken, or what is wrong with the document.
    pub fn network(
        &self,
        name: &str,
        constants: &HashMap<String, NDArray>,
        rows: usize,
    ) -> Result<Graph, RelayError> {
        let mut reader = Reader {
            emitter: Emitter::new(name),
            constants,
            rows,
            known: Vec::new(),
        };
        for node in &self.nodes {
            let tensors = reader.node(node).map_err(|error| error.in_node(node))?;
            reader.known.push(tensors);
        }
        let outputs: Result<Vec<TensorId>, RelayError> = self
            .heads
            .iter()
            .map(|head| Ok(reader.entry(*head)?.id))
            .collect();
        reader.emitter.finish(&outputs?)
    }
}

struct Reader<'a> {
    emitter: Emitter,
    constants: &'a HashMap<String, NDArray>,
    rows: usize,
    /// Per node read so far, its tensors.
    known: Vec<Vec<Known>>,
}

impl Reader<'_> {
    fn node(&mut self, node: &Node) -> Result<Vec<Known>, RelayError> {
        match node.op {
            NodeKind::Input => {
                let types = self.types(node)?;
                let ids = self.emitter.inputs(&node.name, &types)?;
                Ok(known(ids, types))
            }
            NodeKind::Const => self.constant(&node.name),
            NodeKind::Kernel => self.kernel(node),
        }
    }

    fn constant(&mut self, name: &str) -> Result<Vec<Known>, RelayError> {
        let array = self.constants.get(name);
        let array = array.ok_or_else(|| RelayError::Json("its value was not given".into()))?;
        Ok(vec![Known {
            id: self.emitter.constant(array)?,
            ty: TensorType {
                shape: array.shape(),
                dtype: array.dtype(),
            },
            value: Some(array.clone()),
        }])
    }

    fn kernel(&mut self, node: &Node) -> Result<Vec<Known>, RelayError> {
        let op = node.name.strip_prefix(PREFIX).unwrap_or(&node.name);
        let inputs: Result<Vec<Known>, _> = node.inputs.iter().map(|e| self.entry(*e)).collect();
        let mut inputs = inputs?;
        // From 0.11 on TVM's own code generator writes a repeated operand once.
        let binary = [
            "add", "subtract", "multiply", "divide", "power", "maximum", "minimum",
        ];
        if let ([only], true) = (&inputs[..], binary.contains(&op)) {
            inputs.push(only.clone());
        }
        let ids: Vec<TensorId> = inputs.iter().map(|known| known.id).collect();
        let operands = inputs.into_iter().map(|k| Operand::new(k.ty, k.value));
        let outputs = self.types(node)?;
        let call = Call {
            op: op.to_string(),
            operands: operands.collect(),
            attrs: Attrs::listed(op, lists(node)?),
            outputs: outputs.clone(),
        };
        if call.outputs.is_empty() {
            return Err(RelayError::Json("it has no outputs".into()));
        }
        Ok(known(self.emitter.call(&call, &ids)?, outputs))
    }

    fn entry(&self, [node, entry, _]: Entry) -> Result<Known, RelayError> {
        let found = self.known.get(node).and_then(|tensors| tensors.get(entry));
        let missing = || RelayError::Json(format!("there is no entry {entry} of node {node} yet"));
        found.cloned().ok_or_else(missing)
    }

    fn types(&self, node: &Node) -> Result<Vec<TensorType>, RelayError> {
        let shapes: Vec<Vec<i64>> = listed(node, "shape")?;
        let dtypes: Vec<String> = listed(node, "dtype")?;
        let pairs = shapes.iter().zip(dtypes);
        pairs
            .map(|(shape, dtype)| {
                Ok(TensorType {
                    shape: self.fixed(shape)?,
                    dtype,
                })
            })
            .collect()
    }

    fn fixed(&self, shape: &[i64]) -> Result<Vec<usize>, RelayError> {
        let dynamic = || RelayError::Json(format!("only the first dimension of {shape:?} may be dynamic"));
        let side = |(axis, d): (usize, &i64)| match (axis, *d) {
            (0, -1) => Ok(self.rows),
            (_, d) => usize::try_from(d).map_err(|_| dynamic()),
        };
        shape.iter().enumerate().map(side).collect()
    }
}

fn known(ids: Vec<TensorId>, types: Vec<TensorType>) -> Vec<Known> {
    let pairs = ids.into_iter().zip(types);
    pairs.map(|(id, ty)| Known { id, ty, value: None }).collect()
}

/// The operator's attributes.
fn lists(node: &Node) -> Result<BTreeMap<String, Vec<String>>, RelayError> {
    let own = node.attrs.keys().filter(|key| !OWN.contains(&key.as_str()));
    own.map(|key| Ok((key.clone(), listed(node, key)?))).collect()
}

/// Every attribute is a list that holds one list.
fn listed<T: DeserializeOwned>(node: &Node, key: &str) -> Result<Vec<T>, RelayError> {
    let value = node.attrs.get(key).cloned().unwrap_or(Value::Null);
    let wrong = || {
        RelayError::Json(format!(
            "attribute {key} is {}",
            node.attrs.get(key).unwrap_or(&Value::Null)
        ))
    };
    let outer: [Vec<T>; 1] = serde_json::from_value(value).map_err(|_| wrong())?;
    let [list] = outer;
    Ok(list)
}

impl RelayError {
    fn in_node(self, node: &Node) -> RelayError {
        match self {
            RelayError::Json(reason) => RelayError::Json(format!("node {}: {reason}", node.name)),
            other => other,
        }
    }
}
