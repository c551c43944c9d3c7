//! Networks with channels last, as a front end reads them: operators over maps have a transpose before and behind them.

use super::noise;
use crate::graph::{Conv2d, GraphBuilder, Op, Padding2d, Range, TensorId};

/// A network under construction; its maps are `[N, H, W, C]`.
pub struct Last(pub GraphBuilder);

impl Default for Last {
    fn default() -> Last {
        Last::new()
    }
}

impl Last {
    pub fn new() -> Last {
        Last(GraphBuilder::new("last"))
    }

    pub fn node(&mut self, op: Op, operands: &[TensorId]) -> TensorId {
        let name = self.name(op.name());
        self.0.node(&name, op, operands).unwrap()
    }

    /// An operator over maps with channels first.
    pub fn ordered(&mut self, op: Op, x: TensorId, weights: &[TensorId]) -> TensorId {
        let axes = vec![0, 3, 1, 2];
        let x = self.node(Op::Transpose { axes }, &[x]);
        let y = self.node(op, &[&[x], weights].concat());
        let axes = vec![0, 2, 3, 1];
        self.node(Op::Transpose { axes }, &[y])
    }

    /// A 3x3 convolution that keeps the map.
    pub fn conv(&mut self, x: TensorId, channels: usize) -> TensorId {
        self.window(x, channels, 3)
    }

    /// A 1x1 convolution.
    pub fn conv1(&mut self, x: TensorId, channels: usize) -> TensorId {
        self.window(x, channels, 1)
    }

    fn window(&mut self, x: TensorId, channels: usize, side: usize) -> TensorId {
        let inputs = self.0.shape(x)[3];
        let w = self.weight(&[channels, inputs, side, side]);
        let pad = side / 2;
        let conv = Conv2d {
            stride: [1, 1],
            padding: Padding2d {
                top: pad,
                left: pad,
                bottom: pad,
                right: pad,
            },
            dilation: [1, 1],
            groups: 1,
        };
        self.ordered(Op::Conv2d(conv), x, &[w])
    }

    pub fn slice(&mut self, x: TensorId, axis: usize, start: usize, len: usize) -> TensorId {
        let range = Range {
            axis,
            start,
            len,
            step: 1,
        };
        let ranges = vec![range];
        self.node(Op::Slice { ranges }, &[x])
    }

    pub fn weight(&mut self, shape: &[usize]) -> TensorId {
        let seed = self.0.graph().tensors.len() as u32;
        let name = self.name("w");
        let values = noise(shape.iter().product(), seed + 1);
        self.0.weight(&name, shape, values)
    }

    fn name(&self, kind: &str) -> String {
        format!("{kind}_{}", self.0.graph().tensors.len())
    }
}
