//! Layers that combine elements along axes: reductions, normalisation across channels, softmax.

use super::{LowerError, Lowering, Reduction, Value};
use crate::graph::{Lrn, Node, PoolKind, ReduceKind};

impl Lowering<'_> {
    /// The mean or maximum over a whole map is global pooling, which every backend has its fastest code for.
    pub(super) fn reduce(
        &mut self,
        node: &Node,
        kind: ReduceKind,
        axes: &[usize],
        keepdims: bool,
    ) -> Result<Value, LowerError> {
        let pool = match kind {
            ReduceKind::Mean => Some(PoolKind::Average),
            ReduceKind::Max => Some(PoolKind::Max),
            ReduceKind::Sum | ReduceKind::Prod | ReduceKind::Min => None,
        };
        let whole_map = axes == [2, 3] && self.shape(node.inputs[0]).len() == 4;
        let value = match pool.filter(|_| whole_map) {
            Some(pool) => self.global_pool(node, pool)?,
            None => {
                let axes = axes.to_vec();
                let x = self.operand(node, 0)?;
                self.builder
                    .reduce(&node.name, x, &Reduction { kind, axes })
                    .map_err(|e| e.at(&node.name))?
            }
        };
        if keepdims {
            Ok(value)
        } else {
            self.reshaped(node, value, self.shape(node.output).to_vec())
        }
    }

    /// # Errors
    /// An even window has no middle channel: TVM and the backends then place it differently.
    pub(super) fn lrn(&mut self, node: &Node, lrn: &Lrn) -> Result<Value, LowerError> {
        if lrn.size.is_multiple_of(2) {
            return Err(LowerError::Unsupported {
                node: node.name.clone(),
                op: node.op.name(),
                reason: format!("a window of {} channels must be odd", lrn.size),
            });
        }
        let x = self.operand(node, 0)?;
        self.builder.lrn(&node.name, x, lrn).map_err(|e| e.at(&node.name))
    }

    pub(super) fn softmax(&mut self, node: &Node, axis: usize) -> Result<Value, LowerError> {
        let x = self.operand(node, 0)?;
        self.builder
            .softmax(&node.name, x, axis)
            .map_err(|e| e.at(&node.name))
    }
}
