//! Writes a network by its shapes; weights are zeros that nobody touches, so that they take no memory.

use std::sync::Arc;

use crate::graph::{
    Activation, BinaryKind, Conv2d, DType, Graph, GraphBuilder, GraphError, Lrn, Op, Padding2d, Pool2d,
    PoolKind, TensorId,
};

type Made = Result<TensorId, GraphError>;

pub(super) struct Net {
    builder: GraphBuilder,
    count: usize,
}

/// A convolution's or a pooling window's side, stride and padding.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub side: usize,
    pub stride: usize,
    pub pad: usize,
}

/// A square window.
pub(super) const fn window(side: usize, stride: usize, pad: usize) -> Window {
    Window { side, stride, pad }
}

impl Net {
    /// One image of `[channels, height, width]`.
    pub fn new(name: &str, shape: [usize; 3]) -> (Net, TensorId) {
        let mut builder = GraphBuilder::new(name);
        let x = builder.input("data", &[1, shape[0], shape[1], shape[2]]);
        (Net { builder, count: 0 }, x)
    }

    pub fn channels(&self, x: TensorId) -> usize {
        self.builder.shape(x)[1]
    }

    fn zeros(&mut self, shape: &[usize]) -> TensorId {
        let bytes = vec![0u8; shape.iter().product::<usize>() * 4];
        self.builder.tensor("w", shape, DType::F32, Some(Arc::new(bytes)))
    }

    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}_{}", self.count)
    }

    pub fn named_conv(&mut self, name: &str, x: TensorId, maps: usize, w: Window, groups: usize) -> Made {
        let inner = self.channels(x) / groups;
        let kernel = self.zeros(&[maps, inner, w.side, w.side]);
        let conv = Conv2d {
            stride: [w.stride; 2],
            padding: Padding2d::uniform(w.pad),
            dilation: [1, 1],
            groups,
        };
        self.builder.node(name, Op::Conv2d(conv), &[x, kernel])
    }

    /// Without activation.
    pub fn linear(&mut self, x: TensorId, maps: usize, w: Window, groups: usize) -> Made {
        let name = self.name("conv");
        self.named_conv(&name, x, maps, w, groups)
    }

    /// With ReLU.
    pub fn conv(&mut self, x: TensorId, maps: usize, w: Window, groups: usize) -> Made {
        let x = self.linear(x, maps, w, groups)?;
        self.relu(x)
    }

    pub fn relu(&mut self, x: TensorId) -> Made {
        self.builder.node("relu", Op::Activation(Activation::Relu), &[x])
    }

    pub fn batch_norm(&mut self, x: TensorId) -> Made {
        let channels = self.channels(x);
        let mut operands = vec![x];
        operands.extend((0..4).map(|_| self.zeros(&[channels])));
        let name = self.name("bn");
        self.builder.node(
            &name,
            Op::BatchNorm {
                epsilon: 1e-5,
                axis: 1,
            },
            &operands,
        )
    }

    pub fn named_pool(
        &mut self,
        name: &str,
        x: TensorId,
        kind: PoolKind,
        w: Window,
        ceil_mode: bool,
    ) -> Made {
        let pool = Pool2d {
            kind,
            window: [w.side; 2],
            stride: [w.stride; 2],
            padding: Padding2d::uniform(w.pad),
            dilation: [1, 1],
            ceil_mode,
            count_include_pad: false,
        };
        self.builder.node(name, Op::Pool2d(pool), &[x])
    }

    pub fn max_pool(&mut self, x: TensorId, w: Window) -> Made {
        let name = self.name("pool");
        self.named_pool(&name, x, PoolKind::Max, w, false)
    }

    pub fn global_pool(&mut self, x: TensorId) -> Made {
        self.builder
            .node("global_pool", Op::GlobalPool(PoolKind::Average), &[x])
    }

    pub fn lrn(&mut self, name: &str, x: TensorId) -> Made {
        let lrn = Lrn {
            size: 5,
            bias: 1.0,
            alpha: 1e-4,
            beta: 0.75,
        };
        self.builder.node(name, Op::Lrn(lrn), &[x])
    }

    pub fn add(&mut self, a: TensorId, b: TensorId) -> Made {
        let name = self.name("add");
        self.builder.node(&name, Op::Binary(BinaryKind::Add), &[a, b])
    }

    pub fn concat(&mut self, name: &str, parts: &[TensorId]) -> Made {
        self.builder.node(name, Op::Concat { axis: 1 }, parts)
    }

    /// Flattens first.
    pub fn dense(&mut self, name: &str, x: TensorId, maps: usize) -> Made {
        let flat = match self.builder.shape(x).len() {
            2 => x,
            _ => self.builder.node("flat", Op::Flatten, &[x])?,
        };
        let inner = self.builder.shape(flat)[1];
        let kernel = self.zeros(&[maps, inner]);
        self.builder.node(name, Op::Dense, &[flat, kernel])
    }

    pub fn softmax(&mut self, name: &str, x: TensorId) -> Made {
        self.builder.node(name, Op::Softmax { axis: 1 }, &[x])
    }

    pub fn output(&mut self, x: TensorId) {
        self.builder.output(x);
    }

    pub fn finish(self) -> Result<Graph, GraphError> {
        self.builder.finish()
    }
}
