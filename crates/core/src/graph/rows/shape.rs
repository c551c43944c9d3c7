//! The shape of an input or output for any number of rows.

use super::located::Located;
use super::place::Place;

/// The shape of what a network takes or gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowShape {
    /// Dimensions of one row; all dimensions where rows cannot be taken out of it.
    pub row: Vec<usize>,
    /// Whether rows have the first dimension to themselves.
    pub batched: bool,
    /// Whether rows lie one after the other.
    leads: bool,
    /// For the rows that the network was compiled for.
    compiled: Vec<usize>,
    rows: usize,
}

impl RowShape {
    /// Of a tensor whose first dimension is its rows.
    pub fn leading(shape: &[usize]) -> RowShape {
        RowShape {
            row: shape.get(1..).unwrap_or_default().to_vec(),
            batched: true,
            leads: true,
            compiled: shape.to_vec(),
            rows: shape.first().copied().unwrap_or(1),
        }
    }

    /// Of a tensor in which nothing is known of rows, of a model that was compiled for `rows`: its first dimension is
    /// theirs where it is as many.
    pub fn declared(shape: &[usize], rows: usize) -> RowShape {
        if shape.first() == Some(&rows) {
            RowShape::leading(shape)
        } else {
            RowShape::whole(shape, rows)
        }
    }

    /// Of a tensor that rows cannot be taken out of.
    fn whole(shape: &[usize], rows: usize) -> RowShape {
        RowShape {
            row: shape.to_vec(),
            batched: false,
            leads: false,
            compiled: shape.to_vec(),
            rows,
        }
    }

    pub(super) fn located(shape: &[usize], rows: usize, place: Located) -> RowShape {
        let first = shape.first() == Some(&rows);
        match place {
            Located::At(place) if place == Place::of(0) => RowShape::leading(shape),
            Located::At(place) if place.leads(shape) => RowShape {
                row: place.resized(shape, 1),
                leads: true,
                ..RowShape::whole(shape, rows)
            },
            Located::Unknown if first => RowShape::leading(shape),
            // One row, with or without a dimension for it.
            Located::Nowhere if first && rows == 1 => RowShape::leading(shape),
            Located::At(_) | Located::Unknown | Located::Nowhere => RowShape::whole(shape, rows),
        }
    }

    /// As compiled for the rows it was compiled for. For others, rows lie along the first axis, which a tensor that has none
    /// for them is given; where rows cannot be taken out of a tensor, executions lie along a first axis of their own.
    pub fn of(&self, rows: usize) -> Vec<usize> {
        let (count, rest) = match self.leads {
            _ if rows == self.rows => return self.compiled.clone(),
            true => (rows, &self.row),
            false => (rows / self.rows, &self.compiled),
        };
        std::iter::once(count).chain(rest.iter().copied()).collect()
    }

    /// The rows in an array of this shape, if it can be one.
    pub fn rows(&self, shape: &[usize]) -> Option<usize> {
        match shape.split_first() {
            Some((rows, rest)) if *rest == self.row && shape.len() > self.row.len() => {
                Some(if self.leads { *rows } else { rows * self.rows })
            }
            _ => (shape == self.compiled).then_some(self.rows),
        }
    }
}
