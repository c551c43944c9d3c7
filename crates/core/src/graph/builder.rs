//! Puts a network together node by node, inferring shapes on the way.

use std::sync::Arc;

use super::{DType, Graph, GraphError, Node, Op, Tensor, TensorId};

/// A network under construction. Names need not be unique; ids are.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    graph: Graph,
}

impl GraphBuilder {
    pub fn new(name: &str) -> GraphBuilder {
        GraphBuilder {
            graph: Graph {
                name: name.to_string(),
                ..Graph::default()
            },
        }
    }

    /// A float32 input; `shape[0]` is the batch.
    pub fn input(&mut self, name: &str, shape: &[usize]) -> TensorId {
        self.input_of(name, shape, DType::F32)
    }

    /// An input that the caller holds in `dtype`.
    pub fn input_of(&mut self, name: &str, shape: &[usize], dtype: DType) -> TensorId {
        let id = self.tensor(name, shape, dtype, None);
        self.graph.inputs.push(id);
        id
    }

    /// A float32 weight in row-major order.
    pub fn weight(&mut self, name: &str, shape: &[usize], values: Vec<f32>) -> TensorId {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, shape, DType::F32, Some(Arc::new(bytes)))
    }

    /// Any tensor; activations have no `weight`.
    pub fn tensor(
        &mut self,
        name: &str,
        shape: &[usize],
        dtype: DType,
        weight: Option<Arc<Vec<u8>>>,
    ) -> TensorId {
        let id = TensorId(self.graph.tensors.len() as u32);
        self.graph.tensors.push(Tensor {
            name: name.to_string(),
            shape: shape.to_vec(),
            dtype,
            weight,
        });
        id
    }

    /// Shape of a tensor made so far.
    pub fn shape(&self, id: TensorId) -> &[usize] {
        &self.graph.tensor(id).shape
    }

    pub fn dtype(&self, id: TensorId) -> DType {
        self.graph.tensor(id).dtype
    }

    /// Whether a node computes the tensor.
    pub fn is_computed(&self, id: TensorId) -> bool {
        self.graph.nodes.iter().any(|node| node.output == id)
    }

    /// Applies `op`; the output's shape is inferred.
    pub fn node(&mut self, name: &str, op: Op, inputs: &[TensorId]) -> Result<TensorId, GraphError> {
        self.node_of(name, op, inputs, DType::F32)
    }

    /// [`GraphBuilder::node`] whose result the caller holds in `dtype`.
    pub fn node_of(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[TensorId],
        dtype: DType,
    ) -> Result<TensorId, GraphError> {
        let output = TensorId(self.graph.tensors.len() as u32);
        let node = Node {
            name: name.to_string(),
            op,
            inputs: inputs.to_vec(),
            output,
        };
        let shape = self.graph.infer_node(&node)?;
        self.tensor(name, &shape, dtype, None);
        self.graph.nodes.push(node);
        Ok(output)
    }

    /// The network so far, in topological order.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    pub fn output(&mut self, id: TensorId) {
        self.graph.outputs.push(id);
    }

    /// The finished, validated network.
    pub fn finish(self) -> Result<Graph, GraphError> {
        self.graph.validate()?;
        Ok(self.graph)
    }
}
