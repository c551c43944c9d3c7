//! The elements of a constant, and what operators make of them.

use crate::graph::{BinaryKind, Pad, Range, ReduceKind};

/// A constant in row-major order.
pub(super) struct Values {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

impl Values {
    pub fn joined(&self, kind: BinaryKind, other: &Values, shape: &[usize]) -> Vec<f32> {
        let join = |(a, b): (f32, f32)| match kind {
            BinaryKind::Add => a + b,
            BinaryKind::Sub => a - b,
            BinaryKind::Mul => a * b,
            BinaryKind::Max => a.max(b),
            BinaryKind::Min => a.min(b),
            BinaryKind::Div => a / b,
            BinaryKind::Pow => f64::from(a).powf(f64::from(b)) as f32,
        };
        let operands = self.broadcast(shape).into_iter().zip(other.broadcast(shape));
        operands.map(join).collect()
    }

    pub fn transposed(&self, axes: &[usize]) -> Vec<f32> {
        let own = strides(&self.shape);
        let shape: Vec<usize> = axes.iter().map(|axis| self.shape[*axis]).collect();
        let steps: Vec<usize> = axes.iter().map(|axis| own[*axis]).collect();
        self.picked(&shape, &steps, 0)
    }

    pub fn sliced(&self, ranges: &[Range], shape: &[usize]) -> Vec<f32> {
        let mut steps = strides(&self.shape);
        let mut start = 0;
        for range in ranges {
            start += range.start * steps[range.axis];
            steps[range.axis] *= range.step;
        }
        self.picked(shape, &steps, start)
    }

    pub fn padded(&self, pad: &Pad, shape: &[usize]) -> Vec<f32> {
        let mut padded = vec![pad.value; shape.iter().product()];
        let steps = strides(shape);
        let start = pad.before.iter().zip(&steps).map(|(b, s)| b * s).sum();
        let mut values = self.data.iter();
        walk(&self.shape, &steps, start, &mut |to| {
            values.next().into_iter().for_each(|v| padded[to] = *v);
        });
        padded
    }

    pub fn reduced(&self, kind: ReduceKind, axes: &[usize]) -> Vec<f32> {
        let mut kept = self.shape.clone();
        axes.iter().for_each(|axis| kept[*axis] = 1);
        let start = match kind {
            ReduceKind::Sum | ReduceKind::Mean => 0.0,
            ReduceKind::Prod => 1.0,
            ReduceKind::Max => f64::NEG_INFINITY,
            ReduceKind::Min => f64::INFINITY,
        };
        let mut results: Vec<f64> = vec![start; kept.iter().product()];
        let mut values = self.data.iter().map(|v| f64::from(*v));
        let steps = repeating(&kept, &self.shape);
        walk(&self.shape, &steps, 0, &mut |to| {
            let (result, value) = (&mut results[to], values.next().unwrap_or(start));
            *result = match kind {
                ReduceKind::Sum | ReduceKind::Mean => *result + value,
                ReduceKind::Prod => *result * value,
                ReduceKind::Max => result.max(value),
                ReduceKind::Min => result.min(value),
            };
        });
        let divisor = match kind {
            ReduceKind::Mean => (self.data.len() / results.len().max(1)) as f64,
            ReduceKind::Sum | ReduceKind::Prod | ReduceKind::Max | ReduceKind::Min => 1.0,
        };
        results.into_iter().map(|v| (v / divisor) as f32).collect()
    }

    /// The elements as an operand of a result of this shape.
    pub fn broadcast(&self, shape: &[usize]) -> Vec<f32> {
        if self.shape == shape {
            return self.data.clone();
        }
        self.picked(shape, &repeating(&self.shape, shape), 0)
    }

    fn picked(&self, shape: &[usize], steps: &[usize], start: usize) -> Vec<f32> {
        let mut picked = Vec::with_capacity(shape.iter().product());
        walk(shape, steps, start, &mut |from| picked.push(self.data[from]));
        picked
    }
}

/// Constants joined along an axis.
pub(super) fn concatenated(parts: &[Values], axis: usize) -> Vec<f32> {
    let rows: usize = parts[0].shape[..axis].iter().product();
    let mut joined = Vec::new();
    for row in 0..rows {
        for part in parts {
            let length = part.data.len() / rows;
            joined.extend(&part.data[row * length..(row + 1) * length]);
        }
    }
    joined
}

/// How far apart neighbours along each axis lie.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// The strides of `own` as a part of `shape`: axes of length one, and missing ones in front, repeat.
fn repeating(own: &[usize], shape: &[usize]) -> Vec<usize> {
    let missing = vec![0; shape.len() - own.len()];
    let steps = strides(own).into_iter().zip(own);
    let steps = steps.map(|(step, size)| if *size == 1 { 0 } else { step });
    missing.into_iter().chain(steps).collect()
}

/// Visits the place of every element of `shape`, in row-major order.
fn walk(shape: &[usize], steps: &[usize], start: usize, visit: &mut impl FnMut(usize)) {
    match (shape, steps) {
        ([size, shape @ ..], [step, steps @ ..]) => {
            (0..*size).for_each(|i| walk(shape, steps, start + i * step, visit));
        }
        _ => visit(start),
    }
}
