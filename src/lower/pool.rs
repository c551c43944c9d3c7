//! Pooling, with TVM's rules for partial windows and divisors spelled out as explicit padding.

use super::{Convolution, LowerError, Lowering, Pooling, Reduction, Slice, Value, Weights};
use crate::graph::{BinaryKind, Conv2d, Node, Pad, Padding2d, Pool2d, PoolKind};

impl Lowering<'_> {
    pub(super) fn pool2d(&mut self, node: &Node, pool: &Pool2d) -> Result<Value, LowerError> {
        let axes = self.pool_axes(node, pool);
        let x = self.operand(node, 0)?;
        match (pool.kind, plain(pool, &axes)) {
            (_, Some(count_padding)) => self.plain_pool(node, pool, &axes, x, count_padding),
            (PoolKind::Max, None) => self.padded_max_pool(node, pool, &axes, x),
            (PoolKind::Average, None) => self.divided_pool(node, pool, &axes, x),
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
        let reduction = Reduction {
            kind,
            axes: vec![axis],
        };
        let mut windows = Vec::with_capacity(output);
        for i in 0..output {
            let (start, end) = (i * input / output, ((i + 1) * input).div_ceil(output));
            let slice = Slice {
                axis,
                start,
                len: end - start,
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
            window,
            stride: window,
            padding: Padding2d::default(),
            dilation: [1, 1],
            count_padding: false,
            global,
        };
        self.pooling(node, x, &layer)
    }

    fn plain_pool(
        &mut self,
        node: &Node,
        pool: &Pool2d,
        axes: &[Axis; 2],
        x: Value,
        count_padding: bool,
    ) -> Result<Value, LowerError> {
        let padding = padding(axes);
        let layer = Pooling {
            kind: pool.kind,
            window: pool.window,
            stride: pool.stride,
            padding,
            dilation: pool.dilation,
            count_padding,
            global: padding.is_zero() && axes.iter().all(|a| a.window == a.size && a.dilation == 1),
        };
        self.pooling(node, x, &layer)
    }

    /// Padding as wide as the window is a layer of its own, of the value that TVM pads with.
    fn padded_max_pool(
        &mut self,
        node: &Node,
        pool: &Pool2d,
        axes: &[Axis; 2],
        x: Value,
    ) -> Result<Value, LowerError> {
        let pad = Pad {
            before: vec![0, 0, axes[0].before, axes[1].before],
            after: vec![0, 0, axes[0].after(), axes[1].after()],
            value: f32::MIN,
        };
        let x = self
            .builder
            .padding(&node.name, x, &pad)
            .map_err(|e| e.at(&node.name))?;
        let bare = axes.map(|a| Axis {
            size: a.before + a.size + a.after(),
            before: 0,
            behind: 0,
            ..a
        });
        self.plain_pool(node, pool, &bare, x, false)
    }

    /// An average whose divisor no pooling layer counts as TVM does: the windows' sums times 1 / divisor.
    /// A window wholly beyond the map averages to 0, where TVM divides 0 by 0 if padding counts.
    fn divided_pool(
        &mut self,
        node: &Node,
        pool: &Pool2d,
        axes: &[Axis; 2],
        x: Value,
    ) -> Result<Value, LowerError> {
        let channels = self.shape(node.output)[1];
        let [kh, kw] = pool.window;
        let ones = vec![1.0; channels * kh * kw];
        let sums = Convolution {
            kernel: Weights::from_values(&[channels, 1, kh, kw], &ones),
            bias: None,
            geometry: Conv2d {
                stride: pool.stride,
                padding: padding(axes),
                dilation: pool.dilation,
                groups: channels,
            },
        };
        let counts = axes.map(|axis| axis.counts(pool.count_include_pad));
        let factors: Vec<f32> = counts[0]
            .iter()
            .flat_map(|h| counts[1].iter().map(move |w| 1.0 / (h * w).max(1) as f32))
            .collect();
        let shape = [1, 1, counts[0].len(), counts[1].len()];
        let fail = |e: super::BuildError| e.at(&node.name);
        let sums = self
            .builder
            .convolution(&node.name, x, &sums)
            .map_err(fail)?;
        let factors = Weights::from_values(&shape, &factors);
        let factors = self.builder.constant(&node.name, &factors).map_err(fail)?;
        self.elementwise(node, BinaryKind::Mul, sums, factors)
    }

    fn pooling(&mut self, node: &Node, x: Value, layer: &Pooling) -> Result<Value, LowerError> {
        self.builder
            .pooling(&node.name, x, layer)
            .map_err(|e| e.at(&node.name))
    }

    fn pool_axes(&self, node: &Node, pool: &Pool2d) -> [Axis; 2] {
        let (input, output) = (self.shape(node.inputs[0]), self.shape(node.output));
        let pads = pool.padding.pairs();
        [0, 1].map(|i| Axis {
            size: input[2 + i],
            outputs: output[2 + i],
            window: pool.window[i],
            stride: pool.stride[i],
            dilation: pool.dilation[i],
            before: pads[i][0],
            behind: pads[i][1],
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
}

impl Axis {
    /// How far the last window reaches beyond the padded map.
    fn overhang(&self) -> usize {
        let reach = (self.outputs - 1) * self.stride + (self.window - 1) * self.dilation + 1;
        reach.saturating_sub(self.before + self.size + self.behind)
    }

    fn after(&self) -> usize {
        self.behind + self.overhang()
    }

    /// Per window the elements that count in an average.
    fn counts(&self, include_padding: bool) -> Vec<usize> {
        let (first, end) = match include_padding {
            true => (0, self.before + self.size + self.behind),
            false => (self.before, self.before + self.size),
        };
        let taps = |start: usize| (0..self.window).map(move |k| start + k * self.dilation);
        (0..self.outputs)
            .map(|o| {
                taps(o * self.stride)
                    .filter(|t| (first..end).contains(t))
                    .count()
            })
            .collect()
    }
}

fn padding(axes: &[Axis; 2]) -> Padding2d {
    Padding2d {
        top: axes[0].before,
        left: axes[1].before,
        bottom: axes[0].after(),
        right: axes[1].after(),
    }
}

/// Whether one pooling layer says it all, and then whether its padding counts in the divisor.
fn plain(pool: &Pool2d, axes: &[Axis; 2]) -> Option<bool> {
    let narrow = axes
        .iter()
        .all(|a| a.before < a.window && a.after() < a.window);
    if !narrow {
        return None;
    }
    let complete = axes.iter().all(|a| a.overhang() == 0);
    match pool.kind {
        PoolKind::Max => Some(false),
        PoolKind::Average if pool.dilation != [1, 1] => None,
        PoolKind::Average if !pool.count_include_pad || pool.padding.is_zero() => Some(false),
        PoolKind::Average => complete.then_some(true),
    }
}
