//! The numbers of a tensor.

use std::sync::Arc;

/// A dense float32 array in row-major order, cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Arc<Vec<f32>>,
}

impl Array {
    /// Rows `start..end` of an array that has rows.
    pub fn part(&self, start: usize, end: usize) -> Array {
        let width = self.data.len() / self.shape[0].max(1);
        let mut shape = self.shape.clone();
        shape[0] = end - start;
        Array {
            shape,
            data: Arc::new(self.data[start * width..end * width].to_vec()),
        }
    }

    /// `size` rows, for an engine that takes no fewer: the last row again where there are fewer. At least one row.
    pub fn padded(&self, size: usize) -> Array {
        let have = self.shape[0];
        if have == size {
            return self.clone();
        }
        let width = self.data.len() / have;
        let mut data = self.data.to_vec();
        for _ in have..size {
            data.extend_from_slice(&self.data[(have - 1) * width..]);
        }
        let mut shape = self.shape.clone();
        shape[0] = size;
        Array {
            shape,
            data: Arc::new(data),
        }
    }
}
