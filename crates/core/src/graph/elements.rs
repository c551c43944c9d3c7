//! Float32 elements of weights, and the order in which they lie.

use super::{DType, Tensor};

impl Tensor {
    /// The elements of a float32 weight.
    pub fn reals(&self) -> Option<Vec<f32>> {
        let data = self.weight.as_ref().filter(|_| self.dtype == DType::F32)?;
        let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Some(data.chunks_exact(4).map(value).collect())
    }
}

/// Row-major `values` with their axes in another order: axis `i` of the result is axis `axes[i]`.
///
/// # Panics
/// When there are not as many values as `shape` says, or `axes` are no order of its axes.
pub fn permuted(values: &[f32], shape: &[usize], axes: &[usize]) -> Vec<f32> {
    let count = shape.iter().product::<usize>();
    assert_eq!(values.len(), count, "values of the shape {shape:?}");
    let Some((inner, outer)) = axes.split_last() else {
        return values.to_vec();
    };
    let mut steps = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        steps[axis - 1] = steps[axis] * shape[axis];
    }
    let mut result = Vec::with_capacity(count);
    let mut index = vec![0; outer.len()];
    while result.len() < count {
        let start: usize = outer.iter().zip(&index).map(|(axis, at)| steps[*axis] * at).sum();
        let run = values[start..].iter().step_by(steps[*inner]);
        result.extend(run.take(shape[*inner]));
        for (at, axis) in index.iter_mut().zip(outer).rev() {
            *at += 1;
            if *at < shape[*axis] {
                break;
            }
            *at = 0;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_change_their_layout() {
        let cube: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let swapped = permuted(&cube, &[2, 3, 2], &[1, 0, 2]);
        let want = [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11].map(|v| v as f32);
        assert_eq!(swapped, want);
    }
}
