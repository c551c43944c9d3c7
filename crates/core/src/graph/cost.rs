//! What a network costs: multiply-accumulates and bytes, from shapes alone.

use super::{Graph, Node, Op};

impl Graph {
    /// Multiply-accumulate operations for the whole batch (convolutions and matrix products only).
    pub fn macs(&self) -> u64 {
        self.nodes
            .iter()
            .map(|node| self.node_macs(node))
            .fold(0, u64::saturating_add)
    }

    /// Multiply-accumulate operations of one node.
    pub fn node_macs(&self, node: &Node) -> u64 {
        let outputs = product(&self.tensor(node.output).shape);
        let per_first = |id| product(&self.tensor(id).shape[1..]);
        match &node.op {
            Op::Conv1d(_) | Op::Conv2d(_) | Op::Conv3d(_) | Op::Dense => {
                outputs.saturating_mul(per_first(node.inputs[1]))
            }
            Op::Deconv2d(_) | Op::Deconv3d(_) => {
                let inputs = product(&self.tensor(node.inputs[0]).shape);
                inputs.saturating_mul(per_first(node.inputs[1]))
            }
            Op::BatchMatmul { transpose_a, .. } => {
                let inner = if *transpose_a { 1 } else { 2 };
                outputs.saturating_mul(self.tensor(node.inputs[0]).shape[inner] as u64)
            }
            _ => 0,
        }
    }

    /// Whether a convolution only copies channels of its operand, and puts zeros beside them: its kernel holds at most a
    /// single one per output.
    pub fn copies(&self, node: &Node) -> bool {
        let Op::Conv2d(_) = node.op else {
            return false;
        };
        let Some(values) = self.floats(node.inputs[1]) else {
            return false;
        };
        let each = self.tensor(node.inputs[1]).shape[1..].iter().product::<usize>();
        // The output whose one was met last. Most kernels end this at their first weight.
        let mut met = None;
        let mut taps = values.enumerate().filter(|(_, tap)| *tap != 0.0);
        taps.all(|(at, tap)| tap == 1.0 && met.replace(at / each) != Some(at / each))
    }

    /// Bytes of all weights.
    pub fn weight_bytes(&self) -> u64 {
        self.tensors
            .iter()
            .filter_map(|t| t.weight.as_ref())
            .map(|w| w.len() as u64)
            .sum()
    }

    /// Bytes of all node outputs, for the whole batch.
    pub fn activation_bytes(&self) -> u64 {
        let bytes = |node: &Node| {
            let tensor = self.tensor(node.output);
            product(&tensor.shape).saturating_mul(tensor.dtype.size() as u64)
        };
        self.nodes.iter().map(bytes).fold(0, u64::saturating_add)
    }
}

fn product(shape: &[usize]) -> u64 {
    shape.iter().fold(1, |p: u64, d| p.saturating_mul(*d as u64))
}
