//! Pooling, with TVM's rules for partial windows and divisors spelled out as explicit padding.

use super::{Convolution, Geometry, LowerError, Lowering, Pooling, Reduction, Slice, Value, Weights};
use crate::graph::{BinaryKind, Node, Pad, PaddingNd, Pool2d, PoolKind, PoolNd, Range, ReduceKind};

impl Lowering<'_> {
    pub(super) fn pool2d(&mut self, node: &Node, pool: &Pool2d) -> Result<Value, LowerError> {
        self.pool(node, &PoolNd::from(pool))
    }

    pub(super) fn pool3d(&mut self, node: &Node, pool: &PoolNd<3>) -> Result<Value, LowerError> {
        self.pool(node, pool)
    }

    fn pool<const N: usize>(&mut self, node: &Node, pool: &PoolNd<N>) -> Result<Value, LowerError> {
        let reached = pool.reached(self.shape(node.inputs[0]), self.shape(node.output));
        let axes = self.pool_axes(node, pool, &reached);
        let x = self.operand(node, 0)?;
        match (pool.kind, plain(pool, &reached)) {
            (kind, Some(counted)) => self.plain_pool(node, kind, &axes, x, counted),
            (PoolKind::Max, None) => self.padded_max_pool(node, &axes, x),
            (PoolKind::Average, None) => self.divided_pool(node, &axes, pool.count_include_pad, x),
        }
    }

    pub(super) fn global_pool(&mut self, node: &Node, kind: PoolKind) -> Result<Value, LowerError> {
        let x = self.operand(node, 0)?;
        let shape = self.shape(node.inputs[0]);
        let window = [shape[2], shape[3]];
        self.whole_windows(node, x, kind, window, true)
    }

    /// Output `i` covers `floor(i * in / out) .. ceil((i + 1) * in / out)`.
    pub(super) fn adaptive_pool(
        &mut self,
        node: &Node,
        kind: PoolKind,
        output: [usize; 2],
    ) -> Result<Value, LowerError> {
        let shape = self.shape(node.inputs[0]);
        let input = [shape[2], shape[3]];
        let mut x = self.operand(node, 0)?;
        if (0..2).all(|i| input[i].is_multiple_of(output[i])) {
            let window = [input[0] / output[0], input[1] / output[1]];
            return self.whole_windows(node, x, kind, window, output == [1, 1]);
        }
        for i in (0..2).filter(|i| input[*i] != output[*i]) {
            x = self.adaptive_axis(node, x, kind, 2 + i, input[i], output[i])?;
        }
        Ok(x)
    }

    /// Windows of different lengths, one slice each; a window's value is its rows' values taken over its columns.
    fn adaptive_axis(
        &mut self,
        node: &Node,
        x: Value,
        kind: PoolKind,
        axis: usize,
        input: usize,
        output: usize,
    ) -> Result<Value, LowerError> {
        let fail = |e: super::BuildError| e.at(&node.name);
        let kind = match kind {
            PoolKind::Max => ReduceKind::Max,
            PoolKind::Average => ReduceKind::Mean,
        };
        let reduction = Reduction {
            kind,
            axes: vec![axis],
        };
        let whole = self.shape(node.inputs[0]).to_vec();
        let mut windows = Vec::with_capacity(output);
        for i in 0..output {
            let (start, end) = (i * input / output, ((i + 1) * input).div_ceil(output));
            let mut shape = whole.clone();
            // Axis 2 is done by the time axis 3 is.
            shape[2] = if axis == 3 {
                self.shape(node.output)[2]
            } else {
                whole[2]
            };
            shape[axis] = end - start;
            let range = Range {
                axis,
                start,
                len: end - start,
                step: 1,
            };
            let slice = Slice {
                ranges: vec![range],
                shape,
            };
            let rows = self.builder.slice(&node.name, x, &slice).map_err(fail)?;
            let window = self.builder.reduce(&node.name, rows, &reduction);
            windows.push(window.map_err(fail)?);
        }
        self.builder
            .concatenation(&node.name, &windows, axis)
            .map_err(fail)
    }

    fn whole_windows(
        &mut self,
        node: &Node,
        x: Value,
        kind: PoolKind,
        window: [usize; 2],
        global: bool,
    ) -> Result<Value, LowerError> {
        let layer = Pooling {
            kind,
            window: window.to_vec(),
            geometry: Geometry {
                stride: window.to_vec(),
                before: vec![0; 2],
                after: vec![0; 2],
                dilation: vec![1; 2],
                groups: 1,
            },
            count_padding: false,
            global,
        };
        self.pooling(node, x, &layer)
    }

    fn plain_pool(
        &mut self,
        node: &Node,
        kind: PoolKind,
        axes: &[Axis],
        x: Value,
        count_padding: bool,
    ) -> Result<Value, LowerError> {
        let geometry = geometry(axes, 1);
        let layer = Pooling {
            kind,
            window: axes.iter().map(|a| a.window).collect(),
            count_padding,
            global: !geometry.has_padding() && axes.iter().all(|a| a.window == a.size && a.dilation == 1),
            geometry,
        };
        self.pooling(node, x, &layer)
    }

    /// Padding as wide as the window is a layer of its own, of the value that TVM pads with.
    fn padded_max_pool(&mut self, node: &Node, axes: &[Axis], x: Value) -> Result<Value, LowerError> {
        let Geometry { before, after, .. } = geometry(axes, 1);
        let pad = Pad {
            before: [vec![0, 0], before].concat(),
            after: [vec![0, 0], after].concat(),
            value: f32::MIN,
        };
        let x = self
            .builder
            .padding(&node.name, x, &pad)
            .map_err(|e| e.at(&node.name))?;
        let bare = |a: &Axis| Axis {
            size: a.before + a.size + a.after,
            before: 0,
            behind: 0,
            after: 0,
            ..*a
        };
        let bare: Vec<Axis> = axes.iter().map(bare).collect();
        self.plain_pool(node, PoolKind::Max, &bare, x, false)
    }

    /// An average whose divisor no pooling layer counts as TVM does: the windows' sums times 1 / divisor.
    /// A window wholly beyond the map averages to 0, where TVM divides 0 by 0 if padding counts.
    fn divided_pool(
        &mut self,
        node: &Node,
        axes: &[Axis],
        include_padding: bool,
        x: Value,
    ) -> Result<Value, LowerError> {
        let channels = self.shape(node.output)[1];
        let mut kernel = vec![channels, 1];
        kernel.extend(axes.iter().map(|a| a.window));
        let ones = vec![1.0; kernel.iter().product()];
        let sums = Convolution {
            kernel: Weights::from_values(&kernel, &ones),
            bias: None,
            geometry: geometry(axes, channels),
        };
        let mut shape = vec![1, 1];
        let mut counts = vec![1];
        for axis in axes {
            let own = axis.counts(include_padding);
            shape.push(own.len());
            counts = counts
                .iter()
                .flat_map(|c| own.iter().map(move |n| c * n))
                .collect();
        }
        let factors: Vec<f32> = counts.iter().map(|c| 1.0 / (*c).max(1) as f32).collect();
        let sums = self
            .builder
            .convolution(&node.name, x, &sums)
            .map_err(|e| e.at(&node.name))?;
        self.with_constant(
            node,
            BinaryKind::Mul,
            sums,
            &Weights::from_values(&shape, &factors),
        )
    }

    fn pooling(&mut self, node: &Node, x: Value, layer: &Pooling) -> Result<Value, LowerError> {
        self.builder
            .pooling(&node.name, x, layer)
            .map_err(|e| e.at(&node.name))
    }

    fn pool_axes<const N: usize>(&self, node: &Node, pool: &PoolNd<N>, reached: &PaddingNd<N>) -> [Axis; N] {
        let (input, output) = (self.shape(node.inputs[0]), self.shape(node.output));
        std::array::from_fn(|i| Axis {
            size: input[2 + i],
            outputs: output[2 + i],
            window: pool.window[i],
            stride: pool.stride[i],
            dilation: pool.dilation[i],
            before: pool.padding.before[i],
            behind: pool.padding.after[i],
            after: reached.after[i],
        })
    }
}

/// One axis of a pooled map.
#[derive(Clone, Copy)]
struct Axis {
    size: usize,
    outputs: usize,
    window: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    /// Padding that was asked for at the end.
    behind: usize,
    /// The same with what the last window reaches beyond it.
    after: usize,
}

impl Axis {
    /// Per window the elements that count in an average.
    fn counts(&self, include_padding: bool) -> Vec<usize> {
        let (first, end) = if include_padding {
            (0, self.before + self.size + self.behind)
        } else {
            (self.before, self.before + self.size)
        };
        let taps = |start: usize| (0..self.window).map(move |k| start + k * self.dilation);
        (0..self.outputs)
            .map(|o| taps(o * self.stride).filter(|t| (first..end).contains(t)).count())
            .collect()
    }
}

fn geometry(axes: &[Axis], groups: usize) -> Geometry {
    let each = |f: fn(&Axis) -> usize| axes.iter().map(f).collect();
    Geometry {
        stride: each(|a| a.stride),
        before: each(|a| a.before),
        after: each(|a| a.after),
        dilation: each(|a| a.dilation),
        groups,
    }
}

/// Whether one pooling layer says it all, and then whether its padding counts in the divisor.
fn plain<const N: usize>(pool: &PoolNd<N>, reached: &PaddingNd<N>) -> Option<bool> {
    if !reached.is_narrower(&pool.window) {
        return None;
    }
    let complete = *reached == pool.padding;
    match pool.kind {
        PoolKind::Max => Some(false),
        PoolKind::Average if pool.dilation != [1; N] => None,
        PoolKind::Average if !pool.count_include_pad || pool.padding == PaddingNd::uniform(0) => Some(false),
        PoolKind::Average => complete.then_some(true),
    }
}
