//! Models that TVM drives: any number of rows, in runs of the batch they were compiled for.

use super::error::{CliError, Failure};
use super::inputs::Port;
use crate::artifact::Executor;
use crate::engine::Array;

/// Runs that the rows of `inputs` take.
///
/// # Errors
/// [`CliError::NoBatch`] when an input has no batch side.
pub fn runs(ports: &[Port], inputs: &[Array]) -> Result<usize, CliError> {
    let batch = ports.first().and_then(|port| port.shape.first()).copied();
    match (batch, inputs.first()) {
        (Some(batch @ 1..), Some(array)) => Ok(array.shape[0].div_ceil(batch)),
        _ => Err(CliError::NoBatch),
    }
}

/// Runs all rows; those of the last run are filled up with its first row. `step` is called before each run.
pub fn run(
    executor: &Executor,
    ports: &[Port],
    inputs: &[Array],
    mut step: impl FnMut() -> Result<(), Failure>,
) -> Result<Vec<Array>, Failure> {
    let batch = ports[0].shape[0];
    let rows = inputs[0].shape[0];
    let mut whole: Vec<Array> = Vec::new();
    for start in (0..rows).step_by(batch) {
        step()?;
        let count = batch.min(rows - start);
        let part: Vec<Array> = inputs.iter().map(|a| cut(a, start, count, batch)).collect();
        let outputs = executor.run(&part)?;
        if rows != batch && outputs.iter().any(|o| o.shape.first() != Some(&batch)) {
            return Err(CliError::NoBatch.into());
        }
        append(&mut whole, outputs, count, batch);
    }
    Ok(whole)
}

/// Rows `start..start + count`, then the first of them again until there are `batch`.
fn cut(array: &Array, start: usize, count: usize, batch: usize) -> Array {
    let row = array.data.len() / array.shape[0];
    let mut data = array.data[start * row..(start + count) * row].to_vec();
    for _ in count..batch {
        data.extend_from_within(..row);
    }
    let mut shape = array.shape.clone();
    shape[0] = batch;
    Array {
        shape,
        data: data.into(),
    }
}

/// Keeps the first `count` of `batch` rows of each output.
fn append(whole: &mut Vec<Array>, outputs: Vec<Array>, count: usize, batch: usize) {
    if whole.is_empty() && count == batch {
        *whole = outputs;
        return;
    }
    for (index, output) in outputs.into_iter().enumerate() {
        let kept = output.data.len() / batch * count;
        if whole.len() <= index {
            whole.push(Array {
                shape: [&[0], &output.shape[1..]].concat(),
                data: Vec::new().into(),
            });
        }
        let target = &mut whole[index];
        target.shape[0] += count;
        std::sync::Arc::make_mut(&mut target.data).extend_from_slice(&output.data[..kept]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_filled_and_joined_again() {
        let array = |shape: &[usize], data: &[f32]| Array {
            shape: shape.to_vec(),
            data: data.to_vec().into(),
        };
        let rows = array(&[3, 2], &[1., 2., 3., 4., 5., 6.]);
        let (first, last) = (cut(&rows, 0, 2, 2), cut(&rows, 2, 1, 2));
        assert_eq!(last, array(&[2, 2], &[5., 6., 5., 6.]), "filled up");
        let mut whole = Vec::new();
        append(&mut whole, vec![first], 2, 2);
        append(&mut whole, vec![last], 1, 2);
        assert_eq!(whole, [rows]);
    }
}
