//! Where the rows of a batch lie in a tensor.

/// Axis `axis` has `outer * rows * inner` elements; every other axis is as it is for a single row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub axis: usize,
    pub outer: usize,
    pub inner: usize,
}

impl Place {
    /// An axis of its own.
    pub(super) const fn of(axis: usize) -> Place {
        Place {
            axis,
            outer: 1,
            inner: 1,
        }
    }

    pub(super) fn on(self, axis: usize) -> Place {
        Place { axis, ..self }
    }

    /// Whether the rows have the axis to themselves.
    pub fn alone(self) -> bool {
        self.outer == 1 && self.inner == 1
    }

    /// Whether a row's elements are neighbours, one row after the other.
    pub fn leads(self, shape: &[usize]) -> bool {
        self.before(shape) == 1
    }

    /// `shape` for `rows` rows.
    pub fn resized(self, shape: &[usize], rows: usize) -> Vec<usize> {
        let mut shape = shape.to_vec();
        shape[self.axis] = self.outer * rows * self.inner;
        shape
    }

    /// Elements of a row that are apart by all rows.
    pub(super) fn before(self, shape: &[usize]) -> usize {
        shape[..self.axis].iter().product::<usize>() * self.outer
    }

    /// Elements that follow each other in a row.
    pub(super) fn after(self, shape: &[usize]) -> usize {
        shape[self.axis + 1..].iter().product::<usize>() * self.inner
    }

    /// The places that the rows may have in `to`, which has the same elements in the same order. With one row there can
    /// be several, since any axis of length one may be the batch; the likeliest comes first: an axis of its own, then
    /// the end of an axis, then the start of one.
    pub(super) fn reshaped(self, from: &[usize], to: &[usize], rows: usize) -> Vec<Place> {
        let before = self.before(from);
        let place = |axis: usize| {
            let ahead: usize = to[..axis].iter().product();
            let outer = before.checked_div(ahead).filter(|o| o * ahead == before)?;
            let inner = to[axis].checked_div(outer * rows)?;
            let whole = outer * rows * inner == to[axis];
            (whole && inner > 0).then_some(Place { axis, outer, inner })
        };
        let mut places: Vec<Place> = (0..to.len()).filter_map(place).collect();
        places.sort_by_key(|place| (!place.alone(), place.inner != 1));
        places
    }
}
