//! One layer's work, per row of the batch.

/// What an engine has to do, as far as its time depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Convolution,
    /// A convolution with one input channel per group.
    Depthwise,
    MatMul,
    Pool,
    Lrn,
    Pointwise,
    Reduce,
    Softmax,
    /// Copies and transpositions.
    Move,
}

/// One layer of an engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Names of its nodes' first, joined by ` || ` where several became one.
    pub name: String,
    pub kind: Kind,
    /// Elements read per row, those of a fused addition included.
    pub inputs: f64,
    /// Elements written per row.
    pub outputs: f64,
    /// Of both, those that come from outside the engine or leave it.
    pub outside: f64,
    /// Elements of weights, read once per execution.
    pub weights: f64,
    /// Multiply-accumulates per row.
    pub macs: f64,
    /// Whether an addition of another activation is fused.
    pub adds: bool,
    /// Kernel and maps, of convolutions, matrix products and pooling.
    pub geometry: Option<Geometry>,
}

/// Of one convolution; a matrix product has 1x1 kernels and maps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    /// Input channels of all groups.
    pub channels: f64,
    /// Output channels of all groups.
    pub maps: f64,
    pub kernel: [f64; 2],
    pub stride: [f64; 2],
    pub groups: f64,
    /// Height and width.
    pub input: [f64; 2],
    pub output: [f64; 2],
}

impl Geometry {
    /// Output positions per row.
    pub fn positions(&self) -> f64 {
        self.output[0] * self.output[1]
    }

    /// Multiply-accumulates per output element.
    pub fn depth(&self) -> f64 {
        self.channels / self.groups * self.kernel[0] * self.kernel[1]
    }
}

impl Layer {
    /// Bytes of activations per row at `bytes` per element.
    pub fn activation_bytes(&self, bytes: f64) -> f64 {
        (self.inputs + self.outputs) * bytes
    }
}
