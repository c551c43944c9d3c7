//! How a layer's windows move over a map, for any number of map axes.

use crate::graph::{Conv2d, ConvNd, DeconvNd, Padding2d, PaddingNd};

/// One entry per map axis, outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    pub stride: Vec<usize>,
    /// Padding before the first element.
    pub before: Vec<usize>,
    /// Padding behind the last element.
    pub after: Vec<usize>,
    pub dilation: Vec<usize>,
    pub groups: usize,
}

impl Geometry {
    pub fn has_padding(&self) -> bool {
        self.before.iter().chain(&self.after).any(|p| *p != 0)
    }

    /// The same with `extra` padding around it.
    pub(super) fn padded(mut self, extra: Padding2d) -> Geometry {
        let extra = PaddingNd::from(extra);
        for (side, more) in self.before.iter_mut().zip(extra.before) {
            *side += more;
        }
        for (side, more) in self.after.iter_mut().zip(extra.after) {
            *side += more;
        }
        self
    }

    /// The same with an axis of length one behind the others.
    pub(super) fn with_unit_axis(mut self) -> Geometry {
        self.stride.push(1);
        self.before.push(0);
        self.after.push(0);
        self.dilation.push(1);
        self
    }
}

impl From<&Conv2d> for Geometry {
    fn from(conv: &Conv2d) -> Geometry {
        let padding = PaddingNd::from(conv.padding);
        Geometry {
            stride: conv.stride.to_vec(),
            before: padding.before.to_vec(),
            after: padding.after.to_vec(),
            dilation: conv.dilation.to_vec(),
            groups: conv.groups,
        }
    }
}

impl<const N: usize> From<&ConvNd<N>> for Geometry {
    fn from(conv: &ConvNd<N>) -> Geometry {
        Geometry {
            stride: conv.stride.to_vec(),
            before: conv.padding.before.to_vec(),
            after: conv.padding.after.to_vec(),
            dilation: conv.dilation.to_vec(),
            groups: conv.groups,
        }
    }
}

/// Without the output padding, see [`DeconvNd::overhang`].
impl<const N: usize> From<&DeconvNd<N>> for Geometry {
    fn from(deconv: &DeconvNd<N>) -> Geometry {
        let cut = |i: usize| deconv.padding.after[i].saturating_sub(deconv.output_padding[i]);
        Geometry {
            stride: deconv.stride.to_vec(),
            before: deconv.padding.before.to_vec(),
            after: (0..N).map(cut).collect(),
            dilation: vec![1; N],
            groups: deconv.groups,
        }
    }
}

impl<const N: usize> DeconvNd<N> {
    /// Zeros behind the deconvolved map: output padding first takes back what padding would cut off, and beyond that
    /// no input element reaches.
    pub fn overhang(&self) -> [usize; N] {
        std::array::from_fn(|i| self.output_padding[i].saturating_sub(self.padding.after[i]))
    }
}
