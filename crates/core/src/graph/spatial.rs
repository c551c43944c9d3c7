//! The geometry of operators that slide windows over maps.

use serde::{Deserialize, Serialize};

/// Zero padding around a 2-D map, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Padding2d {
    pub top: usize,
    pub left: usize,
    pub bottom: usize,
    pub right: usize,
}

impl Padding2d {
    /// `width` elements on every side.
    pub fn uniform(width: usize) -> Padding2d {
        Padding2d {
            top: width,
            left: width,
            bottom: width,
            right: width,
        }
    }

    /// `[[top, bottom], [left, right]]`
    pub fn pairs(&self) -> [[usize; 2]; 2] {
        [[self.top, self.bottom], [self.left, self.right]]
    }

    pub fn is_zero(&self) -> bool {
        *self == Padding2d::default()
    }
}

/// `x[N,C,H,W], w[O,C/groups,kh,kw]` -> `[N,O,H',W']`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv2d {
    pub stride: [usize; 2],
    pub padding: Padding2d,
    pub dilation: [usize; 2],
    pub groups: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    Max,
    Average,
}

/// `x[N,C,H,W]` -> `[N,C,H',W']`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool2d {
    pub kind: PoolKind,
    pub window: [usize; 2],
    pub stride: [usize; 2],
    pub padding: Padding2d,
    pub dilation: [usize; 2],
    pub ceil_mode: bool,
    /// Average only: whether padded elements count in the divisor.
    pub count_include_pad: bool,
}

/// Zero padding around a map of `N` axes, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "[usize; N]: Serialize",
    deserialize = "[usize; N]: Deserialize<'de>"
))]
pub struct PaddingNd<const N: usize> {
    pub before: [usize; N],
    pub after: [usize; N],
}

impl<const N: usize> PaddingNd<N> {
    /// `width` elements on every side.
    pub fn uniform(width: usize) -> PaddingNd<N> {
        PaddingNd {
            before: [width; N],
            after: [width; N],
        }
    }

    /// Whether no window of this size finds room in it.
    pub fn is_narrower(&self, window: &[usize; N]) -> bool {
        (0..N).all(|i| self.before[i] < window[i] && self.after[i] < window[i])
    }

    /// `[before, after]` of each axis.
    pub fn pairs(&self) -> [[usize; 2]; N] {
        std::array::from_fn(|i| [self.before[i], self.after[i]])
    }
}

impl From<Padding2d> for PaddingNd<2> {
    fn from(p: Padding2d) -> PaddingNd<2> {
        PaddingNd {
            before: [p.top, p.left],
            after: [p.bottom, p.right],
        }
    }
}

impl From<PaddingNd<2>> for Padding2d {
    fn from(p: PaddingNd<2>) -> Padding2d {
        Padding2d {
            top: p.before[0],
            left: p.before[1],
            bottom: p.after[0],
            right: p.after[1],
        }
    }
}

impl Conv2d {
    /// Dense, ungrouped and without padding, with windows `stride` apart.
    pub fn plain(stride: [usize; 2]) -> Conv2d {
        Conv2d {
            stride,
            padding: Padding2d::default(),
            dilation: [1; 2],
            groups: 1,
        }
    }
}

/// A convolution over 1 or 3 axes: `x[N,C,..], w[O,C/groups,..]` -> `[N,O,..]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "[usize; N]: Serialize",
    deserialize = "[usize; N]: Deserialize<'de>"
))]
pub struct ConvNd<const N: usize> {
    pub stride: [usize; N],
    pub padding: PaddingNd<N>,
    pub dilation: [usize; N],
    pub groups: usize,
}

/// A transposed convolution: `x[N,C,..], w[C,O/groups,..]` -> `[N,O,..]` with
/// `(size - 1) * stride + window - padding + output_padding` elements per axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "[usize; N]: Serialize",
    deserialize = "[usize; N]: Deserialize<'de>"
))]
pub struct DeconvNd<const N: usize> {
    pub stride: [usize; N],
    /// Elements cut off the result.
    pub padding: PaddingNd<N>,
    /// Elements added at the end of each axis, each less than the stride.
    pub output_padding: [usize; N],
    pub groups: usize,
}

/// Pooling over 3 axes: `x[N,C,D,H,W]` -> `[N,C,D',H',W']`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "[usize; N]: Serialize",
    deserialize = "[usize; N]: Deserialize<'de>"
))]
pub struct PoolNd<const N: usize> {
    pub kind: PoolKind,
    pub window: [usize; N],
    pub stride: [usize; N],
    pub padding: PaddingNd<N>,
    pub dilation: [usize; N],
    pub ceil_mode: bool,
    /// Average only: whether padded elements count in the divisor.
    pub count_include_pad: bool,
}

impl<const N: usize> PoolNd<N> {
    /// The padding between these shapes (`[N, C, ...]`): what was asked for, and what the last windows reach beyond that.
    pub fn reached(&self, input: &[usize], output: &[usize]) -> PaddingNd<N> {
        let PaddingNd { before, after } = self.padding;
        let after = std::array::from_fn(|i| {
            let taps = (self.window[i] - 1) * self.dilation[i] + 1;
            let reach = (output[2 + i] - 1) * self.stride[i] + taps;
            after[i].max(reach.saturating_sub(before[i] + input[2 + i]))
        });
        PaddingNd { before, after }
    }
}

impl From<&Pool2d> for PoolNd<2> {
    fn from(pool: &Pool2d) -> PoolNd<2> {
        PoolNd {
            kind: pool.kind,
            window: pool.window,
            stride: pool.stride,
            padding: PaddingNd::from(pool.padding),
            dilation: pool.dilation,
            ceil_mode: pool.ceil_mode,
            count_include_pad: pool.count_include_pad,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    Nearest(Rounding),
    Linear,
}

/// Which neighbour is nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    Floor,
    Ceil,
    /// To the nearest; the lower one at equal distance.
    HalfDown,
    /// To the nearest; the upper one at equal distance.
    HalfUp,
}

/// Where in the input the centre of output element `i` lies, with `scale = output / input`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coordinates {
    /// `i / scale`
    Asymmetric,
    /// `(i + 0.5) / scale - 0.5`
    HalfPixel,
    /// `i * (input - 1) / (output - 1)`
    AlignCorners,
}

/// `x[N,C,H,W]` -> `[N,C,output[0],output[1]]`; what lies outside the map is its edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize2d {
    pub output: [usize; 2],
    pub mode: ResizeMode,
    pub coordinates: Coordinates,
}

impl Resize2d {
    /// Where in an axis of `input` elements the centre of element `i` of `output` lies. Whole and half positions are
    /// exact: only the last division rounds.
    pub fn source(&self, i: usize, input: usize, output: usize) -> f64 {
        let (i, input, output) = (i as f64, input as f64, output as f64);
        match self.coordinates {
            Coordinates::Asymmetric => i * input / output,
            Coordinates::HalfPixel => ((2.0 * i + 1.0) * input - output) / (2.0 * output),
            Coordinates::AlignCorners => i * (input - 1.0) / (output - 1.0),
        }
    }

    /// Whether an element of the result lies half way between two elements of a map of this size.
    pub fn has_ties(&self, input: [usize; 2]) -> bool {
        let tie = |axis: usize, i| self.source(i, input[axis], self.output[axis]).fract().abs() == 0.5;
        (0..2).any(|axis| (0..self.output[axis]).any(|i| tie(axis, i)))
    }
}

impl Rounding {
    /// The whole position next to `v`.
    pub fn apply(self, v: f64) -> f64 {
        match self {
            Rounding::Floor => v.floor(),
            Rounding::Ceil => v.ceil(),
            Rounding::HalfDown => (v - 0.5).ceil(),
            Rounding::HalfUp => (v + 0.5).floor(),
        }
    }
}
