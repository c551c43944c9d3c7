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
pub fn permuted(values: &[f32], shape: &[usize], axes: &[usize]) -> Vec<f32> {
    let mut steps = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        steps[axis - 1] = steps[axis] * shape[axis];
    }
    let mut order = vec![0];
    for axis in axes {
        let along = |start: &usize| {
            let (start, step) = (*start, steps[*axis]);
            (0..shape[*axis]).map(move |i| start + i * step)
        };
        order = order.iter().flat_map(along).collect();
    }
    order.into_iter().map(|from| values[from]).collect()
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
