//! Validation, and inference over a whole network.

use super::infer::{elements, infer_shape};
use super::{DType, Graph, GraphError, Node, Tensor};

impl Graph {
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
        let used = self.nodes.iter().flat_map(|n| n.inputs.iter().chain([&n.output]));
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
                return Err(tensor_error(self.tensor(*id), "is an input twice, or a weight"));
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
}

fn check_tensor(tensor: &Tensor) -> Result<(), GraphError> {
    let count = elements(&tensor.shape).map_err(|reason| GraphError::Tensor {
        tensor: tensor.name.clone(),
        reason,
    })?;
    match &tensor.weight {
        None if !matches!(tensor.dtype, DType::F32 | DType::F16) => {
            Err(tensor_error(tensor, "activations must be float32 or float16"))
        }
        None if count == 0 => Err(tensor_error(tensor, "has no elements")),
        Some(data) if Some(data.len()) != count.checked_mul(tensor.dtype.size()) => {
            Err(tensor_error(tensor, "has data of another size than its shape"))
        }
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

fn tensor_error(tensor: &Tensor, reason: &str) -> GraphError {
    GraphError::Tensor {
        tensor: tensor.name.clone(),
        reason: reason.to_string(),
    }
}
