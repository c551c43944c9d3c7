//! Validation, inference over a whole network, and the change of batch.

use super::infer::{elements, infer_shape};
use super::{DType, Graph, GraphError, Node, Op, Tensor, TensorId};

impl Graph {
    /// Rows of every input and output. A network whose inputs and outputs do not all have the same number of rows is
    /// one row as a whole.
    pub fn batch(&self) -> usize {
        self.rows().unwrap_or(1)
    }

    /// The number of rows that all inputs and outputs have, if they have one.
    pub fn rows(&self) -> Option<usize> {
        let mut rows = self.inputs.iter().chain(&self.outputs).map(|id| {
            let shape = &self.tensor(*id).shape;
            shape.first().copied()
        });
        let first = rows.next().flatten()?;
        rows.all(|other| other == Some(first)).then_some(first)
    }

    /// Checks ids, order, dtypes, weight sizes and every shape.
    pub fn validate(&self) -> Result<(), GraphError> {
        if self.inputs.is_empty() {
            return Err(GraphError::Empty("input"));
        }
        if self.outputs.is_empty() {
            return Err(GraphError::Empty("output"));
        }
        self.check_ids()?;
        self.tensors.iter().try_for_each(check_tensor)?;
        self.check_order()?;
        for node in &self.nodes {
            let inferred = self.infer_node(node)?;
            let stated = &self.tensor(node.output).shape;
            if inferred != *stated {
                return Err(node_error(
                    node,
                    format!("output is stated as {stated:?} but is {inferred:?}"),
                ));
            }
        }
        Ok(())
    }

    /// The output shape of `node` from the shapes of its operands.
    pub fn infer_node(&self, node: &Node) -> Result<Vec<usize>, GraphError> {
        let shapes: Vec<&[usize]> = node
            .inputs
            .iter()
            .map(|id| self.tensor(*id).shape.as_slice())
            .collect();
        infer_shape(&node.op, &shapes).map_err(|reason| node_error(node, reason))
    }

    fn check_ids(&self) -> Result<(), GraphError> {
        let count = self.tensors.len();
        let used = self
            .nodes
            .iter()
            .flat_map(|n| n.inputs.iter().chain([&n.output]));
        match used
            .chain(&self.inputs)
            .chain(&self.outputs)
            .find(|id| id.0 as usize >= count)
        {
            Some(id) => Err(GraphError::Id { id: id.0, count }),
            None => Ok(()),
        }
    }

    fn check_order(&self) -> Result<(), GraphError> {
        let mut known: Vec<bool> = self.tensors.iter().map(|t| t.weight.is_some()).collect();
        for id in &self.inputs {
            if std::mem::replace(&mut known[id.0 as usize], true) {
                return Err(tensor_error(
                    self.tensor(*id),
                    "is an input twice, or a weight",
                ));
            }
        }
        for node in &self.nodes {
            if let Some(id) = node.inputs.iter().find(|id| !known[id.0 as usize]) {
                return Err(GraphError::Order {
                    node: node.name.clone(),
                    id: id.0,
                });
            }
            if std::mem::replace(&mut known[node.output.0 as usize], true) {
                return Err(tensor_error(self.tensor(node.output), "is written twice"));
            }
        }
        match self.outputs.iter().find(|id| !known[id.0 as usize]) {
            Some(id) => Err(tensor_error(
                self.tensor(*id),
                "is an output that nothing computes",
            )),
            None => Ok(()),
        }
    }

    /// The same network for `batch` rows. Weights are shared, not copied.
    ///
    /// # Errors
    /// [`GraphError::NotRowIndependent`] when an operator's output row depends on more than its own row.
    pub fn with_batch(&self, batch: usize) -> Result<Graph, GraphError> {
        let Some(from) = self.rows() else {
            // A node that mixes rows says more.
            self.nodes
                .iter()
                .try_for_each(|node| self.check_rows(node))?;
            return Err(GraphError::Ragged);
        };
        let mut graph = self.clone();
        for id in &self.inputs {
            let tensor = &mut graph.tensors[id.0 as usize];
            match tensor.shape.first_mut() {
                Some(rows) if *rows == from => *rows = batch,
                _ => {
                    return Err(tensor_error(
                        tensor,
                        "is an input without the batch as its first dimension",
                    ))
                }
            }
        }
        for index in 0..graph.nodes.len() {
            let node = &graph.nodes[index];
            self.check_rows(node)?;
            let shape = graph
                .infer_node(node)
                .map_err(|error| mixes(node, error.to_string()))?;
            if shape.first() != Some(&batch) {
                return Err(mixes(
                    node,
                    format!("its output {shape:?} does not have {batch} rows"),
                ));
            }
            let output = node.output;
            graph.tensors[output.0 as usize].shape = shape;
        }
        Ok(graph)
    }

    fn check_rows(&self, node: &Node) -> Result<(), GraphError> {
        let rank = self.tensor(node.output).shape.len();
        let reason = match &node.op {
            Op::Concat { axis: 0 }
            | Op::Softmax { axis: 0 }
            | Op::ExpandDims { axis: 0, .. }
            | Op::BatchNorm { axis: 0, .. }
            | Op::LayerNorm { axis: 0, .. }
            | Op::BiasAdd { axis: 0 } => "works along axis 0",
            Op::Reduce { axes, .. } | Op::Squeeze { axes } if axes.contains(&0) => {
                "works along axis 0"
            }
            Op::Slice { ranges } if ranges.iter().any(|r| r.axis == 0) => "works along axis 0",
            Op::Transpose { axes } if axes.first() != Some(&0) => "moves axis 0",
            Op::Reshape { dims } if dims.first() != Some(&0) => "does not keep axis 0",
            Op::Pad(pad) if pad.before.first() != Some(&0) || pad.after.first() != Some(&0) => {
                "pads axis 0"
            }
            Op::Dense if self.tensor(node.inputs[1]).weight.is_none() => {
                "its weights are computed from all rows"
            }
            Op::Binary(_) | Op::BatchMatmul { .. } | Op::PRelu
                if node.inputs.iter().any(|id| self.spoils_rows(*id, rank)) =>
            {
                "an operand is not one row per image"
            }
            _ => return Ok(()),
        };
        Err(mixes(node, reason.to_string()))
    }

    /// Whether an operand of an element-wise operator is neither per row nor broadcast over all rows.
    fn spoils_rows(&self, id: TensorId, rank: usize) -> bool {
        let tensor = self.tensor(id);
        let full = tensor.shape.len() == rank;
        match tensor.weight {
            Some(_) => full && tensor.shape.first() != Some(&1),
            None => !full,
        }
    }
}

fn check_tensor(tensor: &Tensor) -> Result<(), GraphError> {
    let count = elements(&tensor.shape).map_err(|reason| GraphError::Tensor {
        tensor: tensor.name.clone(),
        reason,
    })?;
    match &tensor.weight {
        None if !matches!(tensor.dtype, DType::F32 | DType::F16) => Err(tensor_error(
            tensor,
            "activations must be float32 or float16",
        )),
        None if count == 0 => Err(tensor_error(tensor, "has no elements")),
        Some(data) if Some(data.len()) != count.checked_mul(tensor.dtype.size()) => Err(
            tensor_error(tensor, "has data of another size than its shape"),
        ),
        _ => Ok(()),
    }
}

fn node_error(node: &Node, reason: String) -> GraphError {
    GraphError::Node {
        node: node.name.clone(),
        op: node.op.name(),
        reason,
    }
}

fn mixes(node: &Node, reason: String) -> GraphError {
    GraphError::NotRowIndependent {
        node: node.name.clone(),
        op: node.op.name(),
        reason,
    }
}

fn tensor_error(tensor: &Tensor, reason: &str) -> GraphError {
    GraphError::Tensor {
        tensor: tensor.name.clone(),
        reason: reason.to_string(),
    }
}
