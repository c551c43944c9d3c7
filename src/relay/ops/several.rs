//! Operators that are several of ours: a small expression over a call's operands.

use super::order::Order;
use super::{Meaning, inverse};
use crate::graph::{BinaryKind, Op, Range, ReduceKind, UnaryKind, infer_shape, permuted};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

/// What a step reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An operand of the call.
    Operand(usize),
    /// The result of an earlier step.
    Step(usize),
}

/// One step of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Constant { shape: Vec<usize>, values: Vec<f32> },
    Apply { op: Op, sources: Vec<Source> },
}

/// Steps in order, and which of them the call returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Several {
    pub steps: Vec<Step>,
    pub result: Source,
    /// Shape of the result.
    pub shape: Vec<usize>,
}

impl Several {
    /// The call's operands that are read, in order.
    pub fn operands(&self) -> Vec<usize> {
        let sources = self.steps.iter().flat_map(|step| match step {
            Step::Constant { .. } => &[],
            Step::Apply { sources, .. } => &sources[..],
        });
        let mut operands: Vec<usize> = sources
            .chain([&self.result])
            .filter_map(|source| match source {
                Source::Operand(index) => Some(*index),
                Source::Step(_) => None,
            })
            .collect();
        operands.sort_unstable();
        operands.dedup();
        operands
    }
}

/// Most operators that one call becomes: a picture flipped row by row is better left to TVM.
const MOST_PARTS: usize = 64;

/// An expression that is being written; shapes are inferred on the way.
pub struct Writer<'a> {
    call: &'a Call,
    steps: Vec<Step>,
    shapes: Vec<Vec<usize>>,
}

impl<'a> Writer<'a> {
    pub fn new(call: &'a Call) -> Writer<'a> {
        Writer {
            call,
            steps: Vec::new(),
            shapes: Vec::new(),
        }
    }

    /// The call's operand of that place.
    pub fn operand(&self, index: usize) -> Result<Source, RelayError> {
        let count = self.call.operands.len();
        let attrs = &self.call.attrs;
        attrs.ensure(index < count, || format!("has {count} operands"))?;
        Ok(Source::Operand(index))
    }

    pub fn shape(&self, source: Source) -> &[usize] {
        match source {
            Source::Operand(index) => &self.call.operands[index].ty.shape,
            Source::Step(index) => &self.shapes[index],
        }
    }

    pub fn rank(&self, source: Source) -> usize {
        self.shape(source).len()
    }

    pub fn constant(&mut self, shape: &[usize], values: Vec<f32>) -> Source {
        let shape = shape.to_vec();
        let step = Step::Constant {
            shape: shape.clone(),
            values,
        };
        self.push(step, shape)
    }

    /// An operand under another shape of the same size; constants take it themselves.
    pub fn weight(&mut self, operand: usize, shape: &[usize]) -> Result<Source, RelayError> {
        let source = self.operand(operand)?;
        let fits = self.shape(source).iter().product::<usize>() == shape.iter().product::<usize>();
        self.call.attrs.ensure(fits, || {
            format!("operand {operand} is {:?} and not {shape:?}", self.shape(source))
        })?;
        match self.call.operands[operand].value() {
            Some(value) => Ok(self.constant(shape, value.to_numbers()?)),
            None => self.reshape(source, shape),
        }
    }

    /// A constant operand with its axes in another order.
    pub fn permuted(&mut self, operand: usize, axes: &[usize]) -> Result<Source, RelayError> {
        let value = self.call.operands.get(operand).and_then(|o| o.value());
        let value = value.ok_or_else(|| self.call.attrs.refuse("a weight is not constant"))?;
        let shape = value.shape();
        let values = permuted(&value.to_numbers()?, &shape, axes);
        let shape: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
        Ok(self.constant(&shape, values))
    }

    pub fn apply(&mut self, op: Op, sources: &[Source]) -> Result<Source, RelayError> {
        let shapes: Vec<&[usize]> = sources.iter().map(|s| self.shape(*s)).collect();
        let inferred = infer_shape(&op, &shapes);
        let shape = inferred.map_err(|reason| self.call.attrs.refuse(reason))?;
        let step = Step::Apply {
            op,
            sources: sources.to_vec(),
        };
        Ok(self.push(step, shape))
    }

    fn push(&mut self, step: Step, shape: Vec<usize>) -> Source {
        self.steps.push(step);
        self.shapes.push(shape);
        Source::Step(self.steps.len() - 1)
    }

    pub fn unary(&mut self, kind: UnaryKind, x: Source) -> Result<Source, RelayError> {
        self.apply(Op::Unary(kind), &[x])
    }

    pub fn binary(&mut self, kind: BinaryKind, a: Source, b: Source) -> Result<Source, RelayError> {
        self.apply(Op::Binary(kind), &[a, b])
    }

    /// `x` joined with one number.
    pub fn with(&mut self, kind: BinaryKind, x: Source, number: f32) -> Result<Source, RelayError> {
        let number = self.constant(&[], vec![number]);
        self.binary(kind, x, number)
    }

    /// Joins `axes` and keeps them with length one.
    pub fn reduce(&mut self, kind: ReduceKind, axes: &[usize], x: Source) -> Result<Source, RelayError> {
        let axes = axes.to_vec();
        let op = Op::Reduce {
            kind,
            axes,
            keepdims: true,
        };
        self.apply(op, &[x])
    }

    /// A kept first dimension is the batch, whatever its size.
    pub fn reshape(&mut self, x: Source, shape: &[usize]) -> Result<Source, RelayError> {
        if self.shape(x) == shape {
            return Ok(x);
        }
        let dims = kept_rows(self.shape(x), shape);
        self.apply(Op::Reshape { dims }, &[x])
    }

    /// Data of the call's order in ours.
    pub fn in_our_order(&mut self, x: Source, order: &Order) -> Result<Source, RelayError> {
        if order.is_ours() {
            return Ok(x);
        }
        self.transpose(x, order.axes())
    }

    /// A result in the call's order.
    pub fn in_its_order(&mut self, x: Source, order: &Order) -> Result<Source, RelayError> {
        if order.is_ours() {
            return Ok(x);
        }
        self.transpose(x, &inverse(order.axes()))
    }

    pub fn transpose(&mut self, x: Source, axes: &[usize]) -> Result<Source, RelayError> {
        let axes = axes.to_vec();
        self.apply(Op::Transpose { axes }, &[x])
    }

    pub fn concat(&mut self, parts: &[Source], axis: usize) -> Result<Source, RelayError> {
        match parts {
            [only] => Ok(*only),
            _ => self.apply(Op::Concat { axis }, parts),
        }
    }

    /// Joins tensors of one shape along a new axis.
    pub fn join(&mut self, parts: &[Source], axis: usize) -> Result<Source, RelayError> {
        let mut wide = Vec::with_capacity(parts.len());
        for part in parts {
            wide.push(self.apply(Op::ExpandDims { axis, count: 1 }, &[*part])?);
        }
        self.concat(&wide, axis)
    }

    /// The elements `indices` of one axis, in that order: slices, joined.
    pub fn pick(&mut self, x: Source, axis: usize, indices: &[usize]) -> Result<Source, RelayError> {
        if let Some((moved, sizes)) = Grid::of(indices, self.shape(x)[axis]) {
            return self.regrouped(x, axis, moved, sizes);
        }
        let runs = runs(axis, indices);
        self.call.attrs.ensure(runs.len() <= MOST_PARTS, || {
            format!("its indices are {} slices, more than {MOST_PARTS}", runs.len())
        })?;
        let mut parts = Vec::with_capacity(runs.len());
        for range in runs {
            let whole = range.len == self.shape(x)[axis];
            let ranges = vec![range];
            parts.push(if whole {
                x
            } else {
                self.apply(Op::Slice { ranges }, &[x])?
            });
        }
        self.concat(&parts, axis)
    }

    /// One axis as a grid of two, which are repeated or change places, and one again.
    fn regrouped(
        &mut self,
        x: Source,
        axis: usize,
        moved: Grid,
        [rows, columns]: [usize; 2],
    ) -> Result<Source, RelayError> {
        let own = self.shape(x).to_vec();
        let apart = |sizes: [usize; 2]| [&own[..axis], &sizes[..], &own[axis + 1..]].concat();
        let grid = match moved {
            Grid::Repeated => {
                let single = self.reshape(x, &apart([rows, 1]))?;
                self.broadcast(single, &apart([rows, columns]))?
            }
            Grid::Turned => {
                let grid = self.reshape(x, &apart([rows, columns]))?;
                let mut axes: Vec<usize> = (0..=own.len()).collect();
                axes.swap(axis, axis + 1);
                self.transpose(grid, &axes)?
            }
        };
        let mut shape = own;
        shape[axis] = rows * columns;
        self.reshape(grid, &shape)
    }

    /// Repeats axes of length one until `x` has `shape`: a product with ones, which changes no number.
    pub fn broadcast(&mut self, x: Source, shape: &[usize]) -> Result<Source, RelayError> {
        let own = self.shape(x);
        if own == shape {
            return Ok(x);
        }
        self.call.attrs.ensure(own.len() <= shape.len(), || {
            format!("{own:?} does not broadcast to {shape:?}")
        })?;
        let front = shape.len() - own.len();
        let wide: Vec<usize> = [&vec![1; front], own].concat();
        let pairs = wide.iter().zip(shape);
        let ones: Vec<usize> = pairs
            .map(|(own, want)| if own == want { 1 } else { *want })
            .collect();
        let x = self.reshape(x, &wide)?;
        let count = ones.iter().product();
        let ones = self.constant(&ones, vec![1.0; count]);
        self.binary(BinaryKind::Mul, x, ones)
    }

    pub fn finish(self, result: Source) -> Result<Meaning, RelayError> {
        Ok(Meaning::Several(Several {
            shape: self.shape(result).to_vec(),
            steps: self.steps,
            result,
        }))
    }
}

/// `shape` as a reshape of `x` names it: a kept first dimension is the batch.
pub fn kept_rows(x: &[usize], shape: &[usize]) -> Vec<i64> {
    let mut dims: Vec<i64> = shape.iter().map(|d| *d as i64).collect();
    if let (Some(first), Some(rows)) = (dims.first_mut(), x.first())
        && *first == *rows as i64
    {
        *first = 0;
    }
    dims
}

/// Fewer slices than these say themselves what they do.
const FEW_PARTS: usize = 3;

/// Indices of a whole axis that a reshape says shorter than slices.
#[derive(Debug, PartialEq)]
enum Grid {
    /// Each element several times, one behind the other.
    Repeated,
    /// Row by row becomes column by column, as channel shuffle has it.
    Turned,
}

impl Grid {
    /// What `indices` make of an axis of `size` elements, as rows and columns; `None` for few slices.
    fn of(indices: &[usize], size: usize) -> Option<(Grid, [usize; 2])> {
        let length = indices.len();
        if length < FEW_PARTS || !length.is_multiple_of(size) {
            return None;
        }
        let times = length / size;
        if times > 1 {
            let repeated = indices.iter().enumerate().all(|(i, index)| *index == i / times);
            return repeated.then_some((Grid::Repeated, [size, times]));
        }
        let columns = indices[1]
            .checked_sub(indices[0])
            .filter(|step| *step > 1 && size.is_multiple_of(*step))?;
        let rows = size / columns;
        let mut places = indices.iter().enumerate();
        let turned = places.all(|(i, index)| *index == i % rows * columns + i / rows);
        (turned && rows > 1).then_some((Grid::Turned, [rows, columns]))
    }
}

/// Indices as ranges with steps, each as long as it can be.
fn runs(axis: usize, indices: &[usize]) -> Vec<Range> {
    let mut runs: Vec<Range> = Vec::new();
    for index in indices {
        match runs.last_mut() {
            Some(run) if run.len == 1 && *index > run.start => {
                (run.step, run.len) = (index - run.start, 2);
            }
            Some(run) if run.len > 1 && *index == run.start + run.len * run.step => run.len += 1,
            _ => runs.push(Range {
                axis,
                start: *index,
                len: 1,
                step: 1,
            }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::{Grid, runs};

    #[test]
    fn indices_are_few_slices() {
        for (indices, want, why) in [
            (&[3][..], &[(3, 1, 1)][..], "one"),
            (&[0, 1, 2, 3], &[(0, 4, 1)], "neighbours"),
            (&[1, 4, 7], &[(1, 3, 3)], "steps"),
            (&[2, 1, 0], &[(2, 1, 1), (1, 1, 1), (0, 1, 1)], "backwards"),
            (&[0, 1, 2, 0, 1, 2], &[(0, 3, 1), (0, 3, 1)], "again"),
            (
                &[0, 0, 0],
                &[(0, 1, 1), (0, 1, 1), (0, 1, 1)],
                "one element repeated",
            ),
            (&[0, 5, 6, 7], &[(0, 2, 5), (6, 2, 1)], "a step, then others"),
        ] {
            let got: Vec<_> = runs(1, indices)
                .iter()
                .map(|r| (r.start, r.len, r.step))
                .collect();
            assert_eq!(got, want, "{why}");
        }
    }

    #[test]
    fn whole_axes_are_regrouped() {
        for (indices, size, want, why) in [
            (
                &[0, 2, 4, 1, 3, 5][..],
                6,
                Some((Grid::Turned, [3, 2])),
                "a shuffle",
            ),
            (
                &[0, 3, 1, 4, 2, 5],
                6,
                Some((Grid::Turned, [2, 3])),
                "the shuffle back",
            ),
            (
                &[0, 0, 1, 1, 2, 2],
                3,
                Some((Grid::Repeated, [3, 2])),
                "twice each",
            ),
            (&[0, 1, 2, 0, 1, 2], 3, None, "the whole axis twice"),
            (&[0, 2, 4, 1, 5, 3], 6, None, "another order"),
            (&[1, 3, 5, 0, 2, 4], 6, None, "another beginning"),
            (&[0, 1, 2, 3], 4, None, "all of it"),
            (&[1, 0], 2, None, "few parts"),
        ] {
            assert_eq!(Grid::of(indices, size), want, "{why}");
        }
    }
}
