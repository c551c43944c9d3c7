//! The outputs of one stage for the whole batch, gathered in input order.

use std::ops::Range;

/// One buffer per output.
pub(super) struct Gather {
    /// Elements of one row, per output.
    widths: Vec<usize>,
    rows: usize,
    buffers: Vec<Vec<f32>>,
}

impl Gather {
    pub fn new(widths: Vec<usize>, rows: usize) -> Gather {
        Gather {
            buffers: vec![Vec::new(); widths.len()],
            widths,
            rows,
        }
    }

    /// Keeps `rows` of a result that has the rows of `window`. A result that is the whole batch is taken as it is.
    ///
    /// # Errors
    /// `(got, want)` elements when a result has another size.
    pub fn keep(
        &mut self,
        result: Vec<Vec<f32>>,
        rows: &Range<usize>,
        window: &Range<usize>,
    ) -> Result<(), (usize, usize)> {
        let want: usize = self.widths.iter().map(|width| width * window.len()).sum();
        let got: usize = result.iter().map(Vec::len).sum();
        if result.len() != self.widths.len() || got != want {
            return Err((got, want));
        }
        if rows.len() == self.rows && rows == window {
            self.buffers = result;
            return Ok(());
        }
        for ((part, width), whole) in result.iter().zip(&self.widths).zip(&mut self.buffers) {
            whole.resize(self.rows * width, 0.0);
            let skip = (rows.start - window.start) * width;
            let length = rows.len() * width;
            whole[rows.start * width..][..length].copy_from_slice(&part[skip..][..length]);
        }
        Ok(())
    }

    pub fn take(&mut self) -> Vec<Vec<f32>> {
        std::mem::take(&mut self.buffers)
    }
}
