//! What quantisation, and casts to FP16, make of float32 values: in constants at once, in computed tensors by layers.

use tvm_dla::graph::{Activation, BinaryKind};
use tvm_dla::lower::{LayerResult, NetworkBuilder, Value, Weights};

/// Adding this and taking it away again rounds a float32 below 2^22 to the nearest integer, ties to even.
const TO_INTEGER: f32 = 12_582_912.0; // 1.5 * 2^23
/// 2^13 + 1: splits the 11 significant bits of FP16 off a float32 (Veltkamp).
const SPLIT: f32 = 8193.0;
/// `kINT8` as NvInfer.h clamps it.
const LEAST: f32 = -128.0;
const MOST: f32 = 127.0;

/// Elements divided by their channel's scale, as the integers of INT8.
pub fn quantised(values: &Weights, scales: &[f32], axis: usize) -> Weights {
    by_channel(values, scales, axis, |value, scale| {
        let steps = f64::from(value) / f64::from(scale);
        steps.round_ties_even().clamp(f64::from(LEAST), f64::from(MOST)) as f32
    })
}

pub fn dequantised(steps: &Weights, scales: &[f32], axis: usize) -> Weights {
    by_channel(steps, scales, axis, |steps, scale| steps * scale)
}

fn by_channel(values: &Weights, scales: &[f32], axis: usize, each: impl Fn(f32, f32) -> f32) -> Weights {
    let inner: usize = values.shape[(axis + 1).min(values.shape.len())..]
        .iter()
        .product();
    let scale = |at: usize| scales[at / inner % scales.len()];
    let elements = values.values().into_iter().enumerate();
    let made: Vec<f32> = elements.map(|(at, value)| each(value, scale(at))).collect();
    Weights::from_values(&values.shape, &made)
}

/// A kernel as INT8 layers read it where scales are implicit: one for each length of `axis`, from its largest element.
pub fn kernel(weights: &Weights, axis: usize) -> Weights {
    let inner: usize = weights.shape[axis + 1..].iter().product();
    let mut scales = vec![0.0f32; weights.shape[axis]];
    for (at, value) in weights.values().iter().enumerate() {
        let scale = &mut scales[at / inner % weights.shape[axis]];
        *scale = scale.max(value.abs() / MOST);
    }
    // A channel of zeros takes any scale.
    scales.iter_mut().filter(|s| **s == 0.0).for_each(|s| *s = 1.0);
    dequantised(&quantised(weights, &scales, axis), &scales, axis)
}

/// Layers that a builder adds for one recorded layer.
pub struct Rounding<'a> {
    pub builder: &'a mut dyn NetworkBuilder,
    pub name: &'a str,
    pub rank: usize,
}

impl Rounding<'_> {
    fn with(&mut self, kind: BinaryKind, x: Value, constant: f32) -> LayerResult {
        let constant = Weights::from_values(&vec![1; self.rank], &[constant]);
        let constant = self.builder.constant(self.name, &constant)?;
        self.builder.elementwise(self.name, kind, x, constant)
    }

    pub fn quantise(&mut self, x: Value, scale: f32) -> LayerResult {
        let steps = self.with(BinaryKind::Div, x, scale)?;
        let bounds = Activation::Clip {
            min: LEAST,
            max: MOST,
        };
        let steps = self.builder.activation(self.name, steps, bounds)?;
        let up = self.with(BinaryKind::Add, steps, TO_INTEGER)?;
        self.with(BinaryKind::Sub, up, TO_INTEGER)
    }

    pub fn dequantise(&mut self, steps: Value, scale: f32) -> LayerResult {
        self.with(BinaryKind::Mul, steps, scale)
    }

    /// To 11 significant bits; what FP16 has no number for (beyond 65504, below 2^-14) keeps float32's.
    pub fn halve(&mut self, x: Value) -> LayerResult {
        let wide = self.with(BinaryKind::Mul, x, SPLIT)?;
        let rest = self.builder.elementwise(self.name, BinaryKind::Sub, wide, x)?;
        self.builder.elementwise(self.name, BinaryKind::Sub, wide, rest)
    }
}
